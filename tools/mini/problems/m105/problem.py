"""A baker packs n rolls in equal bags and writes down every possible bag size (1, n and all others that leave
no roll over). For each of t orders n, print the sum of the bag sizes.

Input: t, then t lines with one n each. Output: t lines.
1 <= t <= 2500, 1 <= n <= 5000.
"""

import random


def inputs() -> list[str]:
    rng = random.Random(205)
    small = ["1\n1\n", "5\n7\n7\n7\n7\n7\n", "4\n5000\n4999\n2520\n4096\n", "3\n2\n3\n4\n"]
    large = []
    for t, low, top in ((1900, 1, 3000), (1600, 1000, 3000), (2200, 900, 1700), (1500, 100, 5000)):
        large.append("\n".join(str(n) for n in [t, *(rng.randint(low, top) for _ in range(t))]) + "\n")
    return small + large


def solve(text: str) -> str:
    _, *orders = map(int, text.split())
    total = [0] * (max(orders) + 1)
    for bag in range(1, len(total)):
        for n in range(bag, len(total), bag):
            total[n] += bag
    return "".join(f"{total[n]}\n" for n in orders)
