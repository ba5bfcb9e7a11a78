#include <bits/stdc++.h>
using namespace std;
#define rep(i, n) for (int i = 0; i < (n); i++)

int h, w;
vector<string> g;

bool fits(int r, int c, int s) {
    rep(i, s) rep(j, s) if (g[r + i][c + j] == '#') return false;
    return true;
}

int main() {
    cin >> h >> w;
    g.resize(h);
    rep(i, h) cin >> g[i];
    map<int, int> cnt;
    rep(i, h) rep(j, w) {
        int s = 0;
        while (i + s < h && j + s < w && fits(i, j, s + 1)) s++;
        if (s > 0) cnt[s]++;
    }
    if (cnt.empty()) cout << "0 0" << endl;
    else cout << cnt.rbegin()->first << " " << cnt.rbegin()->second << endl;
}
