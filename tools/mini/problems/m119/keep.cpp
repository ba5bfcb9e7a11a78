#include <bits/stdc++.h>
using namespace std;

int h, w;
vector<string> b;

int main() {
    cin >> h >> w;
    b.resize(h);
    for (auto &s : b) cin >> s;
    vector<int> row(h), col(w);
    for (int i = 0; i < h; i++) {
        for (int j = 0; j < w; j++) {
            if (b[i][j] == '*') row[i]++, col[j]++;
        }
    }
    for (int i = 0; i < h; i++) {
        string line;
        for (int j = 0; j < w; j++) line += (row[i] + col[j]) % 2 ? '#' : '-';
        cout << line << '\n';
    }
}
