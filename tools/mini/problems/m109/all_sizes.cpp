#include <cstdio>

char g[140][140];
int p[140][140];
int h, w;

int main() {
    scanf("%d %d", &h, &w);
    for (int i = 0; i < h; i++) {
        scanf("%s", g[i]);
        for (int j = 0; j < w; j++)
            p[i + 1][j + 1] = p[i][j + 1] + p[i + 1][j] - p[i][j] + (g[i][j] == '#');
    }
    int best = 0, cnt = 0;
    for (int s = 1; s <= h && s <= w; s++) {
        for (int i = s; i <= h; i++) {
            for (int j = s; j <= w; j++) {
                int rocks = p[i][j] - p[i - s][j] - p[i][j - s] + p[i - s][j - s];
                if (rocks > 0) continue;
                if (s > best) best = s, cnt = 0;
                cnt++;
            }
        }
    }
    printf("%d %d\n", best, cnt);
    return 0;
}
