#include <bits/stdc++.h>
using namespace std;

int main() {
    int k;
    string s;
    cin >> k >> s;
    map<string, int> cnt;
    for (int i = 0; i + k <= (int)s.size(); i++) {
        cnt[s.substr(i, k)]++;
    }
    int best = 0;
    for (auto &p : cnt) best = max(best, p.second);
    cout << cnt.size() << " " << best << endl;
    return 0;
}
