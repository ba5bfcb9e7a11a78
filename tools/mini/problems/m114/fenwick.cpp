#include <cstdio>

int t[1005];

int main() {
    int n, d;
    scanf("%d %d", &n, &d);
    long long ans = 0;
    for (int i = 0; i < n; i++) {
        int x;
        scanf("%d", &x);
        int low = 0, y = x + d + 1;
        if (y > 1000) y = 1000;
        for (int p = y; p > 0; p -= p & -p) low += t[p];
        ans += i - low;
        for (int p = x + 1; p <= 1000; p += p & -p) t[p]++;
    }
    printf("%lld\n", ans);
    return 0;
}
