"""A board of h rows and w columns (1 <= h, w <= 130) has lamps '*' and empty cells '.'. The brightness of a
cell is the number of lamps in its row plus the number of lamps in its column (a lamp in the cell itself
counts twice). Input: h w, then h rows. Print the board with '#' for every cell of odd brightness and '-' for
the others."""

import random


def _case(seed: int, h: int, w: int, lamps: float) -> str:
    rng = random.Random(seed)
    rows = ["".join("*" if rng.random() < lamps else "." for _ in range(w)) for _ in range(h)]
    return f"{h} {w}\n" + "\n".join(rows) + "\n"


def inputs() -> list[str]:
    return [
        "1 1\n*\n",
        "2 3\n...\n...\n",
        "3 3\n***\n***\n***\n",
        _case(11901, 6, 9, 0.3),
        _case(11902, 130, 125, 0.5),
        _case(11903, 120, 130, 0.2),
        _case(11904, 128, 128, 0.7),
        _case(11905, 130, 130, 0.4),
    ]


def solve(text: str) -> str:
    words = text.split()
    rows = words[2:]
    r = [row.count("*") for row in rows]
    c = [sum(row[j] == "*" for row in rows) for j in range(int(words[1]))]
    return "".join("".join("-#"[(x + y) % 2] for y in c) + "\n" for x in r)
