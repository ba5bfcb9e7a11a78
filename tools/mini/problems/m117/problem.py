"""A bird watcher notes n sightings (1 <= n <= 4500), each a code of three small letters. Input: n, then n
codes, one per line. For each sighting print how many earlier sightings had the same code, one number per
line."""

import random


def _case(seed: int, n: int, kinds: int) -> str:
    rng = random.Random(seed)
    codes = ["".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(3)) for _ in range(kinds)]
    return f"{n}\n" + "".join(rng.choice(codes) + "\n" for _ in range(n))


def inputs() -> list[str]:
    return [
        "1\nabc\n",
        "5\nzzz\nzzz\nzzz\nzzz\nzzz\n",
        "6\naaa\naab\naba\nbaa\naaa\naba\n",
        _case(11701, 40, 8),
        _case(11702, 4500, 400),
        _case(11703, 4200, 300),
        _case(11704, 4400, 460),
        _case(11705, 4300, 350),
    ]


def solve(text: str) -> str:
    seen: dict[str, int] = {}
    out = []
    for code in text.split()[1:]:
        out.append(f"{seen.get(code, 0)}\n")
        seen[code] = seen.get(code, 0) + 1
    return "".join(out)
