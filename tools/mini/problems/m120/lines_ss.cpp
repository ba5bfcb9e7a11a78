#include <bits/stdc++.h>
using namespace std;

int pts[21];

int main() {
    string line;
    getline(cin, line);
    int n = stoi(line), lead = 1;
    for (int i = 0; i < n; i++) {
        getline(cin, line);
        stringstream ss(line);
        int p, k;
        ss >> p >> k;
        pts[p] += k;
        if (pts[p] > pts[lead] || (pts[p] == pts[lead] && p < lead)) lead = p;
        cout << lead << endl;
    }
    return 0;
}
