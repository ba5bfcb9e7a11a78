#include <cstdio>
#include <vector>
using namespace std;

static int rd() {
    int c = getchar();
    while (c < '0') c = getchar();
    int x = 0;
    while (c >= '0') {
        x = x * 10 + c - '0';
        c = getchar();
    }
    return x;
}

int main() {
    int n = rd(), q = rd();
    vector<int> h(n), up(n + 1, 0);
    for (auto &x : h) x = rd();
    for (int i = 0; i < n; i++) {
        bool top = i > 0 && i + 1 < n && h[i - 1] < h[i] && h[i] > h[i + 1];
        up[i + 1] = up[i] + (top ? 1 : 0);
    }
    for (int i = 0; i < q; i++) {
        int l = rd(), r = rd();
        printf("%d\n", up[r - 1] - up[l]);
    }
    return 0;
}
