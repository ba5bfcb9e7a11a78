#include <cstdio>

char g[140][140];
int d[140][140];
int h, w;

int main() {
    scanf("%d %d", &h, &w);
    for (int i = 0; i < h; i++) scanf("%s", g[i]);
    int best = 0, cnt = 0;
    for (int i = h - 1; i >= 0; i--) {
        for (int j = w - 1; j >= 0; j--) {
            if (g[i][j] == '#') continue;
            int m = d[i + 1][j];
            if (d[i][j + 1] < m) m = d[i][j + 1];
            if (d[i + 1][j + 1] < m) m = d[i + 1][j + 1];
            int s = d[i][j] = m + 1;
            if (s > best) best = s, cnt = 0;
            if (s == best) cnt++;
        }
    }
    printf("%d %d\n", best, cnt);
    return 0;
}
