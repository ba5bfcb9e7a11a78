#include <iostream>
#include <string>
#include <unordered_set>
using namespace std;

int main() {
    int n;
    cin >> n;
    unordered_set<string> seen;
    int welcome = 0, again = 0;
    for (int i = 0; i < n; i++) {
        string s;
        cin >> s;
        if (seen.insert(s).second) {
            welcome++;
        } else {
            again++;
        }
    }
    cout << welcome << " " << again << endl;
    return 0;
}
