#include <cstdio>

int a[205][205];

int readInt() {
    int ch = getchar(), x = 0;
    while (ch < '0') ch = getchar();
    while (ch >= '0') {
        x = x * 10 + ch - '0';
        ch = getchar();
    }
    return x;
}

void writeInt(int x) {
    if (x > 9) putchar('0' + x / 10);
    putchar('0' + x % 10);
}

int main() {
    int r = readInt(), c = readInt();
    for (int i = 0; i < r; i++) {
        for (int j = 0; j < c; j++) {
            a[i][j] = readInt();
        }
    }
    for (int j = 0; j < c; j++) {
        for (int i = r - 1; i >= 0; i--) {
            writeInt(a[i][j]);
            putchar(i > 0 ? ' ' : '\n');
        }
    }
    return 0;
}
