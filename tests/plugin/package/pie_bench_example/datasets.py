"""A dataset: a function from a split's name to rows, None for a split that there is not."""

from collections.abc import Iterable, Mapping
from typing import Any

_SLOW = """\
#include <iostream>
int main() {{
    long n, sum = 0;
    std::cin >> n;
    for (long i = 1; i <= n; ++i)
        for (long j = 0; j < {work}; ++j) sum += i * (j == 0);
    std::cout << sum << std::endl;
}}
"""
_FAST = """\
#include <iostream>
int main() {
    long n;
    std::cin >> n;
    std::cout << n * (n + 1) / 2 << std::endl;
}
"""


def rows(split: str) -> Iterable[Mapping[str, Any]] | None:
    """The sum of the first n numbers, slowly and at once."""
    works = {"train": (200, 300), "test": (400, 500)}
    if split not in works:
        return None
    return [
        {
            "problem_id": f"sum{work}",
            "src_id": f"loop{work}",
            "tgt_id": f"formula{work}",
            "src_code": _SLOW.format(work=work),
            "tgt_code": _FAST,
            "tests": [{"input": f"{n}\n", "output": f"{n * (n + 1) // 2}\n"} for n in (10, 20_000)],
        }
        for work in works[split]
    ]
