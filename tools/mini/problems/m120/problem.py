"""In a board game 1..20 are the players and there are n moves (1 <= n <= 4200); in each one player p wins k
points (1 <= k <= 9). Input: n, then n lines p k. After each move print the player with the most points so far
(the smallest number if several are equal), one per line."""

import random


def _case(seed: int, n: int, players: int, top: int) -> str:
    rng = random.Random(seed)
    return f"{n}\n" + "".join(f"{rng.randint(1, players)} {rng.randint(1, top)}\n" for _ in range(n))


def inputs() -> list[str]:
    return [
        "1\n20 9\n",
        "5\n3 1\n2 1\n1 1\n3 1\n2 2\n",
        "4\n7 9\n7 9\n7 9\n7 9\n",
        _case(12001, 30, 5, 3),
        _case(12002, 4000, 20, 9),
        _case(12003, 4200, 9, 9),
        _case(12004, 3900, 20, 2),
        _case(12005, 4100, 15, 5),
    ]


def solve(text: str) -> str:
    nums = list(map(int, text.split()))[1:]
    points = [0] * 21
    out = []
    for p, k in zip(nums[0::2], nums[1::2], strict=True):
        points[p] += k
        out.append(f"{points.index(max(points[1:]), 1)}\n")
    return "".join(out)
