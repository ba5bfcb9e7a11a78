#include <iostream>
#include <string>
using namespace std;

int cnt[26][26][26];

int main() {
    int n;
    cin >> n;
    for (int i = 0; i < n; i++) {
        string s;
        cin >> s;
        int &c = cnt[s[0] - 'a'][s[1] - 'a'][s[2] - 'a'];
        cout << c << endl;
        c++;
    }
    return 0;
}
