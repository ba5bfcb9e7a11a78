#include <bits/stdc++.h>
using namespace std;
#define rep(i, n) for (int i = 0; i < (n); i++)

int h, w;
vector<string> g;

bool fits(int r, int c, int s) {
    if (r + s > h || c + s > w) return false;
    for (int i = s - 1; i >= 0; i--)
        for (int j = s - 1; j >= 0; j--)
            if (g[r + i][c + j] == '#') return false;
    return true;
}

int main() {
    cin >> h >> w;
    g.resize(h);
    rep(i, h) cin >> g[i];
    int best = 0, cnt = 0;
    rep(i, h) rep(j, w) {
        while (fits(i, j, best + 1)) {
            best++;
            cnt = 0;
        }
        if (best > 0 && fits(i, j, best)) cnt++;
    }
    cout << best << " " << cnt << endl;
}
