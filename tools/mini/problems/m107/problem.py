"""A hiking log has n daily heights (each 1..9). Day i is a summit when its height is greater than the heights
of both the day before and the day after. Input: n q (3 <= n <= 8000, 1 <= q <= 2000), then the n heights,
then q lines l r (1 <= l < r <= n). For each query print how many summits i satisfy l < i < r, one answer per
line."""

import random


def _case(seed: int, n: int, q: int, top: int, wide: bool) -> str:
    rng = random.Random(seed)
    a = [rng.randint(1, top) for _ in range(n)]
    rows = []
    for _ in range(q):
        if wide:
            left, right = rng.randint(1, n // 6), rng.randint(n - n // 6, n)
        else:
            left, right = sorted(rng.sample(range(1, n + 1), 2))
        rows.append(f"{left} {right}")
    return f"{n} {q}\n" + " ".join(map(str, a)) + "\n" + "\n".join(rows) + "\n"


def inputs() -> list[str]:
    return [
        "3 1\n1 2 1\n1 3\n",
        "5 3\n4 4 4 4 4\n1 5\n2 3\n1 2\n",
        "7 4\n1 9 1 9 1 9 1\n1 7\n2 6\n3 7\n6 7\n",
        _case(10701, 30, 12, 4, False),
        _case(10702, 6000, 700, 9, True),
        _case(10703, 7000, 600, 9, True),
        _case(10704, 5500, 800, 3, True),
        _case(10705, 8000, 900, 6, False),
        _case(10706, 6500, 650, 2, True),
    ]


def solve(text: str) -> str:
    it = iter(map(int, text.split()))
    n, q = next(it), next(it)
    a = [next(it) for _ in range(n)]
    tops = [0] * (n + 1)
    for i in range(1, n + 1):
        top = 1 < i < n and a[i - 2] < a[i - 1] > a[i]
        tops[i] = tops[i - 1] + top
    out = []
    for _ in range(q):
        left, right = next(it), next(it)
        out.append(tops[right - 1] - tops[left])
    return "\n".join(map(str, out)) + "\n"
