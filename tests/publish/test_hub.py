"""Runs on the Hugging Face Hub, by its own client, against a stand-in server."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pie_bench.cli.main import main
from pie_bench.errors import UserError
from pie_bench.hashing import sha256
from pie_bench.publish.hub import eval_results, run_card
from pie_bench.run.files import write_json
from pie_bench.run.run import Run
from pie_bench.stages.finished import FinishedRun
from pie_bench.stages.plan import plan_of
from pie_bench.stages.score import score
from tests.publish.hub_server import Hub, serving
from tests.report.test_table import RESULTS


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
        yield hub


@pytest.fixture
def fit(run_a: FinishedRun, tmp_path: Path) -> FinishedRun:
    """A made-up run that a leaderboard would accept: as if it had run in a sandbox."""
    run = Run(shutil.copytree(run_a.path, tmp_path / "fit"))
    manifest = run.read_manifest().to_json()
    write_json(run.manifest_path, manifest | {"execution": manifest["execution"] | {"sandbox": "bubblewrap"}})
    score(plan_of(run), run)
    return FinishedRun(run.path)


def test_a_run_and_its_card_go_up(fit: FinishedRun, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(fit.path), "hf:someone/runs"]) == 0
    assert capsys.readouterr().out.startswith(f"pushed: {hub.endpoint}/datasets/someone/runs/tree/main/runs/")
    assert hub.repositories["someone/runs"]["type"] == "dataset"
    assert hub.tokens == {"Bearer hf_" + "x" * 34}
    files = {path: data for (repository, path), data in hub.files.items() if repository == "someone/runs"}
    (folder,) = {path.rpartition("/")[0] for path in files if path != "README.md"}
    assert folder.startswith("runs/")
    sums = dict(reversed(line.split("  ")) for line in files[f"{folder}/SHA256SUMS"].decode().splitlines())
    for name in ("entry.json", "generations.jsonl", "manifest.json", "results.json", "verdicts.jsonl"):
        assert sha256(files[f"{folder}/{name}"]) == sums[name]
    assert json.loads(files[f"{folder}/results.json"])["scores"] == fit.results.model_dump(mode="json")["scores"]
    manifest = json.loads(files[f"{folder}/manifest.json"])
    assert "host" not in manifest and "command" not in manifest
    assert json.loads(files[f"{folder}/entry.json"])["submitter"] == "someone"
    assert files[f"{folder}/README.md"].decode() == run_card(fit.results)
    header = yaml.safe_load(files["README.md"].decode().split("---")[1])
    patterns = [config["data_files"] for config in header["configs"]]
    assert patterns == ["runs/*/generations.jsonl", "runs/*/verdicts.jsonl"]
    before = dict(hub.files)
    assert main(["push", str(fit.path), "hf:someone/runs"]) == 0, "again: the dataset is there already"
    assert hub.files == before


def test_an_error_of_the_hub_is_one_line(fit: FinishedRun, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.refuse = 403
    assert main(["push", str(fit.path), "hf:someone/runs"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pie-bench: hf:someone/runs: the hub refused the upload: ")
    assert "HF_TOKEN may write" in line


def test_an_unreachable_hub(
    fit: FinishedRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    assert main(["push", str(fit.path), "hf:someone/runs"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the hub cannot be reached" in line


def test_a_run_that_proves_nothing_stays_here(run_a: FinishedRun, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(run_a.path), "hf:someone/runs"]) == 2
    assert "which proves nothing; run it in a sandbox" in capsys.readouterr().err
    assert hub.repositories == {}


@pytest.mark.parametrize("target", ["someone/runs", "hf:runs", "hf:a/b/c", "hf:"])
def test_where_to_is_checked_first(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", "/no/such/run", target]) == 2
    assert f"{target}: expected hf:OWNER/DATASET" in capsys.readouterr().err


def test_a_card_shows_the_table_and_takes_no_markup_from_outside() -> None:
    card = run_card(RESULTS.model_copy(update={"model_resolved": "<script>|`x`"}))
    assert "| best@1 | 12.5 % (8.5–16.5) | 1.06× (1.01–1.11) | 50.0 % (42.0–58.0) |" in card
    assert "| human | 100.0 % | 3.66× | 100.0 % |" in card
    assert "<script>" not in card
    assert r"\<script\>\|\`x\`" in card


def test_eval_results_are_what_the_hub_reads(run_a: FinishedRun, tmp_path: Path) -> None:
    arguments = ["export", str(run_a.path), "--format", "eval-results", "--out", str(tmp_path)]
    assert main([*arguments, "--benchmark", "someone/pie", "--source-url", "https://example.org/run"]) == 0
    (path,) = (tmp_path / ".eval_results").iterdir()
    entries = yaml.safe_load(path.read_text())
    speedup = run_a.results.speedup.score()
    assert [entry["value"] for entry in entries][1] == speedup.value
    assert entries[1]["dataset"] == {"id": "someone/pie", "task_id": f"{run_a.results.task}.speedup"}
    assert entries[1]["notes"].startswith(f"best@{speedup.k} over ")
    hub = pytest.importorskip("huggingface_hub", reason="comes with datasets")
    if not hasattr(hub, "parse_eval_result_entries"):
        pytest.skip("this huggingface_hub is older than .eval_results")
    read = hub.parse_eval_result_entries(entries)
    assert [entry.value for entry in read] == [entry["value"] for entry in entries]
    assert read[0].source_url == "https://example.org/run"


def test_eval_results_need_a_benchmark(run_a: FinishedRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run_a.path), "--format", "eval-results"]) == 2
    assert "give --benchmark OWNER/DATASET" in capsys.readouterr().err
    with pytest.raises(UserError, match="--benchmark pie: expected OWNER/DATASET"):
        eval_results(RESULTS, "pie", date=None, source_url=None)
