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
        coats[l]++;
        coats[r + 1]--;
    }
    for (int i = 1; i <= n; i++) {
        coats[i] += coats[i - 1];
        cout << coats[i] % 7 << endl;
    }
}
