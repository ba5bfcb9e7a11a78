#include <bits/stdc++.h>
using namespace std;

int h, w;
vector<string> b;

int row(int i) {
    int s = 0;
    for (int j = 0; j < w; j++) if (b[i][j] == '*') s++;
    return s;
}

int col(int j) {
    int s = 0;
    for (int i = 0; i < h; i++) if (b[i][j] == '*') s++;
    return s;
}

int main() {
    cin >> h >> w;
    b.resize(h);
    for (auto &s : b) cin >> s;
    for (int i = 0; i < h; i++) {
        string line;
        for (int j = 0; j < w; j++) line += (row(i) + col(j)) % 2 ? '#' : '-';
        cout << line << '\n';
    }
}
