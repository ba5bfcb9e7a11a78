#include <bits/stdc++.h>
using namespace std;

int main() {
    ios::sync_with_stdio(0);
    cin.tie(0);
    int n;
    cin >> n;
    vector<string> names;
    vector<int> cnt;
    for (int i = 0; i < n; i++) {
        string s;
        cin >> s;
        size_t k = 0;
        while (k < names.size() && names[k] != s) k++;
        if (k == names.size()) {
            names.push_back(s);
            cnt.push_back(0);
        }
        cout << cnt[k]++ << "\n";
    }
    return 0;
}
