"""Problems whose tests are weak, marked in a run's results, table and page."""

import json
import shutil
from pathlib import Path

import pytest

from pie_bench import api
from pie_bench.cli.main import main
from pie_bench.data.mutants import Mutant, MutantSet, ProblemMutants, mutants_path, write_mutants
from pie_bench.data.spec import load_spec
from pie_bench.report.page_data import page_data
from pie_bench.report.table import honesty
from pie_bench.run.files import read_jsonl, write_json, write_jsonl
from pie_bench.run.run import Run
from pie_bench.stages.finished import FinishedRun
from pie_bench.stages.plan import Shard


def mutants_of(run: FinishedRun, found: dict[str, int], **changes: str) -> MutantSet:
    """Ten mutants of each problem, of which the tests find the given number."""
    pairs = run.plan.dataset.by_problem(list(found))
    problems = {}
    for name, killed in found.items():
        mutants = tuple(
            Mutant(kind="bound", line=1, change="0 → 1", program_sha256="0" * 64, found_by=by)
            for by in [("tests",)] * killed + [()] * (10 - killed)
        )
        known = {"made_from": run.plan.dataset.sum_of(pairs[name]), "pair": pairs[name][0].pair_id} | changes
        problems[name] = ProblemMutants(
            **known, environment_id="e", stress_sha256=None, has=("tests",), mutants=mutants
        )
    return MutantSet(dataset=run.plan.dataset.name, split="test", problems=problems)


@pytest.fixture
def run(run_a: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FinishedRun:
    monkeypatch.setenv("PIE_BENCH_CACHE", str(tmp_path / "cache"))
    return FinishedRun(shutil.copytree(run_a.path, tmp_path / "run"))


@pytest.fixture
def rated(run: FinishedRun) -> FinishedRun:
    """Scored again with two of its problems rated, the first as weak."""
    strong, weak = sorted({pair.problem_id for pair in run.plan.pairs})[:2]
    path = mutants_path(load_spec(run.plan.dataset_name), "test")
    write_mutants(path, mutants_of(run, {strong: 8, weak: 7}))
    return api.score(run.path)


def test_weak_problems_are_marked_everywhere(run: FinishedRun, rated: FinishedRun) -> None:
    results = rated.results
    assert run.read_results().kill_rates is not None and results.kill_rates is not None
    (weak,) = results.kill_rates.weak
    assert len(results.kill_rates.problems) == 2
    for of in ("model", "human"):
        found = results.honesty[of]  # type: ignore[index]
        assert found.weak_problems == (weak,)
        assert 0 <= (found.optimized_in_weak or 0) <= found.optimized
    assert results.honesty["human"].speedup_without_weak != results.honesty["human"].speedup
    (line,) = (line for line in honesty(results) if line.startswith("weak tests"))
    assert f"less than 80 % of mutants): {weak} (7 of 10); 1 of 2 problems rated" in line
    pairs = page_data([rated], [{}], [{}])["pairs"]
    assert {pair["problem"] for pair in pairs if pair["runs"][0]["weak"] == "7 of 10"} == {weak}
    assert {pair["runs"][0]["weak"] for pair in pairs if pair["problem"] != weak} == {None}


def test_nothing_else_changes_and_known_rates_stay(run_a: FinishedRun, rated: FinishedRun, tmp_path: Path) -> None:
    before, after = (json.loads(each.results_path.read_text()) for each in (run_a, rated))
    assert before["kill_rates"] is None and before["honesty"]["model"]["weak_problems"] is None
    for of in ("model", "human"):
        for name in ("weak_problems", "optimized_in_weak", "speedup_without_weak"):
            del before["honesty"][of][name], after["honesty"][of][name]
    del before["kill_rates"], after["kill_rates"]
    assert before == after
    known = rated.results_path.read_bytes()
    shutil.rmtree(tmp_path / "cache" / "mutants")
    assert api.score(rated.path).results_path.read_bytes() == known, "where it is scored again does not matter"


def test_mutants_of_other_programs_or_tests_say_nothing(run: FinishedRun) -> None:
    problem = min(pair.problem_id for pair in run.plan.pairs)
    path = mutants_path(load_spec(run.plan.dataset_name), "test")
    write_mutants(path, mutants_of(run, {problem: 1}, made_from="1" * 64))
    assert api.score(run.path).results.kill_rates is None


def test_a_merged_run_knows_what_its_parts_knew(rated: FinishedRun, tmp_path: Path) -> None:
    parts = []
    for index in (1, 2):
        part = Run(tmp_path / str(index))
        kept = {pair.pair_id for pair in Shard(index, 2).of_dataset(rated.plan.dataset, rated.plan.pairs)}
        for name in ("generations.jsonl", "verdicts.jsonl"):
            write_jsonl(part.path / name, (line for line in read_jsonl(rated.path / name) if line["pair_id"] in kept))
        manifest = json.loads(rated.manifest_path.read_text())
        manifest["settings"]["shard"] = f"{index}/2"
        if index == 1:  # made where nothing was known
            del manifest["kill_rates"]
        write_json(part.manifest_path, manifest)
        parts.append(part.path)
    assert main(["merge", *map(str, parts), "--out", str(tmp_path / "all")]) == 0
    assert (tmp_path / "all" / "results.json").read_bytes() == rated.results_path.read_bytes()
