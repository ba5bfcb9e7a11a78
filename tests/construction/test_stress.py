"""The search for stress inputs: it finds those that mini ships, and drops those on which programs disagree."""

from dataclasses import replace
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.construction.stress import chosen_generator, stress_problem, stress_set
from pie_bench.data.generator import Generator
from pie_bench.data.load import PairDataset
from pie_bench.data.spec import load_spec
from pie_bench.data.stress import read_stress, stress_path
from pie_bench.errors import UserError
from pie_bench.execution.executor import Executor
from pie_bench.execution.pool import LocalPool

PROBLEM = "m006"
ECHO = "#include <cstdio>\nint main() { int c; while ((c = getchar()) != EOF) putchar(c); %s}\n"
LETTERS = Generator.model_validate(
    {"problem": "x", "input": [{"line": [{"word": "ab", "length": {"low": 1, "high": 64}}]}]}
)


def test_minis_inputs_are_found_again(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "set.json"
    assert main(["dataset", "stress", "mini", "--problems", PROBLEM, "--out", str(path)]) == 0
    said = capsys.readouterr().out
    assert "1 of 1 pairs have inputs that are mostly work, 1 at least 5; two programs or more agree on" in said
    found, shipped = (read_stress(each, "mini", "test") for each in (path, stress_path(load_spec("mini"), "test")))
    assert found.environment_id == shipped.environment_id, "docs/mini.md says how to make them anew"
    assert found.problems == {PROBLEM: shipped.problems[PROBLEM]}
    assert found.pairs == {name: shipped.pairs[name] for name in shipped.problems[PROBLEM].pairs}
    assert main(["dataset", "stress", "mini", "--out", str(path), "--rebuild"]) == 0
    assert "inputs regenerated, each with the right hash" in capsys.readouterr().out


def test_inputs_on_which_programs_differ_are_dropped_and_counted(executor: Executor, mini: PairDataset) -> None:
    pair = replace(mini.pairs[0], src_code=ECHO % 'puts("a"); ', tgt_code=ECHO % 'puts("b"); ')
    problem, pairs = stress_problem("x", [pair], LETTERS, "hand", executor)
    assert (problem.tried, problem.disagreed, problem.agreed, problem.inputs) == (1, 1, 0, ())
    assert pairs[pair.pair_id].shares == {} and pairs[pair.pair_id].best_share is None


def test_a_single_program_is_no_oracle(executor: Executor, mini: PairDataset) -> None:
    pair = replace(mini.pairs[0], src_code=ECHO % "", tgt_code=ECHO % "return 1; ")
    problem, _ = stress_problem("x", [pair], LETTERS, "hand", executor)
    assert (problem.tried, problem.too_few, problem.inputs) == (1, 1, ())


def test_no_stress_inputs_where_none_is_mostly_work(executor: Executor, mini: PairDataset) -> None:
    pair = replace(mini.pairs[0], src_code=ECHO % "", tgt_code=ECHO % "fflush(stdout); ")
    problem, pairs = stress_problem("x", [pair], LETTERS, "hand", executor)
    found = pairs[pair.pair_id]
    assert problem.inputs == () and found.shares == {} and not found.exercised
    assert found.best_share is not None and 0 < found.best_share < 0.5


def test_a_handwritten_generator_takes_precedence_over_the_tests(tmp_path: Path) -> None:
    inputs = [f"{n}\n{' '.join(['7'] * n)}\n".encode() for n in range(2, 12)]
    assert chosen_generator("q1", inputs, tmp_path)[1] == "tests"
    (tmp_path / "q1.yaml").write_text("problem: q1\ninput: [{line: [{size: {low: 1, high: 9}}]}]\n")
    generator, written_by = chosen_generator("q1", inputs, tmp_path)
    assert written_by == "hand" and generator is not None and generator.is_of_values
    assert chosen_generator("m007", inputs, None)[1] == "hand", "shipped"


def test_an_unknown_problem_is_reported(executor: Executor, mini: PairDataset) -> None:
    with pytest.raises(UserError, match="dataset mini/test: no problem 'm999'"):
        stress_set(mini, executor, LocalPool(1), problems=["m999"])
