#include <cstdio>

int a[2005], pos[6005], res[2005];

int main() {
    int n;
    scanf("%d", &n);
    for (int i = 0; i < n; i++) {
        scanf("%d", &a[i]);
        pos[a[i]]++;
    }
    for (int v = 1, sum = 0; v <= 6000; v++) {
        int c = pos[v];
        pos[v] = sum;
        sum += c;
    }
    for (int i = 0; i < n; i++) res[pos[a[i]]++] = i + 1;
    for (int i = 0; i < n; i++) printf("%d%c", res[i], i + 1 < n ? ' ' : '\n');
    return 0;
}
