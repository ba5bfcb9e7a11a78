#include <cstdio>

int a[2005];

int main() {
    int n;
    scanf("%d", &n);
    for (int i = 0; i < n; i++) scanf("%d", &a[i]);
    int left = n;
    while (left > 0) {
        for (int i = 0; i < n; i++) {
            if (a[i] == 0) continue;
            a[i]--;
            if (a[i] == 0) {
                left--;
                printf("%d%c", i + 1, left ? ' ' : '\n');
            }
        }
    }
    return 0;
}
