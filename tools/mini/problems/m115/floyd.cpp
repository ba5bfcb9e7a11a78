#include <bits/stdc++.h>
using namespace std;

int d[225][225];

int main() {
    int n, m;
    scanf("%d %d", &n, &m);
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= n; j++) d[i][j] = (i == j ? 0 : 1000000);
    for (int i = 0; i < m; i++) {
        int u, v;
        scanf("%d %d", &u, &v);
        d[u][v] = d[v][u] = 1;
    }
    for (int k = 1; k <= n; k++)
        for (int i = 1; i <= n; i++)
            for (int j = 1; j <= n; j++) d[i][j] = min(d[i][j], d[i][k] + d[k][j]);
    for (int i = 1; i <= n; i++) {
        int far = *max_element(d[i] + 1, d[i] + n + 1);
        printf("%d %d\n", far, (int)count(d[i] + 1, d[i] + n + 1, far));
    }
}
