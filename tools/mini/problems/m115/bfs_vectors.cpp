#include <iostream>
#include <queue>
#include <vector>
using namespace std;

int main() {
    ios::sync_with_stdio(false);
    int n, m;
    cin >> n >> m;
    vector<vector<int>> adj(n + 1);
    while (m--) {
        int u, v;
        cin >> u >> v;
        adj[u].push_back(v);
        adj[v].push_back(u);
    }
    for (int s = 1; s <= n; s++) {
        vector<int> dist(n + 1, -1);
        queue<int> q;
        dist[s] = 0;
        q.push(s);
        int far = 0;
        while (!q.empty()) {
            int u = q.front();
            q.pop();
            far = dist[u];
            for (int v : adj[u]) {
                if (dist[v] == -1) {
                    dist[v] = dist[u] + 1;
                    q.push(v);
                }
            }
        }
        int c = 0;
        for (int i = 1; i <= n; i++) if (dist[i] == far) c++;
        cout << far << ' ' << c << '\n';
    }
}
