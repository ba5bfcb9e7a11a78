"""The table at the end of a run, as the user sees it."""

import io
from pathlib import Path

import pytest

from pie_bench.report.table import honesty, print_results, warnings
from pie_bench.run.guard import GuardFinding
from pie_bench.run.results import Guards, Results, Score, StartupShare
from pie_bench.stages.finished import FinishedRun

SCORES = {
    "percent_optimized": {"best@1": 12.5, "best@2": 25.0, "first@1": 25.0, "first@2": 25.0},
    "speedup": {"best@1": 1.0625, "best@2": 1.5, "first@1": 1.25, "first@2": 1.5},
    "percent_correct": {"best@1": 50.0, "best@2": None, "first@1": 37.5, "first@2": None},
}
HUMAN = {name: {"best@1": 100.0, "first@1": 100.0} for name in SCORES}
HUMAN |= {"speedup": {"best@1": 3.656, "first@1": 3.656}}
INTERVALS = {"percent_optimized": 4.0, "speedup": 0.05, "percent_correct": 8.0}


def score(metric: str, k: int, method: str, time: str, of: str) -> Score:
    value = (SCORES if of == "model" else HUMAN)[metric][f"{method}@{k}"]
    half = INTERVALS[metric]
    low, high = (None, None) if value is None or of == "human" else (value - half, value + half)
    key = {"metric": metric, "k": k, "method": method, "time": time, "of": of}
    return Score(**key, value=value, low=low, high=high, n_pairs=8)  # type: ignore[arg-type]


RESULTS = Results(
    task="pie_instruct",
    task_version=1,
    task_hash="t" * 64,
    model="smollm2",
    model_resolved="weights.gguf@sha256:0",
    examples={},
    dataset="mini",
    split="test",
    dataset_fingerprint="d" * 64,
    environment="skylake",
    environment_id="e" * 64,
    environment_facts={},
    sandbox="bubblewrap",
    n_pairs=8,
    n_problems=6,
    n_samples=2,
    n_rejected_rows=0,
    unusable_pairs=(),
    metrics=SCORES,
    metrics_without_startup=SCORES,
    human_reference=HUMAN,
    human_reference_without_startup=HUMAN,
    scores=tuple(
        score(metric, k, method, time, of)
        for of, wanted in (("model", (1, 2)), ("human", (1,)))
        for time in ("process", "after_main")
        for method in ("best", "first")
        for k in wanted
        for metric in SCORES
    ),
    interval={"method": "jackknife, Student's t", "problems": 6},
    startup={
        "model": StartupShare(optimized=2, by_startup_alone=()),
        "human": StartupShare(optimized=8, by_startup_alone=()),
    },
    outcomes={"compile_error": 3, "ok": 8, "wrong_output": 5},
    infra_errors=0,
    tokens={"prompt": 10, "completion": 20},
    versions={},
    pairs=(),
)


def printed(results: Results) -> str:
    file = io.StringIO()
    print_results(results, file)
    return "".join(line.rstrip() + "\n" for line in file.getvalue().splitlines())


def test_what_numbers_are_made_of_stands_below_them(run_a: FinishedRun, pytestconfig: pytest.Config) -> None:
    golden = pytestconfig.rootpath / "tests" / "golden" / "honesty.txt"
    assert "".join(f"{line}\n" for line in honesty(run_a.results)) == golden.read_text()
    assert honesty(RESULTS) == [], "of an older version"


def test_the_table(pytestconfig) -> None:
    golden: Path = pytestconfig.rootpath / "tests" / "golden" / "table.txt"
    assert printed(RESULTS) == golden.read_text()


def test_guarded_numbers_stand_below_the_raw_ones() -> None:
    metrics = SCORES | {"speedup": {"best@1": 1.01, "best@2": None, "first@1": 1.0, "first@2": None}}
    guards = Guards(
        checked=3,
        unchecked=5,
        n_guard_inputs=20,
        by_sanitizer=0,
        by_guard_input=1,
        speedups_removed=1,
        speedups_removed_by_sanitizer=0,
        speedups_removed_by_guard_input=1,
        findings=(GuardFinding("p", 0, "c" * 64, 20, "e" * 64, guard_input="input '3': '1', not '2'"),),
        metrics=metrics,
        metrics_without_startup=metrics,
    )
    lines = printed(RESULTS.model_copy(update={"guards": guards})).splitlines()
    guarded = [line.split() for line in lines if line.strip().startswith("guarded")]
    assert guarded == [
        "guarded 12.5 % 1.01× 50.0 % 12.5 % 1.01×".split(),
        "guarded 25.0 % – – 25.0 % –".split(),
    ]
    said = "guards: 3 answers checked, 1 flagged (0 by sanitizers, 1 on 20 guard inputs); 1 speedups removed"
    assert lines[-2:] == [said, "  p, sample 0: input '3': '1', not '2'"]


def test_one_pair_is_a_pair_and_has_no_interval() -> None:
    one = RESULTS.model_copy(update={"n_pairs": 1, "n_problems": 1, "interval": RESULTS.interval | {"problems": 1}})
    text = printed(one)
    assert "mini/test: 1 pair of 1 problem, 2 samples a pair" in text
    assert "interval" not in text


def test_what_a_reader_must_know_is_printed_with_its_remedy() -> None:
    assert warnings(RESULTS) == []
    (other,) = warnings(RESULTS.model_copy(update={"answered_prompts": "other"}))
    assert other.startswith("replayed answers were given to other prompts: the numbers need not be the task's")
    troubled = RESULTS.model_copy(
        update={
            "infra_errors": 2,
            "unusable_pairs": ("a", "b", "c", "d"),
            "n_rejected_rows": 7,
            "n_samples": 1,
            "startup": {"model": StartupShare(optimized=3, by_startup_alone=("x",))},
        }
    )
    infra, unusable, rejected, startup = warnings(troubled)
    assert infra == "2 executions failed on our side (infra_error) and are in no metric; rerun the same command"
    assert unusable == "4 pairs are left out because their source program fails its tests here (a, b, c, …)"
    assert rejected == "7 rows of the dataset are incomplete and left out: see manifest.json"
    assert startup.startswith("1 of 3 optimised pairs are so by process start-up alone")
    assert "note: 7 rows" in printed(troubled)
    assert "1 sample a pair" in printed(troubled)


def test_a_run_without_a_usable_pair_has_a_table_too() -> None:
    said = printed(RESULTS.model_copy(update={"n_pairs": 0, "scores": (), "interval": {}, "startup": {}}))
    assert "0 pairs of 6 problems" in said
