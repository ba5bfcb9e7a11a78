#include <bits/stdc++.h>
using namespace std;
typedef long long ll;

ll a[10005];

int main() {
    int n, q;
    cin >> n >> q;
    for (int i = 1; i <= n; i++) cin >> a[i];
    while (q--) {
        int l, r;
        cin >> l >> r;
        ll s = 0;
        for (int i = l; i <= r; i++) s += a[i];
        cout << s << endl;
    }
}
