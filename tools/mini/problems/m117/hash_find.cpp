#include <bits/stdc++.h>
using namespace std;

int main() {
    ios::sync_with_stdio(0);
    cin.tie(0);
    int n;
    cin >> n;
    unordered_map<string, int> cnt;
    for (int i = 0; i < n; i++) {
        string s;
        cin >> s;
        cout << cnt[s]++ << "\n";
    }
    return 0;
}
