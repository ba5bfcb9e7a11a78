"""n villages (2 <= n <= 220) are joined by m two-way paths (n - 1 <= m <= 1000); every village can be
reached. News starts in one village and each hour passes along every path. Input: n m, then m lines u v
(1-based, u != v). For each village as the start print the number of hours until everybody knows and how many
villages learn it in the last hour, one line per start."""

import random
from collections import deque


def _case(seed: int, n: int, extra: int, near: int) -> str:
    rng = random.Random(seed)
    edges = [(rng.randint(max(1, v - near), v - 1), v) for v in range(2, n + 1)]
    while len(edges) < n - 1 + extra:
        u = rng.randint(1, n - 1)
        edges.append((u, rng.randint(u + 1, min(n, u + near))))
    rng.shuffle(edges)
    return f"{n} {len(edges)}\n" + "".join(f"{u} {v}\n" for u, v in edges)


def inputs() -> list[str]:
    return [
        "2 1\n1 2\n",
        "4 6\n1 2\n1 3\n1 4\n2 3\n2 4\n3 4\n",
        "6 5\n1 2\n2 3\n3 4\n4 5\n5 6\n",
        _case(11501, 12, 5, 5),
        _case(11502, 140, 120, 140),
        _case(11503, 150, 60, 12),
        _case(11504, 145, 180, 30),
        _case(11505, 150, 0, 6),
    ]


def solve(text: str) -> str:
    nums = list(map(int, text.split()))
    n = nums[0]
    adj: list[list[int]] = [[] for _ in range(n + 1)]
    for u, v in zip(nums[2::2], nums[3::2], strict=True):
        adj[u].append(v)
        adj[v].append(u)
    out = []
    for s in range(1, n + 1):
        dist = {s: 0}
        todo = deque([s])
        while todo:
            u = todo.popleft()
            for v in adj[u]:
                if v not in dist:
                    dist[v] = dist[u] + 1
                    todo.append(v)
        far = max(dist.values())
        out.append(f"{far} {sum(1 for x in dist.values() if x == far)}\n")
    return "".join(out)
