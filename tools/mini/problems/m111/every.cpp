#include <iostream>
using namespace std;

int main() {
    ios::sync_with_stdio(false);
    cin.tie(nullptr);
    int q;
    cin >> q;
    while (q--) {
        int x;
        cin >> x;
        int cnt = 0;
        for (int r = 1; r <= x; r++) {
            if (x % r == 0 && r <= x / r) cnt++;
        }
        cout << cnt << '\n';
    }
    return 0;
}
