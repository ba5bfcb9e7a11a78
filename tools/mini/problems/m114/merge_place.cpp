#include <bits/stdc++.h>
using namespace std;
typedef long long ll;

int d;
int a[6005], tmp[6005];

ll go(int l, int r) {
    if (r - l == 1) return 0;
    int m = (l + r) / 2;
    ll res = go(l, m) + go(m, r);
    int i = l;
    for (int j = m; j < r; j++) {
        while (i < m && a[i] <= a[j] + d) i++;
        res += m - i;
    }
    merge(a + l, a + m, a + m, a + r, tmp + l);
    copy(tmp + l, tmp + r, a + l);
    return res;
}

int main() {
    int n;
    cin >> n >> d;
    for (int i = 0; i < n; i++) cin >> a[i];
    cout << go(0, n) << endl;
}
