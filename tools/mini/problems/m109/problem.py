"""A field of h rows and w columns (1 <= h, w <= 130) has free spots '.' and rocks '#'. A square tent covers s
x s spots, all free. Input: h w, then h rows. Print the largest possible s (0 if there is no free spot) and
the number of positions where a tent of that size fits (0 positions if s is 0), separated by a space."""

import random


def _case(seed: int, h: int, w: int, rocks: float) -> str:
    rng = random.Random(seed)
    rows = ["".join("#" if rng.random() < rocks else "." for _ in range(w)) for _ in range(h)]
    return f"{h} {w}\n" + "\n".join(rows) + "\n"


def inputs() -> list[str]:
    return [
        "1 1\n#\n",
        "1 1\n.\n",
        "4 6\n......\n......\n......\n......\n",
        "3 5\n#####\n##.##\n#####\n",
        _case(10901, 9, 11, 0.15),
        _case(10902, 130, 130, 0.014),
        _case(10903, 120, 125, 0.018),
        _case(10904, 130, 125, 0.015),
        _case(10905, 130, 120, 0.02),
    ]


def solve(text: str) -> str:
    lines = text.split()
    h, w = int(lines[0]), int(lines[1])
    rows = lines[2 : 2 + h]
    size: dict[int, int] = {}
    up = [0] * (w + 1)
    for i in range(h):
        cur = [0] * (w + 1)
        for j in range(w):
            if rows[i][j] == ".":
                cur[j + 1] = 1 + min(up[j], up[j + 1], cur[j])
                size[cur[j + 1]] = size.get(cur[j + 1], 0) + 1
        up = cur
    if not size:
        return "0 0\n"
    return f"{max(size)} {size[max(size)]}\n"
