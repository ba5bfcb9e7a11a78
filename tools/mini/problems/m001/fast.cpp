#include <iostream>
#include <vector>
using namespace std;

int main() {
    int n, k;
    cin >> n >> k;
    vector<long long> cnt(k, 0);
    long long ans = 0;
    for (int i = 0; i < n; i++) {
        int h;
        cin >> h;
        int r = h % k;
        ans += cnt[(k - r) % k];
        cnt[r]++;
    }
    cout << ans << endl;
    return 0;
}
