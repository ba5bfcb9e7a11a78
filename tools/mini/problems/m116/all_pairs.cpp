#include <cstdio>
#include <vector>
#include <utility>
using namespace std;

int main() {
    long long n, r;
    scanf("%lld %lld", &n, &r);
    vector<pair<long long, long long>> p(n);
    for (auto &t : p) scanf("%lld %lld", &t.first, &t.second);
    int ans = 0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            if (i == j) continue;
            long long dx = p[i].first - p[j].first;
            long long dy = p[i].second - p[j].second;
            if (dx * dx + dy * dy <= r * r) ans++;
        }
    }
    printf("%d\n", ans / 2);
    return 0;
}
