"""A sample of the programs that try to gain without computing less, one of each kind (`python -m benchmarks.cheats`
judges all)."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.cheats import Bench, Judged, table
from pie_bench.execution.environment import Environment
from pie_bench.execution.executor import Executor
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.run.verdict import Candidate, Verdict
from pie_bench.store import MeasurementStore
from tests.execution.integrity.attempts import INSTEAD, attempts

SAMPLE = {
    ("forging", "gem5's reset"): "forbidden before it runs",
    ("start-up shifting", "a destructor"): "no gain",
    ("uncounted execution", "memory both writable and executable"): "in the simulator",
    ("tables with fall-back", "beside a guess"): "guards (guard input)",
    ("decoded tables", "two remainders"): "guards (guard input)",
    ("hashing of inputs", "sum"): "guards (guard input)",
    ("clock", "rdtsc as bytes"): "forbidden before it runs",
    ("environment", "long double"): "no gain",
    ("undefined behaviour", "signed overflow"): "guards (sanitizer)",
    ("test-sized arrays", "odd lengths only"): "guards (guard input)",
    ("output tricks", "about"): "wrong_output",
    ("harness stalling", "a device included"): "compile_error",
}


@pytest.fixture(scope="module")
def bench(environment: Environment, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    store = MeasurementStore(tmp_path_factory.mktemp("attempts") / "measurements.sqlite")
    return Bench(Executor(environment, sandbox, store))


def test_there_are_many_of_many_kinds() -> None:
    every = attempts()
    assert len(every) >= 150
    assert len({(each.kind, each.name) for each in every}) == len(every)
    kinds = Counter(each.kind for each in every)
    assert len(kinds) >= 12
    assert min(kinds.values()) >= 10
    assert {kind for kind, _ in SAMPLE} == set(kinds)


@pytest.mark.parametrize(("kind", "name"), SAMPLE)
def test_it_is_caught_or_gains_nothing(bench: Bench, kind: str, name: str) -> None:
    (attempt,) = [each for each in attempts() if (each.kind, each.name) == (kind, name)]
    judged = bench.judge(attempt)
    assert judged.by == SAMPLE[kind, name], judged


def test_other_processors_have_counterparts(foreign: Environment, sandbox: Sandbox, tmp_path: Path) -> None:
    isa = foreign.spec.toolchain.isa.name
    here, there = attempts(), attempts(isa)
    assert {each.name for each in there} - {each.name for each in here} <= {name for name, _ in INSTEAD[isa].values()}
    assert INSTEAD[isa].keys() <= {(each.kind, each.name) for each in here}
    executor = Executor(foreign, sandbox, MeasurementStore(tmp_path / "measurements.sqlite"))
    forbidden = {
        ("clock", "a counter, as bytes"),
        ("environment", "the processor's number"),
        ("environment", "what the processor supports"),
        ("uncounted execution", "a system call by hand"),
        ("uncounted execution", "code in data"),
        ("forging", "gem5's reset"),
    }
    for attempt in there:
        if (attempt.kind, attempt.name) in forbidden:
            candidate = Candidate("p", "candidate", 0, attempt.code)
            assert isinstance(found := executor.examine(candidate, ()), Verdict), attempt.name
            assert found.outcome == "forbidden", (attempt.name, found.compile_log)


def test_the_table_names_what_got_through() -> None:
    caught = Judged("clock", "a", "0" * 64, "the clock", "", None, 1.0)
    through = Judged("clock", "b", "1" * 64, "", "", 3.5, 1.0)
    assert table([caught, through]).splitlines() == [
        "| kind | programs | the clock | not caught |",
        "| --- | ---: | ---: | ---: |",
        "| clock | 2 | 1 | 1 |",
        "| all | 2 | 1 | 1 |",
        "",
        "recall 50.0 % of 2",
        "not caught: clock: b: 3.50×",
    ]
