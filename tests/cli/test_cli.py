"""The command line: quick to start, exact about mistakes, and nothing left half-written."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

import pie_bench
from pie_bench.cli.main import main


@pytest.mark.parametrize("command", [["harness.py", "--help"], ["-m", "pie_bench.cli", "--help"]])
def test_help_takes_less_than_a_third_of_a_second_of_cpu(command: list[str], pytestconfig: pytest.Config) -> None:
    def cpu_seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, cwd=pytestconfig.rootpath, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "usage: " in done.stdout
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # On a busy machine the same work takes more.
    assert any(cpu_seconds() < 0.3 for _ in range(3))


def test_help_is_what_it_was(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    done = subprocess.run(
        [sys.executable, "harness.py", "--help"], capture_output=True, text=True, cwd=pytestconfig.rootpath, check=True
    )
    golden = pytestconfig.rootpath / "tests" / "golden" / "help.txt"
    # argparse words its headings and repeats metavars differently from one Python version to the next
    assert " ".join(done.stdout.split()) == " ".join(golden.read_text().split()) or sys.version_info[:2] != (3, 11)
    for option in ("--task", "--model", "--dataset", "--environment", "--limit", "--samples", "--run-dir"):
        assert option in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--task pie_retreival_k2 --model reference", "unknown task 'pie_retreival_k2'; did you mean pie_retrieval_k2"),
        ("--task pie_instruct --model refrence", "unknown model 'refrence'; did you mean reference"),
        ("--task pie_instruct --model reference --dataset minny", "unknown dataset 'minny'; did you mean mini"),
        ("--task pie_instruct --model reference --environment skylaek", "did you mean skylake"),
        *(
            (
                f"--task pie_instruct --model reference {option} {name}",
                f"environment {name} is gone; use its successor: skylake",
            )
            for option in ("--environment", "--confirm")
            for name in ("cachegrind", "cachegrind-host", "cachegrind-host-strict")
        ),
        ("--task pie_instruct --model reference --encoder tfidf", "task pie_instruct does not retrieve examples"),
        ("--task pie_retrieval_k1 --model reference --encoder tfdif", "unknown encoder 'tfdif'; did you mean tfidf"),
        ("--task pie_instruct --model replay:/no/such/file.jsonl", "/no/such/file.jsonl"),
    ],
)
def test_the_users_mistakes_are_one_line_and_exit_code_2(
    options: str, message: str, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "runs" / "one"
    assert main(["run", *options.split(), "--run-dir", str(directory)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not directory.exists(), "nothing is half-written"


@pytest.mark.parametrize("options", ["--limit 0", "--samples -1", "--limit x", "--workers 0", "--nonsense"])
def test_wrong_options_are_refused(options: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--task", "pie_instruct", "--model", "reference", *options.split()])
    assert stopped.value.code == 2


@pytest.mark.parametrize("verb", ["execute", "score"])
def test_a_run_in_a_removed_environment(
    verb: str, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--task", "pie_instruct", "--model", "reference", "--limit", "1", "--run-dir", str(tmp_path)]
    assert main(["generate", *options]) == 0
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"skylake"', '"cachegrind-host"'))
    capsys.readouterr()
    assert main([verb, str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "environment cachegrind-host is gone; use its successor: skylake" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("verb", ["execute", "score"])
def test_a_folder_without_a_run(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, str(tmp_path)]) == 2
    assert "not a run directory (no manifest.json)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_our_own_errors_are_exit_code_1_and_a_traceback_only_with_debug(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("pie_bench.api.make_plan", broken)
    arguments = ["run", "--task", "pie_instruct", "--model", "reference", "--run-dir", str(tmp_path / "r")]
    assert main(arguments) == 1
    assert capsys.readouterr().err == "pie-bench: internal error: RuntimeError: a bug (--debug shows where)\n"
    with pytest.raises(RuntimeError, match="a bug"):
        main([*arguments, "--debug"])


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out == listed
    rows = {line.split()[0]: line.split() for line in listed.splitlines() if line.strip()}
    assert rows["gpt-3.5"][1:6] == ["openai", "gpt-3.5-turbo-0125", "0.50", "1.50", "2024-01"]
    assert rows["codellama-13b"][1:] == ["vllm", "codellama/CodeLlama-13b-hf"]
    assert rows["smollm2"][1:3] == ["llama_cpp", "SmolLM2-135M-Instruct.Q4_1.gguf"]
    assert "or ADAPTER:ID: hf:ID_OR_FOLDER, " in listed and "openai:MODEL_ID, " in listed
    assert main(["models", "get", "reference"]) == 2
    assert "has no weights" in capsys.readouterr().err


def test_the_default_run_directory_follows_from_the_settings(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = "--task pie_instruct --model reference --samples 1 --limit 1".split()
    assert main(["generate", *options]) == 0
    assert main(["generate", *options]) == 0
    assert main(["generate", *options[:-1], "2"]) == 0
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert len(names) == 1, "it grew"
    assert main(["generate", *options]) == 0
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert len(names) == 2, "less than there is gets a folder of its own"
    assert main(["generate", "--task", "pie_cot_k2", *options[2:]]) == 0
    assert len(list((tmp_path / "runs").iterdir())) == 3
    assert all(name.startswith("pie_instruct--reference--mini--") for name in names)


def test_without_its_packages_it_says_how_to_get_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pie_bench.run.results", None)
    assert main(["score", str(tmp_path)]) == 2
    assert "is not installed for" in capsys.readouterr().err


def test_no_verb_and_mistyped_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: pie-bench" in capsys.readouterr().out
    for given, message in ((["rnu"], "unknown verb 'rnu'; did you mean run"), (["models", "gte"], "did you mean get")):
        with pytest.raises(SystemExit) as caught:
            main(given)
        assert caught.value.code == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (0, f"pie-bench {pie_bench.__version__}\n")
