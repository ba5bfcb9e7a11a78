#include <iostream>
using namespace std;

int main() {
    int n;
    cin >> n;
    int score[21] = {0}, best = 1;
    while (n--) {
        int p, k;
        cin >> p >> k;
        score[p] += k;
        if (score[p] > score[best]) best = p;
        if (score[p] == score[best] && p < best) best = p;
        cout << best << endl;
    }
}
