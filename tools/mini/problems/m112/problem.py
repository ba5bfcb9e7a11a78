"""n children (1 <= n <= 2000) stand in line for a slide; child i wants to slide a_i times (1 <= a_i <= 6000).
The child in front slides once and then goes home if it has had enough, else it walks to the end of the line.
Input: n and the n numbers a_i. Print the numbers of the children (1..n) in the order they go home, separated
by spaces."""

import random


def _case(seed: int, n: int, top: int, big: list[int]) -> str:
    rng = random.Random(seed)
    a = [rng.randint(1, top) for _ in range(n)]
    for place, value in zip(rng.sample(range(n), len(big)), big, strict=True):
        a[place] = value
    return f"{n}\n" + " ".join(map(str, a)) + "\n"


def inputs() -> list[str]:
    return [
        "1\n1\n",
        "4\n3 3 3 3\n",
        "5\n5 4 3 2 1\n",
        _case(11201, 12, 9, [40]),
        _case(11202, 1600, 5, [3000, 2800]),
        _case(11203, 2000, 4, [2500, 2500, 9]),
        _case(11204, 1200, 9, [4400]),
        _case(11205, 1500, 6, [3600, 100, 3000]),
    ]


def solve(text: str) -> str:
    a = list(map(int, text.split()))[1:]
    order = sorted(range(len(a)), key=lambda i: (a[i], i))
    return " ".join(str(i + 1) for i in order) + "\n"
