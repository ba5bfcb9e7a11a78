#include <iostream>
using namespace std;

int main() {
    int k, i = 0;
    char ch;
    cin >> k;
    while (cin >> ch) {
        if (ch >= 'a' && ch <= 'z') ch = 'a' + (ch - 'a' + k * i) % 26;
        cout << ch << flush;
        i++;
    }
    cout << endl;
    return 0;
}
