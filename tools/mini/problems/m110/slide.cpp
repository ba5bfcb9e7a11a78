#include <cstdio>
#define MOD 1000000007

int n, S;
int w[35], c[35];
int dp[35][805];

int main() {
    scanf("%d%d", &n, &S);
    for (int i = 1; i <= n; i++) scanf("%d%d", &w[i], &c[i]);
    dp[0][0] = 1;
    for (int i = 1; i <= n; i++) {
        int out = (c[i] + 1) * w[i];
        for (int j = 0; j <= S; j++) {
            int v = dp[i - 1][j];
            if (j >= w[i]) v = (v + dp[i][j - w[i]]) % MOD;
            if (j >= out) v = (v - dp[i - 1][j - out] + MOD) % MOD;
            dp[i][j] = v;
        }
    }
    printf("%d\n", dp[n][S]);
    return 0;
}
