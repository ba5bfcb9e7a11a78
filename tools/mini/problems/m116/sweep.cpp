#include <cstdio>
#include <vector>
#include <utility>
#include <algorithm>
using namespace std;

int main() {
    long long n, r;
    scanf("%lld %lld", &n, &r);
    vector<pair<long long, long long>> p(n);
    for (auto &t : p) scanf("%lld %lld", &t.first, &t.second);
    sort(p.begin(), p.end());
    int ans = 0;
    for (int i = 0; i < n; i++) {
        for (int j = i + 1; j < n; j++) {
            long long dx = p[j].first - p[i].first;
            if (dx > r) break;
            long long dy = p[j].second - p[i].second;
            if (dx * dx + dy * dy <= r * r) ans++;
        }
    }
    printf("%d\n", ans);
    return 0;
}
