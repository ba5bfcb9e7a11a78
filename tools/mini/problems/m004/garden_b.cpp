#include <bits/stdc++.h>
using namespace std;

int r, c, k;

int flowers(const vector<string> &g, int y, int x) {
    int s = 0;
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++) {
            int ny = y + dy, nx = x + dx;
            if (ny < 0 || ny >= r || nx < 0 || nx >= c) continue;
            if (g[ny][nx] == '*') s++;
        }
    return s;
}

int main() {
    cin >> r >> c >> k;
    vector<string> g(r);
    for (auto &row : g) cin >> row;
    int ans = 0;
    for (int y = 0; y < r; y++)
        for (int x = 0; x < c; x++)
            if (g[y][x] == '.' && flowers(g, y, x) >= k) ans++;
    cout << ans << endl;
}
