"""A bead box holds n beads with weights w[i]. Answer q questions: how many unordered pairs of beads have
weights that differ by exactly d?

Input: n and q, then n weights, then q values of d. Output: a line with one integer for each question.
1 <= n <= 250, 1 <= q <= 400, 0 <= w[i] <= 500, 1 <= d <= 500.
"""

import random
from collections import Counter


def inputs() -> list[str]:
    rng = random.Random(201)
    small = ["1 2\n5\n1 500\n", "4 2\n3 3 3 3\n1 3\n", "5 3\n0 500 250 0 250\n250 500 100\n"]
    large = []
    for n, q, low, top in ((210, 330, 0, 500), (190, 370, 1, 499), (230, 290, 50, 500), (200, 350, 0, 450)):
        weights = " ".join(str(rng.randint(low, top)) for _ in range(n))
        questions = " ".join(str(rng.randint(1, top - low)) for _ in range(q))
        large.append(f"{n} {q}\n{weights}\n{questions}\n")
    return [*small, "2 1\n7 9\n2\n", *large]


def solve(text: str) -> str:
    n, _, *rest = map(int, text.split())
    count = Counter(rest[:n])
    return "".join(f"{sum(count[w] * count[w + d] for w in list(count))}\n" for d in rest[n:])
