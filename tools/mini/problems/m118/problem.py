"""A lock checks a key x with the polynomial c_0 + c_1 x + ... + c_n x^n modulo 998244353. Input: n q (1 <= n
<= 70, 1 <= q <= 1500), then c_0 ... c_n (0 <= c_i < 1000), then q keys x (0 <= x <= 1000000), one per line.
Print the value for each key, one per line."""

import random

MOD = 998244353


def _case(seed: int, n: int, q: int, top: int) -> str:
    rng = random.Random(seed)
    c = " ".join(str(rng.randint(0, 999)) for _ in range(n + 1))
    return f"{n} {q}\n{c}\n" + "".join(f"{rng.randint(0, top)}\n" for _ in range(q))


def inputs() -> list[str]:
    return [
        "1 1\n5 0\n0\n",
        "2 3\n1 1 1\n0\n1\n1000000\n",
        "3 2\n0 0 0 999\n999983\n2\n",
        _case(11801, 10, 12, 50),
        _case(11802, 60, 1300, 1000000),
        _case(11803, 70, 1000, 1000000),
        _case(11804, 64, 1200, 999),
        _case(11805, 55, 1500, 1000000),
    ]


def solve(text: str) -> str:
    nums = list(map(int, text.split()))
    n = nums[0]
    c, keys = nums[2 : n + 3], nums[n + 3 :]
    out = []
    for x in keys:
        value = 0
        for k in reversed(c):
            value = (value * x + k) % MOD
        out.append(f"{value}\n")
    return "".join(out)
