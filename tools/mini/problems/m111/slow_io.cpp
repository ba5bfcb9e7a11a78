#include <bits/stdc++.h>
using namespace std;

int main() {
    int q;
    cin >> q;
    for (int i = 0; i < q; i++) {
        int x, ways = 0;
        cin >> x;
        for (int r = 1; r * r <= x; r++)
            if (x % r == 0) ++ways;
        cout << ways << endl;
    }
}
