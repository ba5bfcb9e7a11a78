"""A mill has n kinds of flour bags (1 <= n <= 30); there are c_i bags of kind i, each weighing w_i (1 <= c_i,
w_i <= 300). Bags of one kind look the same. In how many ways can one load a cart with a total weight of
exactly S (0 <= S <= 800)? Input: n S, then n lines w_i c_i. Print the number of ways modulo 1000000007."""

import random

MOD = 10**9 + 7


def _case(seed: int, n: int, s: int, w: int, c: int) -> str:
    rng = random.Random(seed)
    rows = [f"{rng.randint(1, w)} {rng.randint(max(1, c // 3), c)}" for _ in range(n)]
    return f"{n} {s}\n" + "\n".join(rows) + "\n"


def inputs() -> list[str]:
    return [
        "1 0\n5 3\n",
        "1 7\n2 10\n",
        "3 10\n1 300\n1 300\n1 300\n",
        "2 800\n300 1\n299 2\n",
        _case(11001, 6, 90, 12, 20),
        _case(11002, 30, 660, 5, 300),
        _case(11003, 28, 740, 6, 250),
        _case(11004, 30, 760, 9, 300),
        _case(11005, 25, 740, 4, 200),
    ]


def solve(text: str) -> str:
    it = iter(map(int, text.split()))
    n, s = next(it), next(it)
    ways = [1] + [0] * s
    for _ in range(n):
        w, c = next(it), next(it)
        more = ways[:]
        for j in range(w, s + 1):
            more[j] += more[j - w]
            if j >= (c + 1) * w:
                more[j] -= ways[j - (c + 1) * w]
            more[j] %= MOD
        ways = more
    return f"{ways[s] % MOD}\n"
