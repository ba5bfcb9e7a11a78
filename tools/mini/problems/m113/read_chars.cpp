#include <cstdio>

int latest[1500];

int clockTime() {
    char t[8];
    scanf("%7s", t);
    return ((t[0] - '0') * 10 + t[1] - '0') * 60 + (t[3] - '0') * 10 + t[4] - '0';
}

int main() {
    int n;
    scanf("%d", &n);
    for (int i = 0; i < 1440; i++) latest[i] = -1;
    while (n--) {
        int s = clockTime();
        int e = clockTime();
        if (latest[e] < s) latest[e] = s;
    }
    int ans = 0, last = 0;
    for (int e = 0; e < 1440; e++) {
        if (latest[e] >= last) {
            ans++;
            last = e;
        }
    }
    printf("%d\n", ans);
    return 0;
}
