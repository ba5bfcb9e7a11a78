#include <cstdio>

int a[6005];

int main() {
    int n, d;
    scanf("%d %d", &n, &d);
    for (int i = 0; i < n; i++) scanf("%d", a + i);
    long long ans = 0;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++)
            if (a[i] > a[j] + d) ans++;
    printf("%lld\n", ans);
    return 0;
}
