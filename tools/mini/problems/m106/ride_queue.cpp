#include <iostream>
#include <string>
#include <queue>
using namespace std;

int main() {
    int n, k;
    cin >> n >> k;
    queue<string> q;
    for (int i = 0; i < n; i++) {
        string s;
        cin >> s;
        q.push(s);
    }
    int rides = 0;
    while (q.size() > 1) {
        string s = q.front();
        q.pop();
        rides++;
        if (rides % k != 0) q.push(s);
    }
    cout << q.front() << endl;
    return 0;
}
