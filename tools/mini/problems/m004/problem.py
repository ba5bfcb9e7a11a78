"""A garden is a grid of r rows and c columns; '*' is a flower and '.' is bare soil. A bare cell is crowded if
at least k of its (up to eight) neighbours are flowers. Count the crowded cells.

Input: r c k, then r lines of c characters. Output: one integer.
1 <= r, c <= 70, 1 <= k <= 8.
"""

import random


def inputs() -> list[str]:
    rng = random.Random(104)
    small = ["1 1 1\n.\n", "3 3 8\n***\n*.*\n***\n", "2 5 2\n.....\n*.*.*\n", "1 6 1\n******\n"]
    large = []
    for r, c, k, share in ((40, 40, 3, 30), (64, 32, 2, 50), (25, 70, 4, 20), (50, 44, 5, 60)):
        rows = ["".join("*" if rng.randrange(100) < share else "." for _ in range(c)) for _ in range(r)]
        large.append(f"{r} {c} {k}\n" + "\n".join(rows) + "\n")
    return small + large


def solve(text: str) -> str:
    head, *grid = text.split("\n")
    r, c, k = map(int, head.split())
    flowers = {(i, j) for i in range(r) for j in range(c) if grid[i][j] == "*"}
    near = [(di, dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)]
    bare = [(i, j) for i in range(r) for j in range(c) if (i, j) not in flowers]
    return f"{sum(sum((i + di, j + dj) in flowers for di, dj in near) >= k for i, j in bare)}\n"
