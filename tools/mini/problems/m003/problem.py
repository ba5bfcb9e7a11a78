"""A door logs n badge numbers x[1], ..., x[n]: x[1] = s and x[i+1] = (a * x[i] + c) mod m. Look at every
block of w consecutive entries of the log. Print the largest number of different badges in a block, and how
many blocks reach it.

Input: n w s a c m. Output: two integers.
1 <= w <= n <= 60000, 1 <= m <= 20000, 0 <= s < m, 0 <= a, c < 20000.
"""

from collections import Counter


def inputs() -> list[str]:
    return [
        "1 1 0 0 0 1\n",
        "10 3 4 1 0 9\n",
        "12 5 1 3 1 7\n",
        "20000 400 1 141 1 20\n",
        "30000 200 7 421 1663 7875\n",
        "25000 1000 3 1093 18257 19997\n",
        "40000 25 11 84 5 1009\n",
        "28000 600 123 3877 29 19683\n",
    ]


def solve(text: str) -> str:
    n, w, x, a, c, m = map(int, text.split())
    log = []
    for _ in range(n):
        log.append(x)
        x = (a * x + c) % m
    inside = Counter(log[:w])
    sizes = Counter([len(inside)])
    for old, new in zip(log, log[w:], strict=False):
        inside[new] += 1
        inside[old] -= 1
        if not inside[old]:
            del inside[old]
        sizes[len(inside)] += 1
    return f"{max(sizes)} {sizes[max(sizes)]}\n"
