#include <cstdio>
#include <cstring>

char s[15000];

int main() {
    int k;
    scanf("%d %s", &k, s);
    for (int i = 0; i < (int)strlen(s); i++) {
        if (s[i] >= 'a' && s[i] <= 'z') s[i] = 'a' + (s[i] - 'a' + k * i) % 26;
    }
    puts(s);
    return 0;
}
