#include <cstdio>
#include <algorithm>
#include <vector>
using namespace std;

int main() {
    int n;
    scanf("%d", &n);
    vector<pair<int, int>> v(n);
    for (auto &p : v) {
        int a, b, c, d;
        scanf("%d:%d %d:%d", &a, &b, &c, &d);
        p = {a * 60 + b, c * 60 + d};
    }
    sort(v.begin(), v.end());
    vector<int> dp(n, 1);
    int ans = 1;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++) {
            if (v[j].second <= v[i].first) dp[i] = max(dp[i], dp[j] + 1);
        }
        ans = max(ans, dp[i]);
    }
    printf("%d\n", ans);
}
