"""The same candidates again, in another order, with an empty cache, on a machine with every core loaded: the same bytes.

30 candidates of every outcome; a sample of them by default, all with PIE_BENCH_TEST_ALL=1 (two minutes of CPU time).
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pie_bench.data.pair import TestCase
from pie_bench.execution.environment import Environment
from pie_bench.execution.executor import Executor
from pie_bench.execution.pool import LocalPool
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.run.verdict import Candidate
from pie_bench.store import MeasurementStore

TESTS = (TestCase("0", b"70\n", b"140\n"), TestCase("1", b"12345\n", b"24690\n"))
_MAIN = '#include <cstdio>\n#include <cstdlib>\n#include <cstring>\n%s\nint main(){ int n; if (scanf("%%d", &n) != 1) return 3; %s }\n'
_PRINT = 'printf("%d\\n", 2 * n);'

WORKING = {
    f"works {rounds}": _MAIN % ("", f"volatile unsigned s = 0; for (int i = 0; i < {rounds} * n; i++) s += i; {_PRINT}")
    for rounds in (0, 1, 2, 3, 5, 8, 11, 13)
} | {
    "allocates": _MAIN % ("", f"for (int i = 0; i < 200; i++) {{ char* p = (char*)malloc(100 + i * 997); memset(p, i, 100); if (i % 3) free(p); }} {_PRINT}"),
    "prints much": _MAIN % ("", f'for (int i = 0; i < 2000; i++) fprintf(stderr, "%d ", i); {_PRINT}'),
    "reads byte by byte": '#include <cstdio>\nint main(){ int n = 0, c; while ((c = getchar()) >= 48) n = n * 10 + c - 48; printf("%d\\n", 2 * n); }',
    "branches": _MAIN % ("", f"volatile int s = 0; unsigned x = 1; for (int i = 0; i < 20000; i++) {{ x = x * 1103515245 + 12345; if (x >> 30 & 1) s = s + 1; }} {_PRINT}"),
    "sorts": _MAIN % ("static int v[4000]; static int less(const void* a, const void* b) { return *(int*)a - *(int*)b; }", f"for (int i = 0; i < 4000; i++) v[i] = i * 7919 % 4001; qsort(v, 4000, 4, less); {_PRINT}"),
    "divides": _MAIN % ("", f"volatile long s = 0; for (long i = 1; i < 20000; i++) s += 1000000007 / i; {_PRINT}"),
    "addresses": _MAIN % ("", f"int k; volatile unsigned long s = (unsigned long)&k % 97 + (unsigned long)malloc(9) % 89; for (unsigned long i = 0; i < s * 50; i++) s = s; {_PRINT}"),
    "uses the stack": _MAIN % ("static int deep(int n) { volatile char b[500]; b[0] = n; return n ? deep(n - 1) + b[0] : 0; }", f"if (deep(2000) == 1) return 1; {_PRINT}"),
    "doubles": _MAIN % ("", f"volatile double s = 0; for (int i = 1; i < 20000; i++) s += 1.0 / i; {_PRINT}"),
    "constructs": _MAIN % ("static int t = [] { volatile int s = 0; for (int i = 0; i < 30000; i++) s = s + i; return (int)s; }();", f"if (t == 1) return 1; {_PRINT}"),
}  # fmt: skip
FAILING = {
    "wrong": _MAIN % ("", 'printf("%d\\n", 3 * n);'),
    "wrong on one": _MAIN % ("", 'printf("%d\\n", n > 100 ? 1 : 2 * n);'),
    "does not compile": "int main() { return x; }",
    "does not link": "int f(); int main() { return f(); }",
    "crashes": _MAIN % ("", "*(volatile int*)8 = n;"),
    "aborts": _MAIN % ("", "abort();"),
    "exits": _MAIN % ("", f"{_PRINT} return 1;"),
    "endless": _MAIN % ("", "for (volatile int i = 0;; i++);"),
    "too much memory": _MAIN % ("", f"char* p = (char*)malloc(3ul << 30); if (!p) return 1; {_PRINT}"),
    "too much output": _MAIN % ("", 'for (;;) puts("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");'),
    "too much stack": _MAIN % ("static int deep(int n) { volatile char b[500]; b[0] = n; return n + 1 ? deep(n + 1) + b[0] : 0; }", f"if (deep(0) == 1) return 1; {_PRINT}"),
    "cheats": _MAIN % ("", f'if (getenv("LD_PRELOAD")) return 1; {_PRINT}'),
}  # fmt: skip
PROGRAMS = WORKING | FAILING


@contextmanager
def every_core_loaded() -> Iterator[None]:
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def judged(environment: Environment, sandbox: Sandbox, store: Path, names: list[str], workers: int) -> str:
    """All verdicts, in order of the names, from an empty store."""
    executor = Executor(environment, sandbox, MeasurementStore(store))
    candidates = [Candidate(name, "candidate", 0, PROGRAMS[name]) for name in names]
    verdicts = LocalPool(workers).map_unordered(lambda candidate: executor.execute(candidate, TESTS), candidates)
    return json.dumps(sorted((verdict.to_json() for verdict in verdicts), key=lambda v: v["pair_id"]), sort_keys=True)


@pytest.mark.slow
def test_verdicts_and_measurements_are_the_same_bytes(
    environment: Environment, sandbox: Sandbox, tmp_path: Path
) -> None:
    assert len(PROGRAMS) == 30
    names = sorted(PROGRAMS)
    if os.environ.get("PIE_BENCH_TEST_ALL") != "1":
        names = sorted(random.Random(1).sample(sorted(WORKING), 4) + random.Random(1).sample(sorted(FAILING), 5))
    limits = environment.spec.native_limits.model_copy(update={"cpu_seconds": 2, "wall_seconds": 200})
    quick = replace(environment, spec=environment.spec.model_copy(update={"native_limits": limits}))
    first = judged(quick, sandbox, tmp_path / "a", names, 1)
    again = judged(quick, sandbox, tmp_path / "b", names[::-1], 2)
    with every_core_loaded():
        loaded = judged(quick, sandbox, tmp_path / "c", random.Random(0).sample(names, len(names)), 4)
    assert first == again == loaded
    outcomes = {verdict["pair_id"]: verdict["outcome"] for verdict in json.loads(first)}
    assert all((outcome == "ok") == (name in WORKING) for name, outcome in outcomes.items()), outcomes
    assert "infra_error" not in outcomes.values()


@pytest.mark.parametrize("stage", ["compile_limits", "native_limits", "simulator_limits"])
def test_every_limit_is_part_of_what_a_number_is_keyed_by(environment: Environment, stage: str) -> None:
    limits = getattr(environment.spec, stage)
    ids = {environment.environment_id}
    for name in type(limits).model_fields:
        changed = limits.model_copy(update={name: getattr(limits, name) + 1})
        ids.add(Environment(environment.spec.model_copy(update={stage: changed}), environment.facts).environment_id)
    assert len(ids) == 1 + len(type(limits).model_fields)
