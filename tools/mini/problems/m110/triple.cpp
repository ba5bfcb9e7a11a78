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
        for (int j = 0; j <= S; j++) {
            for (int k = 0; k <= c[i] && k * w[i] <= j; k++) {
                dp[i][j] = (dp[i][j] + dp[i - 1][j - k * w[i]]) % MOD;
            }
        }
    }
    printf("%d\n", dp[n][S]);
    return 0;
}
