"""`judge`: one program, from a file."""

import io
import json
from pathlib import Path

import pytest

from pie_bench.cli.main import main

PAIR = "m006_quilt_streams-m006_quilt_chars"  # the cheapest of mini
FAST = '#include <cstdio>\nint main(){ int n; scanf("%d", &n); printf("%d\\n", 2 * n); }'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIE_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast.cpp").write_text(FAST)
    (tmp_path / "wrong.cpp").write_text(FAST.replace("2 * n", "3 * n"))
    (tmp_path / "broken.cpp").write_text("int main() { return x; }")
    tests = tmp_path / "tests"
    tests.mkdir()
    for number, n in enumerate((2, 500)):
        (tests / f"{number}.in").write_text(f"{n}\n")
        (tests / f"{number}.out").write_text(f"{2 * n}\n")
    return tmp_path


def judge(*arguments: str) -> int:
    return main(["judge", *arguments, "--environment", "skylake"])


def test_a_verdict_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge("fast.cpp", "--tests", "tests", "--source", "fast.cpp") == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    said = dict(lines)
    assert (said["outcome"], said["tests"]) == ("ok", "2 of 2 passed")
    assert said["speedup"].startswith("1.000 over the source, which takes ")
    assert said["time"].endswith("of it start-up")
    assert judge("wrong.cpp", "--tests", "tests") == 1
    said_of_wrong, errors = capsys.readouterr()
    assert "why        line 1: '6', expected '4'\n" in said_of_wrong
    assert errors == ""  # a verdict, not a failure
    assert judge("broken.cpp", "--tests", "tests") == 1
    said_of_broken, errors = capsys.readouterr()
    assert errors == ""
    assert said_of_broken.startswith("outcome    compile_error\n")
    assert "error: 'x' was not declared" in said_of_broken.replace("‘", "'").replace("’", "'")


def test_a_verdict_for_machines(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO((folder / "wrong.cpp").read_text()))
    assert judge("-", "--pair", PAIR, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["outcome"], found["pair_id"], found["speedup"]) == ("wrong_output", PAIR, None)
    assert found["source"]["outcome"] == "ok"
    assert found["why"].startswith("line 1: ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.cpp", "--tests", "tests"], "nowhere.cpp: cannot be read"),
        (["fast.cpp", "--tests", "nowhere"], "nowhere: no such folder"),
        (["fast.cpp", "--pair", "m001"], "unknown pair 'm001'"),
        (["fast.cpp", "--pair", PAIR, "--source", "fast.cpp"], "use --source with --tests only"),
    ],
)
def test_mistakes_are_reported(
    folder: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(*arguments) == 2
    assert says in capsys.readouterr().err
