#include <cstdio>

int x[60005], cnt[20005];

int main() {
    int n, w;
    long long s, a, c, m;
    scanf("%d %d %lld %lld %lld %lld", &n, &w, &s, &a, &c, &m);
    for (int i = 0; i < n; i++) {
        x[i] = s;
        s = (a * s + c) % m;
    }
    int best = 0, ways = 0, d = 0;
    for (int i = 0; i < n; i++) {
        if (cnt[x[i]]++ == 0) d++;
        if (i >= w && --cnt[x[i - w]] == 0) d--;
        if (i >= w - 1) {
            if (d > best) { best = d; ways = 0; }
            if (d == best) ways++;
        }
    }
    printf("%d %d\n", best, ways);
    return 0;
}
