#include <bits/stdc++.h>
using namespace std;
typedef long long ll;
ll MOD = 998244353;

ll mul(ll a, ll b) { return (__int128)a * b % MOD; }

ll power(ll a, int e) {
    if (e == 0) return 1;
    ll h = power(a, e / 2);
    h = mul(h, h);
    if (e % 2) h = mul(h, a);
    return h;
}

int main() {
    ios::sync_with_stdio(false);
    cin.tie(0);
    int n, q;
    cin >> n >> q;
    vector<ll> c(n + 1);
    for (auto &t : c) cin >> t;
    while (q--) {
        ll x, res = 0;
        cin >> x;
        for (int i = 0; i <= n; i++) res = (res + mul(c[i], power(x, i))) % MOD;
        cout << res << '\n';
    }
}
