#include <iostream>
#include <string>
#include <vector>
#include <algorithm>
using namespace std;

bool cmp(const string &a, const string &b) {
    return a < b;
}

int main() {
    int k;
    string s;
    cin >> k >> s;
    vector<string> w;
    for (size_t i = 0; i + k <= s.size(); i++) w.push_back(s.substr(i, k));
    sort(w.begin(), w.end(), cmp);
    int kinds = 0, best = 0, run = 0;
    for (size_t i = 0; i < w.size(); i++) {
        if (i == 0 || w[i] != w[i - 1]) {
            kinds++;
            run = 0;
        }
        run++;
        best = max(best, run);
    }
    cout << kinds << ' ' << best << '\n';
}
