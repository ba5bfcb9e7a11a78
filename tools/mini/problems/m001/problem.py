"""A street has n lanterns; lantern i has height h[i]. Two different lanterns make a balanced pair if the sum
of their heights is a multiple of k. Count the balanced pairs.

Input: n and k, then n heights. Output: one integer.
1 <= n <= 3000, 1 <= k <= 1000, 1 <= h[i] <= 10000.
"""

import random
from collections import Counter


def inputs() -> list[str]:
    rng = random.Random(101)
    small = ["1 5\n5\n", "2 3\n1 2\n", "6 4\n2 2 2 2 2 2\n", "5 1000\n1 10000 999 500 500\n"]
    large = []
    for n, k, top in ((1900, 7, 99), (2200, 1, 9), (2500, 360, 999), (2700, 997, 9999)):
        heights = " ".join(str(rng.randint(1, top)) for _ in range(n))
        large.append(f"{n} {k}\n{heights}\n")
    return small + large


def solve(text: str) -> str:
    _, k, *heights = map(int, text.split())
    count = Counter(h % k for h in heights)
    ordered = sum(c * (count[-r % k] - (2 * r % k == 0)) for r, c in count.items())
    return f"{ordered // 2}\n"
