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
        p = {c * 60 + d, a * 60 + b};
    }
    sort(v.begin(), v.end());
    int ans = 0, last = 0;
    for (auto &p : v) {
        if (p.second >= last) {
            ans++;
            last = p.first;
        }
    }
    printf("%d\n", ans);
}
