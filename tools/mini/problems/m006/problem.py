"""A quilt is a grid of r rows and c columns of colour numbers. Print the quilt turned by a quarter clockwise.

Input: r and c, then r lines of c integers. Output: c lines of r integers, separated by single spaces.
1 <= r, c <= 200, r * c <= 6000, 0 <= colour <= 99.
"""

import random


def inputs() -> list[str]:
    rng = random.Random(106)
    sizes = [(1, 1, 0), (1, 5, 9), (4, 1, 99), (3, 3, 0)]
    sizes += [(65, 70, 9), (200, 25, 9), (30, 150, 12), (72, 72, 9)]
    texts = []
    for r, c, top in sizes:
        rows = [" ".join(str(rng.randint(0, top)) for _ in range(c)) for _ in range(r)]
        texts.append(f"{r} {c}\n" + "\n".join(rows) + "\n")
    return texts


def solve(text: str) -> str:
    _, *rows = [line.split() for line in text.splitlines()]
    return "".join(" ".join(column) + "\n" for column in zip(*rows[::-1], strict=True))
