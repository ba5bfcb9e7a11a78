#include <bits/stdc++.h>
using namespace std;

int n, q;
int a[8005], s[8005];

int main() {
    scanf("%d %d", &n, &q);
    for (int i = 1; i <= n; i++) scanf("%d", &a[i]);
    for (int i = 1; i <= n; i++) {
        s[i] = s[i - 1];
        if (i > 1 && i < n && a[i] > a[i - 1] && a[i] > a[i + 1]) s[i]++;
    }
    while (q--) {
        int l, r;
        scanf("%d %d", &l, &r);
        printf("%d\n", s[r - 1] - s[l]);
    }
    return 0;
}
