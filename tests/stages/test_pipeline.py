"""The flow end to end, on real programs: interrupted, repeated, stage by stage, with exact numbers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.data.load import load_dataset
from pie_bench.run.files import read_jsonl
from pie_bench.run.results import Results

pytestmark = pytest.mark.slow
CHEAP = ("--pairs", "m006_quilt_streams-m006_quilt_chars,m008_laps_stream-m008_laps_c")


def run(directory: Path, *options: str, model: str = "reference", task: str = "pie_instruct") -> Results:
    arguments = ["run", "--task", task, "--model", model, "--samples", "1", "--run-dir", str(directory)]
    assert main([*arguments, *options]) == 0
    return Results.model_validate_json((directory / "results.json").read_text())


def test_the_human_reference_on_all_of_mini(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = run(tmp_path / "run")
    assert (results.n_pairs, results.unusable_pairs, results.infra_errors) == (10, (), 0)
    assert results.metrics["percent_correct"] == {"best@1": 100.0, "first@1": 100.0}
    assert results.metrics["percent_optimized"] == {"best@1": 100.0, "first@1": 100.0}
    assert results.metrics == results.human_reference
    speedups = [pair.source.seconds / pair.samples[0].seconds for pair in results.pairs]  # type: ignore[operator]
    assert results.metrics["speedup"]["best@1"] == pytest.approx(sum(speedups) / 10)
    assert min(speedups) >= 1.25, "every pair of mini is worth learning from"
    assert results.startup["model"].by_startup_alone == (), "work decides, not start-up"
    for pair in results.pairs:
        source, target = pair.source, pair.samples[0]
        work = [s.seconds - s.startup_seconds for s in (source, target)]  # type: ignore[operator]
        assert work[0] >= 1.25 * work[1], f"{pair.pair_id}: start-up decides its speedup, not the work"
    assert "best@1" in capsys.readouterr().out


def test_the_source_itself_scores_exactly_one(cache: Path, tmp_path: Path) -> None:
    results = run(tmp_path / "run", "--limit", "4", model="identity")
    assert results.metrics["percent_correct"] == {"best@1": 100.0, "first@1": 100.0}
    assert results.metrics["percent_optimized"] == {"best@1": 0.0, "first@1": 0.0}
    assert results.metrics["speedup"] == {"best@1": 1.0, "first@1": 1.0}
    assert results.metrics_without_startup["speedup"] == {"best@1": 1.0, "first@1": 1.0}


def test_the_same_run_twice_and_measured_anew_gives_the_same_bytes(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "one", *CHEAP)
    monkeypatch.setenv("PIE_BENCH_CACHE", str(tmp_path / "another cache"))
    # Busy: as many programs at once as tests, on however few cores there are.
    run(tmp_path / "two", *CHEAP, "--workers", "6")
    assert (tmp_path / "one" / "results.json").read_bytes() == (tmp_path / "two" / "results.json").read_bytes()
    run(tmp_path / "two", *CHEAP)
    assert (tmp_path / "one" / "results.json").read_bytes() == (tmp_path / "two" / "results.json").read_bytes()


def test_stage_by_stage_is_the_same_as_all_at_once(
    cache: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "one", "--dataset", str(tiny))
    monkeypatch.setenv("PIE_BENCH_CACHE", str(tmp_path / "another cache"))
    directory = tmp_path / "two"
    options = ["--task", "pie_instruct", "--model", "reference", "--samples", "1", "--dataset", str(tiny)]
    assert main(["generate", *options, "--run-dir", str(directory)]) == 0
    assert len(read_jsonl(directory / "generations.jsonl")) == 2
    assert not (directory / "verdicts.jsonl").exists()
    assert main(["score", str(directory)]) == 2
    assert "6 of 6 programs have no verdict yet" in capsys.readouterr().err
    assert main(["execute", str(directory)]) == 0
    used = cpu_seconds(directory)
    assert used is not None
    assert 6 * 0.1 < used < 600, "six programs were compiled"
    assert main(["score", str(directory)]) == 0
    assert (directory / "results.json").read_bytes() == (tmp_path / "one" / "results.json").read_bytes()


def cpu_seconds(directory: Path) -> float | None:
    return json.loads((directory / "manifest.json").read_text())["cpu_seconds"]


def test_cpu_time_adds_up_over_commands_and_is_not_guessed(
    cache: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, one = tmp_path / "run", ("--dataset", str(tiny), "--limit", "1")
    monkeypatch.setenv("PIE_BENCH_CACHE", str(tmp_path / "a cache"))
    run(directory, *one)
    first = cpu_seconds(directory)
    assert first
    verdicts = (directory / "verdicts.jsonl").read_bytes().splitlines(keepends=True)
    (directory / "verdicts.jsonl").write_bytes(verdicts[0])
    monkeypatch.setenv("PIE_BENCH_CACHE", str(tmp_path / "another cache"))
    run(directory, *one)
    assert cpu_seconds(directory) > first + 0.2, "two programs were compiled again"  # type: ignore[operator]
    manifest = json.loads((directory / "manifest.json").read_text())
    del manifest["cpu_seconds"]  # as in runs begun before it was recorded
    (directory / "manifest.json").write_text(json.dumps(manifest))
    (directory / "verdicts.jsonl").write_bytes(verdicts[0])
    run(directory, *one)
    assert cpu_seconds(directory) is None


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


# Its last answer comes only once the file `go` exists: until then no run that it answers can finish.
LATE = """
import time
from pathlib import Path
import pie_bench

