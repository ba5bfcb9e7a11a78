"""n walkers (1 <= n <= 1300) stand at integer points, 0 <= x, y <= 5000; several may share a point. Two
walkers hear each other if their distance is at most r (1 <= r <= 5000). Input: n r, then n lines x y. Print
the number of pairs that hear each other."""

import random


def _case(seed: int, n: int, r: int, size: int) -> str:
    rng = random.Random(seed)
    return f"{n} {r}\n" + "".join(f"{rng.randint(0, size)} {rng.randint(0, size)}\n" for _ in range(n))


def inputs() -> list[str]:
    return [
        "1 5\n3 4\n",
        "2 5\n0 0\n3 4\n",
        "4 1\n7 7\n7 7\n7 7\n7 8\n",
        _case(11601, 40, 6, 20),
        _case(11602, 950, 100, 5000),
        _case(11603, 960, 60, 2000),
        _case(11604, 970, 250, 5000),
        _case(11605, 900, 15, 999),
    ]


def solve(text: str) -> str:
    nums = list(map(int, text.split()))
    r = nums[1]
    pts = sorted(zip(nums[2::2], nums[3::2], strict=True))
    total, low = 0, 0
    for i, (x, y) in enumerate(pts):
        while pts[low][0] < x - r:
            low += 1
        total += sum(1 for a, b in pts[low:i] if (a - x) ** 2 + (b - y) ** 2 <= r * r)
    return f"{total}\n"
