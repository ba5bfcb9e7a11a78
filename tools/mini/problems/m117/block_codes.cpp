#include <cstdio>

int cnt[26][26][26];
char in[30000], out[40000];

int main() {
    int len = fread(in, 1, sizeof(in) - 1, stdin);
    int p = 0, o = 0;
    while (in[p] != '\n') p++;
    while (p < len) {
        if (in[p] < 'a') {
            p++;
            continue;
        }
        int &c = cnt[in[p] - 'a'][in[p + 1] - 'a'][in[p + 2] - 'a'];
        char t[8];
        int k = 0, v = c++;
        do t[k++] = '0' + v % 10; while (v /= 10);
        while (k) out[o++] = t[--k];
        out[o++] = '\n';
        p += 3;
    }
    fwrite(out, 1, o, stdout);
    return 0;
}
