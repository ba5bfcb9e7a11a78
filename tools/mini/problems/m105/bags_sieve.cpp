#include <cstdio>

int sum[5001];

int main() {
    for (int i = 1; i <= 5000; i++) {
        for (int j = i; j <= 5000; j += i) sum[j] += i;
    }
    int t, n;
    scanf("%d", &t);
    while (t--) {
        scanf("%d", &n);
        printf("%d\n", sum[n]);
    }
    return 0;
}
