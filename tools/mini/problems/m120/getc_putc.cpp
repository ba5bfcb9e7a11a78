#include <cstdio>

int num() {
    int c = getchar_unlocked(), v = 0;
    while (c >= '0') {
        v = v * 10 + (c - '0');
        c = getchar_unlocked();
    }
    return v;
}

int main() {
    int n = num();
    int score[21] = {0}, best = 1;
    while (n--) {
        int p = num(), k = num();
        score[p] += k;
        if (score[p] > score[best]) best = p;
        if (score[p] == score[best] && p < best) best = p;
        if (best > 9) putchar_unlocked('0' + best / 10);
        putchar_unlocked('0' + best % 10);
        putchar_unlocked('\n');
    }
    return 0;
}
