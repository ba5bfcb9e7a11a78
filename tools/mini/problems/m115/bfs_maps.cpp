#include <iostream>
#include <map>
#include <queue>
#include <set>
using namespace std;

int main() {
    ios::sync_with_stdio(false);
    int n, m;
    cin >> n >> m;
    map<int, set<int>> adj;
    while (m--) {
        int u, v;
        cin >> u >> v;
        adj[u].insert(v);
        adj[v].insert(u);
    }
    for (int s = 1; s <= n; s++) {
        map<int, int> dist;
        queue<int> q;
        dist[s] = 0;
        q.push(s);
        int far = 0;
        while (!q.empty()) {
            int u = q.front();
            q.pop();
            far = dist[u];
            for (int v : adj[u]) {
                if (!dist.count(v)) {
                    dist[v] = dist[u] + 1;
                    q.push(v);
                }
            }
        }
        int c = 0;
        for (auto &p : dist) if (p.second == far) c++;
        cout << far << ' ' << c << '\n';
    }
}
