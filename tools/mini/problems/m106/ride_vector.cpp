#include <iostream>
#include <string>
#include <vector>
using namespace std;

int main() {
    int n, k;
    cin >> n >> k;
    vector<string> q(n);
    for (auto &s : q) cin >> s;
    int rides = 0;
    while (q.size() > 1) {
        string s = q[0];
        q.erase(q.begin());
        rides++;
        if (rides % k != 0) q.push_back(s);
    }
    cout << q[0] << endl;
    return 0;
}
