#include <iostream>
using namespace std;

int latest[1500];

int main() {
    int n;
    cin >> n;
    for (int i = 0; i < 1440; i++) latest[i] = -1;
    while (n--) {
        int h1, m1, h2, m2;
        char c;
        cin >> h1 >> c >> m1 >> h2 >> c >> m2;
        int s = h1 * 60 + m1, e = h2 * 60 + m2;
        latest[e] = max(latest[e], s);
    }
    int ans = 0, last = 0;
    for (int e = 0; e < 1440; e++) {
        if (latest[e] >= last) {
            ans++;
            last = e;
        }
    }
    cout << ans << endl;
    return 0;
}
