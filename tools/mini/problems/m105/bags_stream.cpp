#include <iostream>
#include <sstream>
#include <string>
using namespace std;

int sum[5001];

int main() {
    for (int i = 1; i <= 5000; i++) {
        for (int j = i; j <= 5000; j += i) sum[j] += i;
    }
    string line;
    getline(cin, line);
    int t = stoi(line);
    while (t--) {
        getline(cin, line);
        istringstream in(line);
        int n;
        in >> n;
        cout << sum[n] << endl;
    }
    return 0;
}
