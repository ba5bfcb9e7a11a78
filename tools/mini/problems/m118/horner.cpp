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
        for (int i = n; i >= 0; i--) sum = (sum * x + c[i]) % MOD;
        printf("%lld\n", sum);
    }
    return 0;
}
