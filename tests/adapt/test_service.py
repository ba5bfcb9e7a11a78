"""A fine-tuning service, with failures at every state and kills at every moment: one job, one payment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pie_bench.adapt.chat import export_chat
from pie_bench.adapt.lessons import load_material, load_task_of
from pie_bench.adapt.recipe import load_adapt_recipe
from pie_bench.adapt.service import Job, fine_tune
from pie_bench.cli.main import main
from pie_bench.errors import PieBenchError, UserError
from pie_bench.models.openai import OpenAIEntry
from pie_bench.prompting.build import PromptBuilder
from tests.adapt.conftest import row, write_rows
from tests.adapt.service_server import Script, Service, serving


@pytest.fixture
def dozen(tmp_path: Path) -> Path:
    folder = tmp_path / "dozen"
    write_rows(folder / "train.jsonl", [row(number) for number in range(12)])
    write_rows(folder / "val.jsonl", [row(20)])
    write_rows(folder / "test.jsonl", [row(30)])
    return folder


def command(server: Service, dozen: Path, out: Path, *more: str) -> list[str]:
    url = f"base_url={server.url}"
    quick = ["--model-args", url, "backoff_seconds=0.01", "max_wait_seconds=2", "--poll", "0.01"]
    return ["adapt", "train", "chat", "--provider", "openai", "--model", "gpt-x", "--dataset", str(dozen)] + [
        *("--out", str(out)),
        *quick,
        *more,
    ]


def record(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "pie_bench.json").read_text())
    return found


def test_a_file_holds_the_prompts_that_evaluate_and_the_answers(dozen: Path, tmp_path: Path) -> None:
    recipe = load_adapt_recipe("chat")
    task, material = load_task_of(recipe), load_material(recipe, str(dozen))
    files = export_chat(recipe, task, material, tmp_path / "out", tmp_path)
    rows = [json.loads(line) for line in files.train.read_text().splitlines()]
    assert len(rows) == files.rows == 12
    shown = PromptBuilder(task, [], tmp_path).build(material.train[0])
    assert rows[0]["messages"] == [
        {"role": "system", "content": "You are a helpful assistant that can optimize code."},
        {"role": "user", "content": shown.messages[-1].content},
        {"role": "assistant", "content": material.train[0].tgt_code},
    ]
    again = export_chat(recipe, task, material, tmp_path / "again", tmp_path)
    assert again.sha256 == files.sha256
    assert files.usd(2, 10.0) == pytest.approx(files.tokens * 2e-5)


def test_too_few_rows_are_refused_before_anything_is_sent(pairs: Path, tmp_path: Path) -> None:
    recipe = load_adapt_recipe("chat")
    with pytest.raises(UserError, match="8 rows are left; services require at least 10"):
        export_chat(recipe, load_task_of(recipe), load_material(recipe, str(pairs)), tmp_path, tmp_path)


def test_a_job_succeeds_and_the_same_command_pays_for_no_other(
    dozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as server:
        for _ in range(2):
            assert main(command(server, dozen, tmp_path / "out", "--price", "8")) == 0
        said = capsys.readouterr()
        assert len(server.jobs) == 1
        assert len(server.files) == 2
        job = server.jobs[0]
        assert (job["model"], job["training_file"], job["validation_file"]) == ("gpt-x", "file-1", "file-2")
        assert job["method"]["supervised"]["hyperparameters"] == {"n_epochs": 1}
        assert server.contents["file-1"] == (tmp_path / "out" / "train.jsonl").read_bytes()
    assert "model: ft:gpt-x:1" in said.out
    assert "--task pie_finetuned_chat --model openai:ft:gpt-x:1" in said.out
    assert "trained tokens: 4,321, $0.03" in said.out
    assert "job ftjob-1: running" in said.err
    assert record(tmp_path / "out")["trained_tokens"] == 4321
    assert (tmp_path / "out" / "results-0.csv").read_text() == "step,train_loss\n1,2.5\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (Script(statuses=("validating_files", "failed")), "job ftjob-1 failed: the file is no good"),
        (Script(statuses=("queued", "running", "cancelled")), "job ftjob-1 was cancelled"),
        (Script(names_model=False), "job ftjob-1 succeeded without naming a model"),
    ],
)
def test_a_job_that_ends_badly_says_why_and_no_other_is_paid_for(
    script: Script, said: str, dozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(script) as server:
        for _ in range(2):
            assert main(command(server, dozen, tmp_path / "out")) == 1
            assert said in capsys.readouterr().err
        assert len(server.jobs) == 1
    assert not (tmp_path / "out" / "pie_bench.json").exists()


def test_pauses_and_unknown_states_are_waited_out(
    dozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Script(statuses=("queued", "pausing", "paused", "polishing", "running", "succeeded"))) as server:
        assert main(command(server, dozen, tmp_path / "out")) == 0
    said = capsys.readouterr().err
    assert "paused; resume it at the service to continue" in said
    assert "polishing; unknown status: waiting" in said


# The requests of an undisturbed training: each of two files listed and sent (1 to 4), the job created (5), four looks
# at it (6 to 9), its results (10).
REQUESTS = 10
MOMENTS = [(2, "kill"), (2, "killed after"), (4, "kill"), (4, "killed after"), (5, "kill"), (5, "killed after")] + [
    *((6, "kill"), (7, "killed after"), (9, "killed after"), (10, "kill"))
]


@pytest.mark.parametrize("fault", ["500", "429", "503", "cut"])
def test_a_fault_at_any_request_costs_no_second_job(fault: str, dozen: Path, tmp_path: Path) -> None:
    for moment in range(1, REQUESTS + 1):
        with serving(Script(faults={moment: fault})) as server:
            assert main(command(server, dozen, tmp_path / f"out{moment}")) == 0, moment
            assert len(server.jobs) == 1, moment
            assert len(server.files) == 2, moment


@pytest.mark.slow
@pytest.mark.parametrize(("request_number", "fault"), MOMENTS)
def test_a_kill_at_any_moment_costs_no_second_job(request_number: int, fault: str, dozen: Path, tmp_path: Path) -> None:
    """Before the service has done what it was asked, and after."""
    script = Script(faults={request_number: fault})
    with serving(script) as server:
        line = [sys.executable, "-m", "pie_bench.cli", *command(server, dozen, tmp_path / "out")]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        script.victim = process.pid
        process.communicate(timeout=300)
        assert process.returncode == -9
        assert main(command(server, dozen, tmp_path / "out")) == 0
        assert len(server.jobs) == 1
        assert len(server.files) == 2
    assert record(tmp_path / "out")["model"] == "ft:gpt-x:1"


def test_services_without_metadata_are_asked_by_the_file(dozen: Path, tmp_path: Path) -> None:
    with serving(Script(metadata=False, faults={5: "cut"})) as server:
        assert main(command(server, dozen, tmp_path / "out")) == 0
        assert len(server.jobs) == 1


def test_where_nobody_knows_whether_a_job_exists_the_user_is_asked(
    dozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Script(lists=False, faults={5: "cut"})) as server:
        assert main(command(server, dozen, tmp_path / "out")) == 2
        assert "adopt it with --job ID" in capsys.readouterr().err
        assert main(command(server, dozen, tmp_path / "out", "--job", "ftjob-1")) == 0
        assert len(server.jobs) == 1


def test_another_folder_is_another_job(dozen: Path, tmp_path: Path) -> None:
    with serving() as server:
        for name in ("one", "two"):
            assert main(command(server, dozen, tmp_path / name)) == 0
        assert len(server.jobs) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("401", "requires a key"),
        ("402", "no credit left"),
        ("403", "not permitted"),
        ("400", "refuses the request"),
    ],
)
def test_what_the_user_must_fix_is_one_line(
    fault: str,
    said: str,
    dozen: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving(Script(faults={5: fault})) as server:
        assert main(command(server, dozen, tmp_path / "out")) == 2
        assert said in capsys.readouterr().err
        assert server.jobs == []
        assert main(command(server, dozen, tmp_path / "out")) == 0
        assert len(server.jobs) == 1


def test_more_than_the_limit_is_not_sent(dozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as server:
        assert main(command(server, dozen, tmp_path / "out", "--price", "1000", "--max-cost", "0.1")) == 2
        assert "nothing was sent" in capsys.readouterr().err
        assert main(command(server, dozen, tmp_path / "out", "--max-cost", "0.1")) == 2
        assert "give it with --price" in capsys.readouterr().err
        assert server.requests == []


def test_a_folder_refuses_another_training(dozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as server:
        assert main(command(server, dozen, tmp_path / "out")) == 0
        write_rows(dozen / "train.jsonl", [row(number) for number in range(13)])
        assert main(command(server, dozen, tmp_path / "out")) == 2
        assert "(files.train.jsonl changed)" in capsys.readouterr().err
        assert len(server.jobs) == 1


def test_a_job_that_has_vanished_is_named(dozen: Path, tmp_path: Path) -> None:
    recipe = load_adapt_recipe("chat")
    material = load_material(recipe, str(dozen))
    files = export_chat(recipe, load_task_of(recipe), material, tmp_path, tmp_path)
    with serving() as server:
        entry = OpenAIEntry(adapter="openai", id="gpt-x", base_url=server.url)
        with pytest.raises(PieBenchError, match="knows no job ftjob-9"):
            fine_tune(entry, Job(1, 0, "s", 0.01, take_up="ftjob-9"), files, tmp_path, {})
