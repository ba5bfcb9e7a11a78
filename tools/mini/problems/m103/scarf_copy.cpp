#include <bits/stdc++.h>
using namespace std;

bool tooMany(map<int, int> cnt, int k) {
    return (int)cnt.size() > k;
}

int main() {
    long long n, k, p, s, a, c, m;
    cin >> n >> k >> p >> s >> a >> c >> m;
    vector<int> x(n + 1);
    for (int i = 1; i <= n; i++) {
        if (i > 1 && i % p != 0) s = (a * s + c) % m;
        x[i] = s;
    }
    map<int, int> cnt;
    int best = 0, first = 0, l = 1;
    for (int r = 1; r <= n; r++) {
        cnt[x[r]]++;
        while (tooMany(cnt, k)) {
            cnt[x[l]]--;
            if (cnt[x[l]] == 0) cnt.erase(x[l]);
            l++;
        }
        if (r - l + 1 > best) {
            best = r - l + 1;
            first = l;
        }
    }
    cout << best << " " << first << endl;
}
