#include <bits/stdc++.h>
using namespace std;
typedef long long ll;
const ll MOD = 998244353;

int main() {
    ios::sync_with_stdio(false);
    cin.tie(0);
    int n, q;
    cin >> n >> q;
    vector<ll> c(n + 1);
    for (auto &t : c) cin >> t;
    while (q--) {
        ll x, res = 0, p = 1;
        cin >> x;
        for (int i = 0; i <= n; i++) {
            res = (res + c[i] * p) % MOD;
            p = p * x % MOD;
        }
        cout << res << '\n';
    }
}
