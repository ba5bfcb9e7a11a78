#include <cstdio>
#include <map>
#include <vector>
using namespace std;

int main() {
    int n, w;
    long long s, a, c, m;
    scanf("%d %d %lld %lld %lld %lld", &n, &w, &s, &a, &c, &m);
    vector<int> x(n);
    for (int i = 0; i < n; i++) {
        x[i] = s;
        s = (a * s + c) % m;
    }
    map<int, int> cnt;
    int best = 0, ways = 0;
    for (int i = 0; i < n; i++) {
        cnt[x[i]]++;
        if (i >= w) {
            cnt[x[i - w]]--;
            if (cnt[x[i - w]] == 0) cnt.erase(x[i - w]);
        }
        if (i >= w - 1) {
            int d = cnt.size();
            if (d > best) { best = d; ways = 0; }
            if (d == best) ways++;
        }
    }
    printf("%d %d\n", best, ways);
    return 0;
}
