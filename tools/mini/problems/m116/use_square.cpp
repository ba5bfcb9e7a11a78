#include <iostream>
#include <cmath>
using namespace std;

struct P { int x, y; };
P p[1305];

int dist2(P a, P b) {
    return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y);
}

int main() {
    int n, r, ans = 0;
    cin >> n >> r;
    for (int i = 0; i < n; i++) cin >> p[i].x >> p[i].y;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (dist2(p[i], p[j]) <= r * r) ans++;
    cout << ans << endl;
}
