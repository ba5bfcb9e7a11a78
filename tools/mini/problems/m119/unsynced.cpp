#include <iostream>
using namespace std;

int r[130], c[130];

int main() {
    ios::sync_with_stdio(false);
    cin.tie(0);
    int h, w;
    cin >> h >> w;
    for (int i = 0; i < h; i++) {
        for (int j = 0; j < w; j++) {
            char x;
            cin >> x;
            if (x == '*') {
                r[i] ^= 1;
                c[j] ^= 1;
            }
        }
    }
    for (int i = 0; i < h; i++) {
        for (int j = 0; j < w; j++) {
            if (r[i] != c[j]) cout << '#';
            else cout << '-';
        }
        cout << '\n';
    }
    return 0;
}
