#include <bits/stdc++.h>
using namespace std;
typedef long long ll;
const ll MOD = 1e9 + 7;

int n, S;
vector<int> w, c;
int memo[31][801];

ll go(int i, int s) {
    if (s < 0) return 0;
    if (i == 0) return s == 0;
    int &res = memo[i][s];
    if (res >= 0) return res;
    ll r = go(i - 1, s) + go(i, s - w[i]) - go(i - 1, s - (c[i] + 1) * w[i]);
    res = (r % MOD + MOD) % MOD;
    return res;
}

int main() {
    cin >> n >> S;
    w.resize(n + 1);
    c.resize(n + 1);
    for (int i = 1; i <= n; i++) cin >> w[i] >> c[i];
    memset(memo, -1, sizeof(memo));
    cout << go(n, S) << endl;
    return 0;
}
