#include <bits/stdc++.h>
using namespace std;
typedef long long ll;

int d;
vector<int> sorted_part;

ll go(vector<int> v) {
    if (v.size() == 1) {
        sorted_part = v;
        return 0;
    }
    int m = v.size() / 2;
    vector<int> L(v.begin(), v.begin() + m), R(v.begin() + m, v.end());
    ll res = go(L);
    L = sorted_part;
    res += go(R);
    R = sorted_part;
    size_t i = 0;
    for (int y : R) {
        while (i < L.size() && L[i] <= y + d) i++;
        res += L.size() - i;
    }
    for (int x : R) L.push_back(x);
    sort(L.begin(), L.end());
    sorted_part = L;
    return res;
}

int main() {
    int n;
    cin >> n >> d;
    vector<int> a(n);
    for (int &x : a) cin >> x;
    cout << go(a) << endl;
}
