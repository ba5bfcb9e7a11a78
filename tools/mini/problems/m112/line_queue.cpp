#include <bits/stdc++.h>
using namespace std;

int main() {
    int n;
    cin >> n;
    queue<pair<int, int>> line;
    for (int i = 1; i <= n; i++) {
        int a;
        cin >> a;
        line.push(make_pair(i, a));
    }
    bool first = true;
    while (!line.empty()) {
        pair<int, int> p = line.front();
        line.pop();
        p.second--;
        if (p.second == 0) {
            if (!first) cout << " ";
            cout << p.first;
            first = false;
        } else {
            line.push(p);
        }
    }
    cout << endl;
}
