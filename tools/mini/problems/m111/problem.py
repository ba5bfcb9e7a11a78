"""A hall manager puts x chairs into a full rectangle of r rows and c columns with r <= c. Input: q (1 <= q <=
4500) and then q numbers x (1 <= x <= 1000000, the sum of all x is at most 6000000), one per line. For each x
print the number of possible pairs (r, c), one answer per line."""

import random


def _case(seed: int, q: int, low: int, high: int) -> str:
    rng = random.Random(seed)
    return f"{q}\n" + "".join(f"{rng.randint(low, high)}\n" for _ in range(q))


def inputs() -> list[str]:
    return [
        "1\n1\n",
        "4\n36\n36\n36\n36\n",
        "6\n1\n2\n3\n997\n1000\n720720\n",
        _case(11101, 25, 1, 300),
        _case(11102, 4500, 200, 999),
        _case(11103, 4200, 600, 999),
        _case(11104, 4400, 100, 999),
        _case(11105, 4000, 500, 999),
        _case(11106, 5, 700000, 1000000),
    ]


def solve(text: str) -> str:
    xs = list(map(int, text.split()))[1:]
    known: dict[int, int] = {}
    for x in set(xs):
        p, ways, m = 2, 1, x
        while p * p <= m:
            e = 0
            while m % p == 0:
                m //= p
                e += 1
            ways *= e + 1
            p += 1
        if m > 1:
            ways *= 2
        known[x] = (ways + 1) // 2
    return "".join(f"{known[x]}\n" for x in xs)
