"""A stage designer has n square lamps and builds two square panels from them, one of a x a and one of b x b
lamps with 1 <= a <= b; all lamps must be used. For each of t numbers n, count the possible choices of a and
b.

Input: t, then t numbers n. Output: a line with the number of choices for each n.
1 <= t <= 1000, 1 <= n <= 50000.
"""

import random


def inputs() -> list[str]:
    rng = random.Random(107)
    small = ["1\n1\n", "6\n2 3 8 25 50 65\n", "4\n5525 49999 50000 48841\n", "3\n1105 1105 1106\n"]
    large = []
    for t, low, top in ((800, 6000, 14000), (950, 1, 16000), (700, 9000, 15000), (960, 7000, 8500)):
        large.append(f"{t}\n" + "\n".join(str(rng.randint(low, top)) for _ in range(t)) + "\n")
    return small + large


def solve(text: str) -> str:
    _, *numbers = map(int, text.split())
    squares = [a * a for a in range(1, 225)]
    ways = [0] * (2 * squares[-1] + 1)
    for i, small in enumerate(squares):
        for big in squares[i:]:
            ways[small + big] += 1
    return "".join(f"{ways[n]}\n" for n in numbers)
