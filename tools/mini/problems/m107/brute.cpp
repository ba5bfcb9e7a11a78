#include <bits/stdc++.h>
using namespace std;

int n, q;
int a[8005];

int main() {
    scanf("%d %d", &n, &q);
    for (int i = 1; i <= n; i++) scanf("%d", &a[i]);
    while (q--) {
        int l, r;
        scanf("%d %d", &l, &r);
        int cnt = 0;
        for (int i = l + 1; i < r; i++) {
            if (a[i] > a[i - 1] && a[i] > a[i + 1]) cnt++;
        }
        printf("%d\n", cnt);
    }
    return 0;
}
