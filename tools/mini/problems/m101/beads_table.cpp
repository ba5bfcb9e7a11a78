#include <iostream>
#include <vector>
using namespace std;

int main() {
    int n, q;
    cin >> n >> q;
    vector<int> cnt(1001, 0);
    for (int i = 0; i < n; i++) {
        int x;
        cin >> x;
        cnt[x]++;
    }
    while (q--) {
        int d;
        cin >> d;
        long long ans = 0;
        for (int x = 0; x <= 500; x++) ans += (long long)cnt[x] * cnt[x + d];
        cout << ans << endl;
    }
    return 0;
}
