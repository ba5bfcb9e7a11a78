"""A scarf is knitted from n stitches with colours x[1], ..., x[n]: x[1] = s and x[i+1] = (a * x[i] + c) mod
m, except that every stitch whose number is a multiple of p repeats the colour of the stitch before it. Find
the longest part of the scarf (consecutive stitches) with at most k different colours.

Input: n k p s a c m. Output: the length of the longest part and the number of its first stitch; if there
are
several, the first of them.
1 <= n <= 40000, 1 <= k <= 9, 2 <= p <= 100, 1 <= m <= 5000, 0 <= s, a, c < m.
"""


def inputs() -> list[str]:
    return [
        "1 1 2 0 0 0 1\n",
        "20 9 5 2 1 0 3\n",
        "9 1 2 1 2 0 7\n",
        "21000 3 2 5 421 166 787\n",
        "22000 2 3 1 141 2819 4999\n",
        "19000 3 4 7 1366 150 4913\n",
        "18000 4 7 2 3 1 11\n",
        "22000 3 2 11 84 5 1009\n",
    ]


def solve(text: str) -> str:
    n, k, p, x, a, c, m = map(int, text.split())
    scarf = [x]
    while len(scarf) < n:
        scarf.append(scarf[-1] if (len(scarf) + 1) % p == 0 else (a * scarf[-1] + c) % m)
    best, first, start = 0, 0, 0
    last: dict[int, int] = {}
    for i, colour in enumerate(scarf):
        last[colour] = i
        if len(last) > k:
            oldest = min(last, key=lambda key: last[key])
            start = last.pop(oldest) + 1
        if i - start + 1 > best:
            best, first = i - start + 1, start + 1
    return f"{best} {first}\n"
