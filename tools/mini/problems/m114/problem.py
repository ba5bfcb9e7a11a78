"""On a shelf stand n books (1 <= n <= 6000) with heights a_i (0 <= a_i <= 999). A pair of books i < j is
messy when a_i > a_j + d. Input: n d (0 <= d <= 999), then the n heights. Print the number of messy pairs."""

import bisect
import random


def _case(seed: int, n: int, d: int, top: int) -> str:
    rng = random.Random(seed)
    return f"{n} {d}\n" + " ".join(str(rng.randint(0, top)) for _ in range(n)) + "\n"


def inputs() -> list[str]:
    falling = list(range(999, 99, -1))
    return [
        "1 0\n5\n",
        "6 0\n7 7 7 7 7 7\n",
        "5 2\n9 7 5 3 1\n",
        f"{len(falling)} 10\n" + " ".join(map(str, falling)) + "\n",
        _case(11401, 4000, 5, 999),
        _case(11402, 4300, 100, 999),
        _case(11403, 3800, 0, 99),
        _case(11404, 4200, 30, 999),
        _case(11405, 3900, 300, 999),
    ]


def solve(text: str) -> str:
    nums = list(map(int, text.split()))
    d, a = nums[1], nums[2:]
    seen: list[int] = []
    total = 0
    for x in a:
        total += len(seen) - bisect.bisect_right(seen, x + d)
        bisect.insort(seen, x)
    return f"{total}\n"
