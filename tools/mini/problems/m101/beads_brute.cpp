#include <iostream>
#include <vector>
#include <cstdlib>
using namespace std;

int main() {
    int n, q;
    cin >> n >> q;
    vector<int> w(n);
    for (int i = 0; i < n; i++) cin >> w[i];
    while (q--) {
        int d;
        cin >> d;
        long long ans = 0;
        for (int i = 0; i < n; i++) {
            for (int j = i + 1; j < n; j++) {
                if (abs(w[i] - w[j]) == d) ans++;
            }
        }
        cout << ans << endl;
    }
    return 0;
}
