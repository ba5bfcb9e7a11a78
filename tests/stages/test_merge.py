"""Merged shards are the run that they are parts of."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench import api
from pie_bench.cli.main import main
from pie_bench.data.load import PairDataset
from pie_bench.errors import UserError
from pie_bench.run.files import read_jsonl, write_json, write_jsonl
from pie_bench.run.guard import GuardFinding
from pie_bench.run.run import Run
from pie_bench.stages.finished import FinishedRun
from pie_bench.stages.plan import Shard
from pie_bench.stages.score import score

OPTIONS = "run --task pie_instruct --model reference --dataset mini --limit 2 --samples 1".split()


def test_the_results_of_shards_merged_are_byte_for_byte_those_of_a_single_run(
    cache: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*OPTIONS, "--dataset", str(tiny)]
    assert main([*options, "--run-dir", str(tmp_path / "single")]) == 0
    shards = [tmp_path / "1", tmp_path / "2"]
    for index, folder in enumerate(shards, start=1):
        assert main([*options, "--shard", f"{index}/2", "--run-dir", str(folder)]) == 0
    assert main(["merge", *map(str, reversed(shards)), "--out", str(tmp_path / "all")]) == 0
    assert (tmp_path / "all" / "results.json").read_bytes() == (tmp_path / "single" / "results.json").read_bytes()
    manifest = Run(tmp_path / "all").read_manifest()
    assert [part["shard"] for part in manifest.merged] == ["2/2", "1/2"]
    assert manifest.cpu_seconds == pytest.approx(sum(part["cpu_seconds"] for part in manifest.merged))
    capsys.readouterr()
    # It is a run like any other: the same command resumes it, and has nothing left to do.
    verdicts = (tmp_path / "all" / "verdicts.jsonl").read_bytes()
    assert main([*options, "--run-dir", str(tmp_path / "all")]) == 0
    assert (tmp_path / "all" / "verdicts.jsonl").read_bytes() == verdicts
    assert main([*options, "--shard", "1/2", "--run-dir", str(tmp_path / "2")]) == 2
    assert "holds more than is requested (pair added" in capsys.readouterr().err


def test_a_shard_has_a_folder_of_its_own(cache: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*OPTIONS, "--shard", "2/2", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("--shard-2-of-2")


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "1/2/3", "-1/2", ""])
def test_a_run_that_is_not_a_shard_is_reported(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*OPTIONS, f"--shard={text}"]) == 2
    assert capsys.readouterr().err == f"pie-bench: --shard {text}: expected I/N with I from 1 to N, e.g. 3/16\n"


def test_a_shard_without_pairs_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    codes = [main([*OPTIONS, "--shard", f"{index}/500", "--dry-run"]) for index in (400, 500)]
    assert codes == [2, 2]
    assert "--shard 400/500: none of the 2 pairs is in it; use fewer shards" in capsys.readouterr().err


@given(count=st.integers(1, 40), limit=st.integers(1, 40))
def test_every_pair_is_in_one_shard_whatever_else_is_asked_for(mini: PairDataset, count: int, limit: int) -> None:
    shards = [Shard(index, count).of_dataset(mini, mini.pairs) for index in range(1, count + 1)]
    assert sorted(pair.pair_id for shard in shards for pair in shard) == sorted(pair.pair_id for pair in mini.pairs)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    for index, shard in enumerate(shards, start=1):
        few = Shard(index, count).of_dataset(mini, mini.chosen(limit=limit))
        assert [pair for pair in shard if pair in mini.chosen(limit=limit)] == list(few)


def shard_of(run: FinishedRun, index: int, count: int, folder: Path) -> Path:
    """A part of a made-up run, as `--shard` would have made it."""
    kept = {pair.pair_id for pair in Shard(index, count).of_dataset(run.plan.dataset, run.plan.pairs)}
    for path in (run.generations_path, run.verdicts_path, run.guards_path):
        if path.exists():
            write_jsonl(folder / path.name, (line for line in read_jsonl(path) if line["pair_id"] in kept))
    change(folder, run.manifest_path, lambda manifest: manifest["settings"].update(shard=f"{index}/{count}"))
    return folder


def change(folder: Path, manifest_path: Path, how: Callable[[dict], object]) -> None:
    manifest = json.loads(manifest_path.read_text())
    how(manifest)
    write_json(folder / "manifest.json", manifest)


@pytest.fixture
def shards(run_a: FinishedRun, tmp_path: Path) -> list[Path]:
    return [shard_of(run_a, index, 3, tmp_path / f"s{index}") for index in (1, 2, 3)]


@pytest.mark.parametrize("count", [2, 7])
def test_any_number_of_shards_in_any_order_makes_the_same_results(
    run_a: FinishedRun, tmp_path: Path, count: int
) -> None:
    parts = [shard_of(run_a, index, count, tmp_path / str(index)) for index in range(count, 0, -1)]
    api.merge(parts, tmp_path / "all")
    assert (tmp_path / "all" / "results.json").read_bytes() == run_a.results_path.read_bytes()


def test_findings_of_the_guards_are_merged_too(run_a: FinishedRun, tmp_path: Path) -> None:
    whole = Run(tmp_path / "whole")
    shutil.copytree(run_a.path, whole.path)
    verdicts = [line | {"code_sha256": "c" * 64} for line in read_jsonl(whole.verdicts_path)]
    write_jsonl(whole.verdicts_path, verdicts)
    for (pair_id, role, index), verdict in whole.read_verdicts().items():
        if role == "candidate" and verdict.outcome == "ok":
            said = "signal 11" if index == 1 else None
            finding = GuardFinding(pair_id, index, "c" * 64, 3, verdict.environment_id, guard_input=said)
            whole.append(finding)
    expected = score(run_a.plan, whole)
    assert expected.guards is not None
    parts = [shard_of(FinishedRun(whole.path), index, 4, tmp_path / str(index)) for index in range(1, 5)]
    assert api.merge(parts, tmp_path / "all").results == expected


def test_changes_to_prompts_are_known_for_all_shards(shards: list[Path], tmp_path: Path) -> None:
    for number, folder in enumerate(shards):
        cut = {"source_characters_cut": {f"pair {number}": number}} if number else {}
        examples = {"strategy": "none", **cut}
        change(
            folder, folder / "manifest.json", lambda it, examples=examples: it["generation"].update(examples=examples)
        )
    merged = api.merge(shards, tmp_path / "all").results
    assert merged.examples == {"strategy": "none", "source_characters_cut": {"pair 1": 1, "pair 2": 2}}


def test_runs_over_other_pairs_are_merged_too(run_a: FinishedRun, shards: list[Path], tmp_path: Path) -> None:
    ids = [pair.pair_id for pair in run_a.plan.pairs]
    for folder, pairs in zip(shards, (ids[:12], ids[10:20]), strict=False):
        for path in (run_a.generations_path, run_a.verdicts_path):
            write_jsonl(folder / path.name, (line for line in read_jsonl(path) if line["pair_id"] in pairs))
        change(folder, run_a.manifest_path, lambda manifest, pairs=pairs: manifest["settings"].update(pairs=pairs))
    merged = api.merge(shards[:2], tmp_path / "all")
    assert [pair.pair_id for pair in merged.results.pairs] == sorted(ids[:20])
    assert merged.plan.settings.pairs == tuple(ids[:20])


def test_all_mistakes_are_reported_before_anything_is_written(
    run_a: FinishedRun,
    shards: list[Path],
    tmp_path: Path,
) -> None:
    def refused(folders: list[Path], says: str) -> None:
        with pytest.raises(UserError, match=says) as error:
            api.merge(folders, tmp_path / "all")
        assert "\n" not in str(error.value)
        assert not (tmp_path / "all").exists()

    def changed(how: Callable[[dict], object]) -> Path:
        folder = tmp_path / "changed"
        shutil.copytree(shards[1], folder, dirs_exist_ok=True)
        change(folder, shards[1] / "manifest.json", how)
        return folder

    one, two, three = shards
    refused([one], "give at least two runs")
    refused([one, three], r"missing: shard 2/3, with 10 of 30 pairs; give all shards")
    refused([one, two, two, three], "shard 2/3 is given twice: .*s2 and .*s2")
    refused([one, two, tmp_path / "nowhere"], "nowhere: not a run directory")
    refused([one, two, run_a.path], "a: not a shard, unlike the others")
    other = changed(lambda manifest: manifest["settings"].update(samples=2))
    refused([one, other, three], "its samples is 2, but that of .*s1 is 4; only parts of one run")
    other = changed(lambda manifest: manifest["execution"].update(environment_id="1" * 64))
    refused([one, other, three], "its execution.environment_id is '1111")
    other = changed(lambda manifest: manifest["generation"].update(model_resolved="another"))
    refused([one, other, three], "its model_resolved is 'another'")
    other = changed(lambda manifest: manifest["versions"].update(pie_bench="0.0.1"))
    refused([one, other, three], "its version of pie_bench is '0.0.1'")
    other = changed(lambda manifest: manifest["identity"].update(dataset_fingerprint="x"))
    refused([one, other, three], "holds another run: its dataset_fingerprint is 'x'")
    other = changed(lambda manifest: manifest["settings"].update(limit=29))
    refused([one, other, three], "shard 2/3 with --limit 29, .*s1 with None")
    shard_of(run_a, 2, 4, tmp_path / "of four")
    refused([one, tmp_path / "of four", three], "shards of 3 and of 4; give all shards of one N")
    lines = read_jsonl(two / "verdicts.jsonl")
    write_jsonl(two / "verdicts.jsonl", lines[:-2])
    refused(shards, r"s2: not finished: 2 of 60 verdicts are missing \(the first: pair .*rerun its command")
    write_jsonl(two / "verdicts.jsonl", lines)
    with pytest.raises(UserError, match="already holds a run; give another --out"):
        api.merge(shards, run_a.path)


def test_overlapping_pairs_that_disagree_are_refused(run_a: FinishedRun, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        shutil.copytree(run_a.path, folder)
    api.merge(folders, tmp_path / "all")
    for name, key, says in (
        ("verdicts.jsonl", "runtime_seconds", "a different verdict on source 0"),
        ("generations.jsonl", "text", "a different answer 0"),
    ):
        lines = read_jsonl(folders[1] / name)
        lines[0][key] = {"runtime_seconds": 123.0, "text": "changed"}[key]
        write_jsonl(folders[1] / name, lines)
        with pytest.raises(UserError, match=rf"pair {lines[0]['pair_id']} is in .*one and in .*two, with {says}"):
            api.merge(folders, tmp_path / "other")
        assert not (tmp_path / "other").exists()
