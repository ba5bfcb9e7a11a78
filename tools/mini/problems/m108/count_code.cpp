#include <bits/stdc++.h>
using namespace std;

int cnt[4096];

int main() {
    int k;
    string s;
    cin >> k >> s;
    int full = 1 << (2 * k), code = 0;
    int kinds = 0, best = 0;
    for (int i = 0; i < (int)s.size(); i++) {
        code = (code * 4 + (s[i] - 'a')) & (full - 1);
        if (i + 1 < k) continue;
        if (cnt[code] == 0) kinds++;
        cnt[code]++;
        best = max(best, cnt[code]);
    }
    cout << kinds << " " << best << endl;
    return 0;
}
