#include <bits/stdc++.h>
using namespace std;
typedef long long ll;

ll coats[5000];

int main() {
    int n, q;
    cin >> n >> q;
    for (int k = 0; k < q; k++) {
        int l, r;
        cin >> l >> r;
        for (int i = l; i <= r; i++) coats[i]++;
    }
    for (int i = 1; i <= n; i++) cout << coats[i] % 7 << endl;
}
