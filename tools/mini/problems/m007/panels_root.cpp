#include <cstdio>
#include <cmath>
#define rep(i, a, b) for (int i = (a); i < (b); i++)

int choices(int n) {
    int res = 0;
    for (int a = 1; 2 * a * a <= n; a++) {
        int b = sqrt(n - a * a);
        if (a * a + b * b == n) res++;
    }
    return res;
}

int main() {
    int t, n;
    scanf("%d", &t);
    rep(k, 0, t) {
        scanf("%d", &n);
        printf("%d\n", choices(n));
    }
}
