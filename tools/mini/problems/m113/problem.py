"""A village hall has one room and n requested meetings (1 <= n <= 2500), each from a start time to a later
end time of the same day. Two meetings can both be held if one ends no later than the other starts. Input: n,
then n lines "hh:mm hh:mm" (two digits each, 00:00 to 23:59). Print the largest number of meetings that can be
held."""

import random


def _clock(t: int) -> str:
    return f"{t // 60:02d}:{t % 60:02d}"


def _case(seed: int, n: int, longest: int) -> str:
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        start = rng.randint(0, 1438)
        end = min(1439, start + rng.randint(1, longest))
        rows.append(f"{_clock(start)} {_clock(end)}")
    return f"{n}\n" + "\n".join(rows) + "\n"


def inputs() -> list[str]:
    return [
        "1\n00:00 23:59\n",
        "3\n10:00 11:00\n10:00 11:00\n10:00 11:00\n",
        "4\n08:00 09:00\n09:00 10:00\n10:00 11:00\n08:30 10:30\n",
        _case(11301, 20, 200),
        _case(11302, 2500, 60),
        _case(11303, 2400, 400),
        _case(11304, 2500, 1400),
        _case(11305, 2300, 25),
    ]


def solve(text: str) -> str:
    words = text.split()[1:]
    times = [int(w[:2]) * 60 + int(w[3:]) for w in words]
    meetings = sorted(zip(times[1::2], times[0::2], strict=True))
    free, count = 0, 0
    for end, start in meetings:
        if start >= free:
            count += 1
            free = end
    return f"{count}\n"
