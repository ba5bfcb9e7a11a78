#include <cstdio>
#include <cstdlib>
#include <algorithm>
using namespace std;

char line[256];

int main() {
    int n;
    n = atoi(fgets(line, sizeof line, stdin));
    while (n--) {
        char *p = fgets(line, sizeof line, stdin), *end;
        int best = 1000, total = 0;
        while (*p != ' ') p++;
        *p++ = 0;
        for (;;) {
            int x = strtol(p, &end, 10);
            if (end == p) break;
            best = min(best, x);
            total += x;
            p = end;
        }
        printf("%s %d %d\n", line, best, total);
    }
    return 0;
}
