"""A small dataset of three training problems and one test problem, with recorded answers of every kind."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pie_bench.adapt.selfplay.place import Place
from pie_bench.models.model import Completion, Model, Request
from pie_bench.run.files import read_jsonl, write_jsonl

READ = (
    "#include <cstdio>\n#include <cstdlib>\n#include <ctime>\nint main() {{\n  int n, a[64];\n"
    '  if (scanf("%d", &n) != 1) {{ puts("none"); return 0; }}\n'
    '  for (int i = 0; i < n; i++) scanf("%d", a + i);\n{body}\n  return 0;\n}}\n'
)
INPUTS = ("1\n5\n", "2\n-3 4\n", "3\n1 1 2\n", "4\n9 -8 7 -6\n", "5\n2 3 5 7 11\n", "6\n6 5 4 3 2 1\n")


def program(body: str) -> str:
    """A program that reads a list of numbers; `body` sees n and a."""
    return READ.format(body=body)


SUM = 'long s = 0; for (int i = 0; i < n; i++) s += a[i]; printf("%ld\\n", s);'
MAX = 'int m = a[0]; for (int i = 1; i < n; i++) if (a[i] > m) m = a[i]; printf("%d\\n", m);'
MIN = 'int m = a[0]; for (int i = 1; i < n; i++) if (a[i] < m) m = a[i]; printf("%d\\n", m);'
ODD = 'int c = 0; for (int i = 0; i < n; i++) c += a[i] % 2 != 0; printf("%d\\n", c);'
SLOWLY = "for (volatile int w = 0; w < 300; w++) ; "
PROBLEMS = {  # of each the split, a body, and what it computes
    "sums": ("train", SUM, lambda a: sum(a)),
    "most": ("train", MAX, lambda a: max(a)),
    "least": ("train", MIN, lambda a: min(a)),
    "odd": ("test", ODD, lambda a: sum(x % 2 != 0 for x in a)),
}

SQUARES = 'long s = 0; for (int i = 0; i < n; i++) s += (long)a[i] * a[i]; printf("%ld\\n", s);'
# Far slower than start-up, in every environment.
SLOW_SQUARES = (
    "long s = 0; for (int i = 0; i < n; i++) { volatile long t = 0; for (int k = 0; k < 300000; k++) t = t + 1; "
    's += (long)a[i] * a[i] + t - 300000; } printf("%ld\\n", s);'
)
ALTERNATING = 'long s = 0; for (int i = 0; i < n; i++) s += i % 2 ? -a[i] : a[i]; printf("%ld\\n", s);'
# By name: the answer's text, and its outcome.
ANSWERS: dict[str, tuple[str, str]] = {
    "fenced": (f"Here it is:\n```cpp\n{program(SLOW_SQUARES)}```\nIt sums the squares.", "ok"),
    "copy": ("// said again\n" + program(SLOW_SQUARES).replace("\n  ", "\n      "), "copy"),
    "classmate": (program(SQUARES), "ok"),
    "other class": (program(ALTERNATING), "ok"),
    "constant": (program('puts("7");'), "constant_output"),
    "input-ignoring": ('#include <cstdio>\nint main() { puts("42"); return 0; }\n', "ignores_input"),
    "by address": (program('printf("%ld %p\\n", (long)n, (void*)a);'), "nondeterministic"),
    "by the clock": (program('srand(time(0)); printf("%d %d\\n", n, rand());'), "nondeterministic"),
    "known program": ("// mine\n" + program(SUM), "known_text"),
    "known behaviour": (program(ODD.replace("% 2 != 0", "& 1")), "known_behaviour"),
    "time-out": (program('for (volatile int i = 0; n; i++) ; puts("never");'), "instruction_limit"),
    "crash": (program('if (n > 3) abort(); puts(n > 1 ? "a" : "b");'), "runtime_error"),
    "compile error": (program("int s = nothing_of_this_name; "), "compile_error"),
    "forbidden": (program('FILE* f = fopen("/proc/cpuinfo", "r"); printf("%d\\n", f ? n : 0);'), "forbidden"),
    "no code": ("I cannot help with that.", "no_code"),
    "solution": (program(SLOWLY + SUM), "solves_its_problem"),
}
RECORDED = "PIE_BENCH_TEST_ANSWERS"
PRESET = """\
include: selfplay/default.yaml
task: made
sampling: {n: 6}
draws: {count: 3}
"""
ENVIRONMENT = """\
include: skylake.yaml
environment: quick
native_limits: {cpu_seconds: 1}
"""


def make(folder: Path) -> None:
    """Writes `data` (a dataset), `presets/made.yaml` and `quick.yaml` (an environment with a shorter time limit)."""
    data = folder / "data"
    rows: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    for name, (split, body, compute) in PROBLEMS.items():
        tests = [{"input": text, "output": f"{compute(list(map(int, text.split()[1:])))}\n"} for text in INPUTS]
        source = program(body.replace("for (", SLOWLY + "for (", 1))
        ids = {"src_id": f"{name}_slow", "tgt_id": f"{name}_fast", "problem_id": name}
        rows[split].append(ids | {"src_code": source, "tgt_code": program(body), "tests": tests})
    for split, found in rows.items():
        write_jsonl(data / f"{split}.jsonl", found)
    (folder / "presets").mkdir(parents=True, exist_ok=True)
    (folder / "presets" / "made.yaml").write_text(PRESET)
    (folder / "quick.yaml").write_text(ENVIRONMENT)


def record_answers(path: Path, pair_ids: Iterable[str]) -> None:
    """Every answer once, over the draws in order; the solution goes to a draw of the problem that it solves, and what
    is then left over is repeated."""
    pairs = list(pair_ids)
    texts = {name: text for name, (text, _) in ANSWERS.items() if name != "solution"}
    waiting = list(texts.values())
    records = []
    for pair_id in pairs:
        mine = [ANSWERS["solution"][0]] if pair_id.startswith("sums-") else []
        while len(mine) < 6:
            mine.append(waiting.pop(0) if waiting else "I give up: `int main() { return 0;")
        records += [
            {"pair_id": pair_id, "sample_index": index, "text": text, "finish_reason": "stop"}
            for index, text in enumerate(mine)
        ]
    assert not waiting, "every answer is given"
    write_jsonl(path, records)


def record_faster(path: Path, place: Place) -> None:
    """Two answers to each representative: a correct, faster one, and one that is wrong or no faster."""
    codes = {program.code_sha256: program.code for program in place.programs()}
    records = []
    for each in place.classes():
        slow = codes[each.members[0]]
        texts = [program(SQUARES), program(SUM)] if "300000" in slow else [slow, slow]
        records += [
            {"pair_id": pair_id, "sample_index": index, "text": f"```cpp\n{text}```\n", "finish_reason": "stop"}
            for pair_id in each.representatives
            for index, text in enumerate(texts)
        ]
    write_jsonl(path, records)


class Slow(Model):
    """Gives recorded answers (the file that `RECORDED` names), one after the other."""

    identity = None

    def __init__(self) -> None:
        self.name = self.resolved = "slow"
        self._recorded = {(r["pair_id"], r["sample_index"]): r for r in read_jsonl(Path(os.environ[RECORDED]))}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            for index in request.sample_indices:
                time.sleep(0.02)
                yield Completion(**json.loads(json.dumps(self._recorded[request.pair_id, index])))
