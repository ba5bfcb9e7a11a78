#include <bits/stdc++.h>
using namespace std;

int pts[21];

int main() {
    int n, lead = 1;
    scanf("%d", &n);
    for (int i = 0; i < n; i++) {
        int p, k;
        scanf("%d %d", &p, &k);
        pts[p] += k;
        if (pts[p] > pts[lead] || (pts[p] == pts[lead] && p < lead)) lead = p;
        printf("%d\n", lead);
    }
    return 0;
}
