"""A dataset of programs of a few lines with three tests each, cheap to compile and measure with an empty cache."""

import json
from pathlib import Path

_ADDED = """#include <cstdio>
int main() {
    long n;
    scanf("%%ld", &n);
    volatile long s = 0;
    for (long i = 1; i <= n; i++) s = s + %d * i;
    printf("%%ld\\n", s);
}
"""
_MULTIPLIED = """#include <cstdio>
int main() {
    long n;
    scanf("%%ld", &n);
    printf("%%ld\\n", %d * (n * (n + 1) / 2));
}
"""
_TEST, _TRAIN = (1, 2), (3, 5, 7, 9)  # the factors
PAIRS, TRAINED = (tuple(f"added{factor}-multiplied{factor}" for factor in factors) for factors in (_TEST, _TRAIN))


def make(folder: Path) -> Path:
    """`folder` with the splits test (`PAIRS`) and train (`TRAINED`)."""
    folder.mkdir()
    for split, factors in (("test", _TEST), ("train", _TRAIN)):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(_row(factor)) + "\n" for factor in factors))
    return folder


def _row(factor: int) -> dict[str, object]:
    return {
        "src_id": f"added{factor}",
        "tgt_id": f"multiplied{factor}",
        "problem_id": f"sum{factor}",
        "src_code": _ADDED % factor,
        "tgt_code": _MULTIPLIED % factor,
        "tests": [{"input": f"{n}\n", "output": f"{factor * n * (n + 1) // 2}\n"} for n in (10, 1000, 200_000)],
        "kind": "algorithm",
        "rationale": "A product takes no loop.",
    }
