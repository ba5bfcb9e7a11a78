#include <bits/stdc++.h>
using namespace std;

vector<int> g[225];
int d[225], q[225];

int main() {
    int n, m;
    scanf("%d %d", &n, &m);
    for (int i = 0; i < m; i++) {
        int u, v;
        scanf("%d %d", &u, &v);
        g[u].push_back(v);
        g[v].push_back(u);
    }
    for (int s = 1; s <= n; s++) {
        for (int i = 1; i <= n; i++) d[i] = -1;
        int head = 0, tail = 0;
        q[tail++] = s;
        d[s] = 0;
        while (head < tail) {
            int u = q[head++];
            for (int v : g[u])
                if (d[v] < 0) d[v] = d[u] + 1, q[tail++] = v;
        }
        int far = d[q[n - 1]], cnt = 0;
        for (int i = 1; i <= n; i++) cnt += d[i] == far;
        printf("%d %d\n", far, cnt);
    }
}
