"""A robot writes a ribbon, a string of the letters a, b, c, d. Input: k (1 <= k <= 6) and the ribbon (k <=
length <= 12000). Look at every window of k consecutive letters. Print how many different windows occur, then
the number of occurrences of the most frequent window, separated by a space."""

import random


def _case(seed: int, k: int, n: int, letters: str) -> str:
    rng = random.Random(seed)
    return f"{k}\n" + "".join(rng.choice(letters) for _ in range(n)) + "\n"


def inputs() -> list[str]:
    return [
        "1\na\n",
        "3\naaaaaaaa\n",
        "2\nabcdabcd\n",
        _case(10801, 4, 60, "abcd"),
        _case(10802, 6, 12000, "abcd"),
        _case(10803, 5, 12000, "abcd"),
        _case(10804, 6, 11000, "abc"),
        _case(10805, 6, 10000, "aabcd"),
    ]


def solve(text: str) -> str:
    first, s = text.split()
    k = int(first)
    seen: dict[str, int] = {}
    for i in range(len(s) - k + 1):
        w = s[i : i + k]
        seen[w] = seen.get(w, 0) + 1
    return f"{len(seen)} {max(seen.values())}\n"
