#include <iostream>
#include <string>
#include <vector>
using namespace std;

int main() {
    int n, k;
    cin >> n >> k;
    vector<string> q(n);
    for (auto &s : q) cin >> s;
    int pos = 0;
    for (int i = 2; i <= n; i++) pos = (pos + k) % i;
    cout << q[pos] << endl;
    return 0;
}
