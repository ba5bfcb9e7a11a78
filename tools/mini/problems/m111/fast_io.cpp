#include <bits/stdc++.h>
using namespace std;

char in[40000], out[40000];

int main() {
    in[fread(in, 1, sizeof(in) - 1, stdin)] = 0;
    char *p = in, *o = out;
    int q = strtol(p, &p, 10);
    for (int i = 0; i < q; i++) {
        int x = strtol(p, &p, 10), ways = 0;
        for (int r = 1; r * r <= x; r++)
            if (x % r == 0) ++ways;
        if (ways >= 100) *o++ = '0' + ways / 100;
        if (ways >= 10) *o++ = '0' + ways / 10 % 10;
        *o++ = '0' + ways % 10;
        *o++ = '\n';
    }
    fwrite(out, 1, o - out, stdout);
}
