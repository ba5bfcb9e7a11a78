"""Trackers receive a run through their own clients, offline; what is logged is read back from the client's files."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.errors import UserError
from pie_bench.publish import tracking
from pie_bench.publish.tracking import Record, check_tracker, log, record_of
from pie_bench.stages.finished import FinishedRun


@pytest.fixture
def record(run_a: FinishedRun) -> Record:
    return record_of(run_a.results, run_a.read_manifest())


def test_what_is_logged(run_a: FinishedRun, record: Record) -> None:
    results = run_a.results
    assert record.config["environment_id"] == results.environment_id
    assert record.config["model"] == results.model
    assert {k: values["speedup"] for k, values in record.curves.items()} == results.speedup.best_at
    assert record.summary["speedup/best@4"] == results.speedup.best_at[4]
    assert record.summary["speedup/human"] == results.human.speedup.best_at[1]
    assert record.summary["percent_correct/first@1_low"] == results.percent_correct.score(1, "first").low
    assert record.summary["outcomes/ok"] == results.outcomes["ok"]
    assert len(record.answers) == len(results.pairs) * results.n_samples
    again = record_of(run_a.results, run_a.read_manifest())
    assert again.run_id == record.run_id


def test_a_missing_tracker_is_reported_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="unknown tracker 'wandbb'; did you mean wandb"):
        check_tracker("wandbb")
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(UserError, match=r"--log mlflow: .*; install it: pip install 'pie_bench\[mlflow\]'"):
        check_tracker("mlflow")


def test_an_unknown_tracker_ends_a_run_before_it_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--task", "pie_instruct", "--model", "reference", "--run-dir", str(tmp_path / "run")]
    assert main(["run", *options, "--log", "tensorbord"]) == 2
    assert "unknown tracker 'tensorbord'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_client_that_fails_leaves_the_run_whole(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Record) -> None:
        raise RuntimeError("no login\nand more lines")

    monkeypatch.setitem(tracking.TRACKERS, "json", refuse)  # a module that is there
    with pytest.raises(
        UserError, match="^--log json: RuntimeError: no login; the run is complete: rerun the same command"
    ):
        log(record, "json")


def test_mlflow(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (pip install 'pie_bench[mlflow]')")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(tmp_path.as_uri())
    log(record, "mlflow")
    (run,) = mlflow.search_runs(experiment_names=["pie_bench"], output_format="list")
    assert run.data.params["task"] == record.config["task"]
    assert run.data.metrics["speedup/best_at_4"] == record.summary["speedup/best@4"]
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "best_at_k/speedup")
    assert {each.step: each.value for each in history} == {k: v["speedup"] for k, v in record.curves.items()}
    (table,) = tmp_path.rglob("answers.json")
    assert len(json.loads(table.read_text())["data"]) == len(record.answers)


def test_wandb(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed (pip install 'pie_bench[wandb]')")
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_DIR", str(tmp_path)), ("WANDB_SILENT", "true")):
        monkeypatch.setenv(name, value)
    log(record, "wandb")
    (written,) = tmp_path.rglob("*.wandb")
    assert written.name == f"run-{record.run_id}.wandb"
    wanted = [b"best_at_k/speedup", b"speedup/best@4_low", str(record.config["environment_id"]).encode()]
    for _ in range(600):  # wandb's own process writes it, and may still be running
        if all(said in written.read_bytes() for said in wanted):
            break
        time.sleep(0.1)
    assert [said for said in wanted if said not in written.read_bytes()] == []
    (table,) = tmp_path.rglob("*.table.json")
    assert len(json.loads(table.read_text())["data"]) == len(record.answers)


def test_trackio(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))  # read when trackio is imported
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pytest.importorskip("trackio", reason="trackio is not installed (pip install 'pie_bench[trackio]')")
    log(record, "trackio")
    (database,) = tmp_path.rglob("pie_bench*.db")
    data = database.read_bytes()
    assert b"best_at_k/speedup" in data
    assert str(record.config["environment_id"]).encode() in data
