"""What judging a run will take, predicted from a few of its programs and compared with what the run takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.api import settings_of
from pie_bench.cli.main import main
from pie_bench.data.load import load_dataset
from pie_bench.execution.executor import open_executor
from pie_bench.run.run import Run
from pie_bench.stages.cost import Cost, Curve, cost, spread
from pie_bench.stages.plan import Plan, make_plan

SIZES = st.lists(st.floats(0, 1e6), min_size=1, max_size=30)


def plan_for(dataset: Path, model: str = "reference", samples: int = 1) -> Plan:
    return make_plan(
        settings_of(
            "pie_instruct",
            model,
            dataset=dataset,
            environment="skylake",
            limit=None,
            samples=samples,
            pairs=None,
            shard=None,
            encoder=None,
            model_args=None,
            context=None,
            include_path=None,
            answers_for_other_prompts=False,
        )
    )


def estimated(plan: Plan, cache: Path, run: Path, *, pairs: int = 8, guarded: bool = False) -> Cost:
    executor = open_executor("skylake", cache)
    try:
        return cost(plan, Run(run), executor, cache, guarded=guarded, pairs=pairs)
    finally:
        executor.close()


def executed(dataset: Path, run: Path, *options: str) -> float:
    arguments = ["run", "--task", "pie_instruct", "--dataset", str(dataset), "--run-dir", str(run)]
    assert main([*arguments, *options]) == 0
    spent: float = json.loads((run / "manifest.json").read_text())["cpu_seconds"]
    return spent


@pytest.fixture
def cold(tmp_path: Path, pinned_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, as the one that commands use."""
    monkeypatch.setenv("PIE_BENCH_CACHE", str(tmp_path / "cold"))
    return tmp_path / "cold"


@pytest.mark.slow
def test_what_is_predicted_is_taken_and_what_was_probed_is_known(cold: Path, tiny: Path, tmp_path: Path) -> None:
    found = estimated(plan_for(tiny), cold, tmp_path / "run", pairs=1, guarded=True)
    assert (found.pairs, found.programs, found.assumed) == (1, 3, 0), "the other pair's own programs, and its answer"
    assert min(found.own, found.answers, found.guards) > 0
    taken = executed(tiny, tmp_path / "run", "--model", "reference", "--samples", "1", "--guard")
    # The benchmark says how near it comes; here the machine is busy and the programs are tiny.
    assert taken / 2 < found.seconds - found.harness < taken * 2
    again = estimated(plan_for(tiny), cold, tmp_path / "again", guarded=True)
    assert (again.programs, again.pairs, again.seconds) == (0, 0, 0.0), "verdicts and findings are known"
    assert not (tmp_path / "again").exists()


@pytest.mark.slow
def test_answers_that_are_not_there_count_as_new_ones(cold: Path, tiny: Path, tmp_path: Path) -> None:
    asked = plan_for(tiny, "openai:nobody", samples=4)
    for left in (2, 0, 0):  # what is probed is chosen where most is unknown
        found = estimated(asked, cold, tmp_path / "run", pairs=1)
        assert (found.assumed, found.programs, found.own > 0) == (8, 8 + left, left > 0)
        assert found.answers > 0
    texts = {pair.pair_id: pair.tgt_code for pair in load_dataset(tiny).pairs}
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        "".join(
            json.dumps(
                {
                    "pair_id": pair_id,
                    "sample_index": index,
                    "text": f"```cpp\n{code}\nint number = {index + 1};\n```",
                    "finish_reason": "stop",
                }
            )
            + "\n"
            for pair_id, code in texts.items()
            for index in range(4)
        )
    )
    replayed = plan_for(tiny, f"replay:{answers}", samples=4)
    before = estimated(asked, cold, tmp_path / "run")
    taken = executed(tiny, tmp_path / "run", "--model", f"replay:{answers}", "--samples", "4")
    assert taken / 2 < before.answers < taken * 2
    known = estimated(replayed, cold, tmp_path / "again")
    assert (known.programs, known.assumed, known.seconds) == (0, 0, 0.0), "answers that are there are read"
    known = estimated(replayed, cold, tmp_path / "again", pairs=1, guarded=True)
    assert (known.programs, known.pairs, known.guards > 0) == (0, 1, True), "guards are left"


@pytest.mark.slow
def test_the_command_says_what_it_assumes(
    cold: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["estimate", "--task", "pie_instruct", "--dataset", str(tiny), "--samples", "2"]
    assert main([*options, "--model", "gpt-4", "--probe", "1"]) == 0
    said = capsys.readouterr().out
    assert "programs    8, 24 runs of them" in said
    assert "CPU time    " in said
    assert "for 6 programs not known yet" in said
    assert "if every answer is right, new and as costly as the human rewrite; if no answer holds a program, " in said
    assert "measured here, on 1 of 2 pairs" in said
    assert main([*options, "--model", "gpt-4", "--probe", "0"]) == 0
    assert "CPU time" not in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [cold]


@given(SIZES, st.integers(1, 40))
def test_the_largest_is_probed_and_nothing_twice(sizes: list[float], n: int) -> None:
    found = spread(sizes, n)
    assert len(found) == len(set(found)) <= max(1, min(n, len(sizes)))
    assert max(sizes) in [sizes[index] for index in found]


def test_probes_follow_the_sum_of_the_sizes() -> None:
    assert spread([0.0] * 100, 5) == [12, 37, 61, 86, 99]
    assert spread([1.0] * 90 + [45.0, 46.0], 3) == [33, 90, 91], "two thirds of the others' sum lie with the small ones"
    assert spread([3.0, 1.0, 2.0], 5) == [1, 2, 0]


@given(st.floats(0, 10), st.floats(0, 10), st.lists(st.floats(1, 100), min_size=1))
def test_a_straight_line_is_met(base: float, slope: float, sizes: list[float]) -> None:
    curve = Curve()
    for size in (1.0, 7.0, 100.0):
        curve.add(size, base + slope * size)
    assert curve.total(sizes) == pytest.approx(sum(base + slope * size for size in sizes))


def test_points_of_one_size_count_as_their_mean() -> None:
    curve = Curve()
    assert curve.total([1.0]) == 0.0
    curve.add(0.0, 1.0)
    curve.add(0.0, 3.0)
    assert curve.total([0.0, 5.0]) == 4.0
    assert curve.total([]) == 0.0
