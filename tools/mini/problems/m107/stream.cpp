#include <iostream>
#include <vector>
using namespace std;

int main() {
    int n, q;
    cin >> n >> q;
    vector<int> h(n), up(n + 1, 0);
    for (auto &x : h) cin >> x;
    for (int i = 0; i < n; i++) {
        bool top = i > 0 && i + 1 < n && h[i - 1] < h[i] && h[i] > h[i + 1];
        up[i + 1] = up[i] + (top ? 1 : 0);
    }
    for (int i = 0; i < q; i++) {
        int l, r;
        cin >> l >> r;
        cout << up[r - 1] - up[l] << endl;
    }
    return 0;
}
