"""A fence has n planks. Each of q painters puts one coat on the planks l to r (inclusive, numbered from 1).
The colour of a plank goes through 7 shades: a plank with x coats has shade x mod 7. Print the shade of every
plank.

Input: n and q, then q lines with l and r. Output: n lines, the shades of the planks 1 to n.
1 <= n <= 4000, 1 <= q <= 3000, 1 <= l <= r <= n.
"""

import random
from itertools import accumulate


def inputs() -> list[str]:
    rng = random.Random(202)
    small = ["1 1\n1 1\n", "3 8\n" + "1 3\n" * 8, "6 3\n1 4\n3 6\n2 2\n", "5 1\n5 5\n"]
    large = []
    for n, q in ((3000, 2000), (3500, 1800), (2600, 2300), (4000, 1700)):
        rows = [f"{n} {q}"] + [f"{rng.randint(1, n // 8)} {rng.randint(n - n // 8, n)}" for _ in range(q)]
        large.append("\n".join(rows) + "\n")
    return small + large


def solve(text: str) -> str:
    n, _, *ends = map(int, text.split())
    change = [0] * (n + 2)
    for left, r in zip(ends[::2], ends[1::2], strict=True):
        change[left] += 1
        change[r + 1] -= 1
    return "".join(f"{coats % 7}\n" for coats in [*accumulate(change)][1 : n + 1])