go = Path(__file__).with_name("go")

class Model:
    def generate(self, requests):
        for request in requests:
            while request.pair_id == {last!r} and not go.exists():
                time.sleep(0.01)
            yield pie_bench.Completion(request.pair_id, 0, {answers!r}[request.pair_id], "stop")
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_at_any_moment_it_continues_and_repeats_nothing(
    cache: Path, tiny: Path, tmp_path: Path, how: signal.Signals, pytestconfig: pytest.Config
) -> None:
    pairs = load_dataset(tiny).pairs
    answers = {pair.pair_id: f"```cpp\n{pair.tgt_code}```\n" for pair in pairs}
    (tmp_path / "late.py").write_text(LATE.format(last=pairs[-1].pair_id, answers=answers))
    directory = tmp_path / "killed"
    options = ["--task", "pie_instruct", "--model", "late:Model", "--dataset", str(tiny), "--samples", "1"]
    command = [sys.executable, str(pytestconfig.rootpath / "harness.py"), *options, "--run-dir"]
    # A cache of its own: everything is measured, so there is something to interrupt.
    environment = os.environ | {"PIE_BENCH_CACHE": str(tmp_path / "cache")}
    for lines in (1, 3):
        process = subprocess.Popen(
            [*command, str(directory)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
        )
        deadline = time.monotonic() + 120
        while _lines(directory / "verdicts.jsonl") < lines and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
        if how == signal.SIGINT:
            assert process.returncode == 130
            assert said.decode().endswith("stopped; rerun the same command to continue\n")
    before = read_jsonl(directory / "verdicts.jsonl")
    assert 3 <= len(before) < 6
    generated = (directory / "generations.jsonl").read_bytes()
    (tmp_path / "go").touch()
    done = subprocess.run([*command, str(directory)], env=environment, capture_output=True, cwd=tmp_path, check=True)
    assert b"best@1" in done.stdout
    after = read_jsonl(directory / "verdicts.jsonl")
    assert after[: len(before)] == before
    assert len({(r["pair_id"], r["role"], r["sample_index"]) for r in after}) == len(after) == 6
    assert (directory / "generations.jsonl").read_bytes().startswith(generated)
    subprocess.run([*command, str(tmp_path / "whole")], capture_output=True, cwd=tmp_path, check=True)
    assert (directory / "results.json").read_bytes() == (tmp_path / "whole" / "results.json").read_bytes()


def test_answers_of_every_kind_and_a_broken_record_at_the_end(cache: Path, tmp_path: Path, mini) -> None:
    first, second = mini.pairs[:2]
    answers = [
        (first, 0, "I cannot help with that.", "stop"),
        (first, 1, f"Here:\n```cpp\n{first.tgt_code}\n```\nIt is faster.", "stop"),
        (second, 0, "```cpp\nint main() { return 0; }\n```", "stop"),
        (second, 1, "```cpp\n#include <cstdio>\nint main() { for (int i", "length"),
    ]
    recorded = tmp_path / "answers.jsonl"
    with recorded.open("w") as file:
        for pair, index, text, reason in answers:
            record = {"pair_id": pair.pair_id, "sample_index": index, "text": text, "finish_reason": reason}
            file.write(json.dumps(record) + "\n")
    results = run(tmp_path / "run", "--limit", "2", "--samples", "2", model=f"replay:{recorded}")
    assert results.outcomes == {"no_code": 1, "ok": 1, "truncated": 1, "wrong_output": 1}
    assert results.metrics["percent_correct"] == {
        **{"best@1": 25.0, "best@2": 50.0},
        **{"first@1": 0.0, "first@2": 50.0},
    }
    assert results.metrics["speedup"]["first@1"] == 1.0
    assert results.metrics["speedup"]["best@2"] == pytest.approx(
        (1 + results.pairs[0].source.seconds / results.pairs[0].target.seconds) / 2  # type: ignore[operator]
    )
    with (tmp_path / "run" / "verdicts.jsonl").open("ab") as file:
        file.write(b'{"pair_id": "cut of')
    assert run(tmp_path / "run", "--limit", "2", "--samples", "2", model=f"replay:{recorded}") == results


def test_a_run_directory_belongs_to_one_run(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "run"
    run(directory, "--limit", "1")
    options = ["--limit", "1", "--samples", "1", "--run-dir", str(directory)]
    capsys.readouterr()
    assert main(["run", "--task", "pie_instruct", "--model", "identity", *options]) == 2
    assert "holds another run: its model is 'reference', but now 'identity'" in capsys.readouterr().err
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["execution"]["facts"]["compiler"] = "g++ 1.0"
    (directory / "manifest.json").write_text(json.dumps(manifest))
    assert main(["execute", str(directory)]) == 2
    assert "was begun with execution.facts" in capsys.readouterr().err


def test_prompts_that_changed_are_refused(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "run"
    options = f"--task pie_instruct --model reference --samples 1 --limit 2 --run-dir {directory}".split()
    assert main(["generate", *options]) == 0
    path = directory / "generations.jsonl"
    record = json.loads(path.read_text().splitlines()[0])
    path.write_text(json.dumps(record | {"prompt_sha256": "other"}) + "\n")
    assert main(["generate", *options]) == 2
    assert f"pair {record['pair_id']}: its prompt changed" in capsys.readouterr().err


def test_our_failures_are_in_no_metric_and_done_again(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "run"
    expected = run(directory, "--limit", "2")
    verdicts = read_jsonl(directory / "verdicts.jsonl")
    failed = next(v for v in verdicts if v["role"] == "candidate") | {"outcome": "infra_error"}
    failed |= {"runtime_seconds": None, "startup_seconds": None}
    with (directory / "verdicts.jsonl").open("a") as file:
        file.write(json.dumps(failed) + "\n")
    assert main(["score", str(directory)]) == 1
    assert "1 executions failed on our side" in capsys.readouterr().out
    results = Results.model_validate_json((directory / "results.json").read_text())
    assert results.metrics["speedup"] == {"best@1": None, "first@1": None}, (
        "a pair without a usable sample: no number, not a wrong one"
    )
    assert main(["leaderboard", "submit", str(directory), "--submitter", "x"]) == 2
    assert "executions failed on our side" in capsys.readouterr().err
    assert run(directory, "--limit", "2") == expected


def test_a_failure_ends_a_run_that_waits_for_an_answer(
    pinned_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reported as soon as the first verdict cannot be stored, not when the model answers."""
    directory = tmp_path / "run"
    monkeypatch.setenv("PIE_BENCH_CACHE", str(tmp_path / "a cache"))  # no verdict is there before the model is asked
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "never_answers.py").write_text(
        "import threading\n"
        "from contextlib import suppress\n"
        "from pathlib import Path\n"
        "given_up = threading.Event()\n"
        "class Model:\n"
        "    def generate(self, requests):\n"
        f"        verdicts = Path({str(directory)!r}, 'verdicts.jsonl')\n"
        "        while not verdicts.is_dir():  # the first verdicts may be there already\n"
        "            verdicts.unlink(missing_ok=True)\n"
        "            with suppress(FileExistsError):\n"
        "                verdicts.mkdir()\n"
        "        given_up.wait(600)\n"
        "        yield from ()\n"
    )
    began = time.monotonic()
    arguments = ["--task", "pie_instruct", "--limit", "1", "--environment", "skylake"]
    assert main(["run", *arguments, "--model", "never_answers:Model", "--run-dir", str(directory)]) == 2
    assert time.monotonic() - began < 500
    assert f"{directory}/verdicts.jsonl: cannot be written" in capsys.readouterr().err
    sys.modules["never_answers"].given_up.set()


def test_a_pair_whose_source_fails_is_left_out_and_named(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mini, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(mini.folder, data)
    pair = mini.pairs[0]
    for output in (data / "merged_test_cases" / pair.problem_id).glob("output.*"):
        output.write_text("not what it prints\n")
    monkeypatch.setenv("PIE_DATA_DIR", str(data))
    results = run(tmp_path / "run", "--dataset", "pie", "--limit", "3")
    left_out = [p.pair_id for p in mini.pairs[:3] if p.problem_id == pair.problem_id]
    assert list(results.unusable_pairs) == sorted(left_out)
    assert results.n_pairs == 3 - len(left_out)
    assert results.metrics["percent_correct"] == {"best@1": 100.0, "first@1": 100.0}
    assert f"{len(left_out)} pairs are left out because their source program fails" in capsys.readouterr().out


def test_retrieval_with_the_embedded_encoder(cache: Path, tmp_path: Path) -> None:
    results = run(tmp_path / "run", "--limit", "1", task="pie_retrieval_k2")
    assert results.task == "pie_retrieval_k2"
    assert results.examples["encoder"] == "tfidf"
    assert results.examples["k"] == 2


@pytest.mark.pie_data
@pytest.mark.skipif(not os.environ.get("PIE_DATA_DIR"), reason="PIE_DATA_DIR is not set")
def test_a_published_pair_takes_the_time_that_gem5_gave_it(cache: Path, tmp_path: Path) -> None:
    results = run(tmp_path / "run", "--dataset", "pie", "--limit", "1")
    (pair,) = results.pairs
    assert pair.recorded_source_seconds is not None
    assert pair.recorded_target_seconds is not None
    assert pair.source.seconds == pytest.approx(pair.recorded_source_seconds, rel=0.03)
    assert pair.target.seconds == pytest.approx(pair.recorded_target_seconds, rel=0.03)


def test_a_models_own_thinking_tags_and_hidden_reasoning_are_read_end_to_end(cache: Path, tmp_path: Path) -> None:
    pair = load_dataset("mini", "test").pairs[0]
    drafted = f"<<T>>\nA draft:\n```cpp\nint main() {{ return 1; }}\n```\n<</T>>\n```cpp\n{pair.tgt_code}```\n"
    answers = [(drafted, "stop"), ("<<T>>\n```cpp\nint main() { return 1; }\n```\n", "stop"), ("", "MAX_TOKENS")]
    recorded = tmp_path / "answers.jsonl"
    lines = [
        {"pair_id": pair.pair_id, "sample_index": index, "text": text, "finish_reason": reason}
        for index, (text, reason) in enumerate(answers)
    ]
    recorded.write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = [
        "--limit",
        "1",
        "--samples",
        "3",
        "--environment",
        "skylake",
        "--model-args",
        "reasoning=<<T>>…<</T>>",
    ]
    run(tmp_path / "run", *options, model=f"replay:{recorded}")
    verdicts = {
        verdict["sample_index"]: verdict
        for verdict in read_jsonl(tmp_path / "run" / "verdicts.jsonl")
        if verdict["role"] == "candidate"
    }
    assert [verdicts[index]["outcome"] for index in range(3)] == ["ok", "truncated", "truncated"]
    assert verdicts[0]["reading"]["passed_over"] == ["thinking in <<T>>"]
    assert verdicts[1]["reading"]["rule"] == "thinking that never ends"
    assert "all tokens were spent on hidden reasoning" in verdicts[2]["reading"]["rule"]
