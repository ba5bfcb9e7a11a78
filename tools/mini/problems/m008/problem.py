"""A stable keeps one line for each of n horses: its name (lower-case letters) and the times of its laps in
seconds, at least one. For each horse print its name, its best lap and its total time.

Input: n, then n lines. Output: n lines.
1 <= n <= 1500, at most 6 laps on a line, a name has at most 10 letters, 1 <= time <= 999.
"""

import random


def inputs() -> list[str]:
    rng = random.Random(108)
    sizes = [(1, 1, 1), (3, 1, 999), (5, 6, 9)]
    sizes += [(700, 6, 99), (900, 4, 99), (1100, 3, 999), (800, 5, 60), (1300, 1, 99)]
    texts = []
    for n, most, top in sizes:
        rows = [str(n)]
        for _ in range(n):
            name = "".join(rng.choice("abdeilnorsu") for _ in range(rng.randint(2, 5)))
            laps = [rng.randint(1, top) for _ in range(rng.randint(1, most))]
            rows.append(" ".join([name, *map(str, laps)]))
        texts.append("\n".join(rows) + "\n")
    return texts


def solve(text: str) -> str:
    out = ""
    for line in text.splitlines()[1:]:
        name, *laps = line.split()
        times = [int(lap) for lap in laps]
        out += f"{name} {min(times)} {sum(times)}\n"
    return out
