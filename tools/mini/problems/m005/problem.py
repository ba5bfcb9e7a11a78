"""At a festival n visitors pass the gate one after the other, and each says a name of lower-case letters. The
keeper calls "welcome" if nobody said that name before, and "again" otherwise; at the end he wants the two
totals.

Input: n, then n names. Output: the number of "welcome" calls and the number of "again" calls.
1 <= n <= 3000, a name has 1 to 12 letters.
"""

import random


def inputs() -> list[str]:
    rng = random.Random(105)
    small = ["1\nz\n", "4\nora\nora\nora\nora\n", "5\nab\nabc\na\nabcdefghijkl\nab\n"]
    sizes = [(2500, 2200, 6), (2200, 1900, 12), (2700, 1500, 5), (2100, 9999, 8), (2400, 1300, 9)]
    large = []
    for n, kinds, top in sizes:
        pool = ["".join(rng.choices("aeioumnrst", k=rng.randint(3, top))) for _ in range(kinds)]
        large.append(f"{n}\n" + "\n".join(rng.choice(pool) for _ in range(n)) + "\n")
    return small + large


def solve(text: str) -> str:
    _, *names = text.split()
    return f"{len(set(names))} {len(names) - len(set(names))}\n"
