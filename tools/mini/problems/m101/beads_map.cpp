#include <iostream>
#include <map>
using namespace std;

int main() {
    int n, q;
    cin >> n >> q;
    map<int, int> cnt;
    for (int i = 0; i < n; i++) {
        int x;
        cin >> x;
        cnt[x]++;
    }
    while (q--) {
        int d;
        cin >> d;
        long long ans = 0;
        for (auto &p : cnt) {
            if (cnt.count(p.first + d)) ans += (long long)p.second * cnt[p.first + d];
        }
        cout << ans << endl;
    }
    return 0;
}
