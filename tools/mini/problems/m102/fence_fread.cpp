#include <bits/stdc++.h>
using namespace std;
typedef long long ll;

ll coats[5000];
char buf[1 << 16], *p = buf;

int next_int() {
    while (*p < '0') p++;
    int x = 0;
    while (*p >= '0') x = x * 10 + *p++ - '0';
    return x;
}

int main() {
    fread(buf, 1, sizeof buf - 1, stdin);
    int n = next_int(), q = next_int();
    for (int k = 0; k < q; k++) {
        int l = next_int(), r = next_int();
        coats[l]++;
        coats[r + 1]--;
    }
    string out;
    for (int i = 1; i <= n; i++) {
        coats[i] += coats[i - 1];
        out += char('0' + coats[i] % 7);
        out += '\n';
    }
    fwrite(out.data(), 1, out.size(), stdout);
}
