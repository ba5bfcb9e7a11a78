#include <bits/stdc++.h>
using namespace std;

int cnt[5000];

int main() {
    long long n, k, p, s, a, c, m;
    cin >> n >> k >> p >> s >> a >> c >> m;
    vector<int> x(n + 1);
    for (int i = 1; i <= n; i++) {
        if (i > 1 && i % p != 0) s = (a * s + c) % m;
        x[i] = s;
    }
    int best = 0, first = 0, l = 1, colours = 0;
    for (int r = 1; r <= n; r++) {
        if (cnt[x[r]]++ == 0) colours++;
        while (colours > k) {
            if (--cnt[x[l]] == 0) colours--;
            l++;
        }
        if (r - l + 1 > best) {
            best = r - l + 1;
            first = l;
        }
    }
    cout << best << " " << first << endl;
}
