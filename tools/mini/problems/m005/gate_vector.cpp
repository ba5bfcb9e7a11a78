#include <iostream>
#include <string>
#include <vector>
#include <algorithm>
using namespace std;

int main() {
    int n;
    cin >> n;
    vector<string> seen;
    int welcome = 0, again = 0;
    for (int i = 0; i < n; i++) {
        string s;
        cin >> s;
        if (find(seen.begin(), seen.end(), s) == seen.end()) {
            welcome++;
            seen.push_back(s);
        } else {
            again++;
        }
    }
    cout << welcome << " " << again << endl;
    return 0;
}
