"""A river gauge stores the flow of each of n days. Answer q questions: the total flow of the days l to r
(inclusive, days are numbered from 1).

Input: n and q, then n flows, then q lines with l and r. Output: a line with one integer for each question.
1 <= n <= 10000, 1 <= q <= 2000, 0 <= flow <= 1000000, 1 <= l <= r <= n.
"""

import random
from itertools import accumulate


def inputs() -> list[str]:
    rng = random.Random(102)
    small = [
        "1 1\n0\n1 1\n",
        "4 3\n1000000 1000000 1000000 1000000\n1 4\n2 3\n4 4\n",
        "3 2\n0 0 0\n1 3\n2 2\n",
        "5 4\n3 0 2 9 1\n1 5\n1 1\n5 5\n2 4\n",
    ]
    large = []
    for n, q, top in ((5000, 1400, 9), (6000, 1300, 9), (5500, 1200, 20), (6500, 1100, 9)):
        rows = [f"{n} {q}", " ".join(str(rng.randint(0, top)) for _ in range(n))]
        rows += [f"{rng.randint(1, n // 6)} {rng.randint(n - n // 6, n)}" for _ in range(q)]
        large.append("\n".join(rows) + "\n")
    return small + large


def solve(text: str) -> str:
    n, _, *rest = map(int, text.split())
    total = [0, *accumulate(rest[:n])]
    questions = zip(rest[n::2], rest[n + 1 :: 2], strict=True)
    return "".join(f"{total[r] - total[left - 1]}\n" for left, r in questions)
