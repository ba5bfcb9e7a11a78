#include <cstdio>
typedef long long ll;
const ll MOD = 998244353;

ll c[100];

int main() {
    int n, q;
    scanf("%d %d", &n, &q);
    for (int i = 0; i <= n; i++) scanf("%lld", &c[i]);
    while (q--) {
        ll x, sum = 0;
        scanf("%lld", &x);
        for (int i = 0; i <= n; i++) {
            ll t = c[i];
            for (int k = 0; k < i; k++) t = t * x % MOD;
            sum = (sum + t) % MOD;
        }
        printf("%lld\n", sum);
    }
    return 0;
}
