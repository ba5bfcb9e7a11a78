"""`dataset check` finds whatever would change scores, says where, and then exits with 1."""

import json
import re
import shutil
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.data.load import PairDataset

FINE = '#include <cstdio>\nint main() { int a; scanf("%d", &a); printf("%d\\n", a + 1); }\n'
FAST = '#include <cstdio>\nint main() { int a = 0; if (scanf("%d", &a)) printf("%d\\n", 1 + a); }\n'
WRONG = '#include <cstdio>\nint main() { puts("7"); }\n'
ROW = {"problem_id": "p1", "src_code": FINE, "tgt_code": FAST, "tests": ["0", "1"]}
TIMES = {f"{side}_code_tc2time": {"0": 0.5, "1": 0.25} for side in ("src", "tgt")}


def row(number: int, **other: object) -> dict[str, object]:
    code = {"tgt_code": FAST + f"// {number}"}  # no two pairs alike
    return ROW | TIMES | code | {"src_id": f"a{number}", "tgt_id": f"b{number}"} | other


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for problem in ("p1", "p2"):
        folder = tmp_path / "merged_test_cases" / problem
        folder.mkdir(parents=True)
        for test in (0, 1):
            (folder / f"input.{test}.txt").write_text(f"{test}\n")
            (folder / f"output.{test}.txt").write_text(f"{test + 1}\n")
    monkeypatch.setenv("PIE_DATA_DIR", str(tmp_path))
    write(tmp_path, "train", row(1, problem_id="p2"))
    return tmp_path


def write(folder: Path, split: str, *rows: dict[str, object]) -> None:
    (folder / f"{split}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))


def check(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = main(["dataset", "check", *options])
    return code, capsys.readouterr().out


def test_a_sound_dataset(data: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(data, "test", row(1), row(2))
    code, said = check(capsys)
    assert code == 0
    assert "no fault that changes scores" in said
    assert "note: test: 2 of the 978 pairs of the paper" in said
    assert "programs: compiled and run" in said


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(1), row(1)], "fault: test: pair given twice: 1\n    test.jsonl:2 a1-b1: also on line 1"),
        ([row(1), row(2, tgt_code=row(1)["tgt_code"])], "fault: test: same programs as another pair: 1"),
        ([row(1), row(2, tests=["0", "9"])], "test.jsonl:2 a2-b2: test 9: merged_test_cases/p1/input.9.txt is missing"),
        ([row(1), row(2, tgt_code=" ")], "fault: test: tgt_code is missing: 1"),
        ([row(1), row(2, tgt_code=FINE)], "fault: test: target is the source: 1"),
        ([row(1), row(2, problem_id="p2")], "fault: test: problem also in another split: 1\n    p2: also in train"),
    ],
)
def test_faults_of_form(
    data: Path, cache: Path, capsys: pytest.CaptureFixture[str], rows: list[dict[str, object]], said: str
) -> None:
    write(data, "test", *rows)
    code, out = check(capsys, "--quick")
    assert code == 1
    assert said in out
    assert re.search(r"1 fault that changes scores|2 faults that change scores", out)
    assert "no program was run" in out


def test_programs_that_fail(data: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = FINE.replace(";", "", 1)
    write(data, "test", row(1), row(2, src_code=WRONG), row(3, tgt_code=broken))
    code, out = check(capsys)
    assert code == 1
    assert "fault: test: program fails: wrong_output: 1\n    a2-b2 source: test 0" in out
    assert "fault: test: program fails: compile_error: 1\n    a3-b3 target: " in out
    assert check(capsys, "--quick")[0] == 0


def test_missing_times_are_counted_and_no_fault(data: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(data, "test", row(1), row(2, src_code_tc2time={"0": 0.5, "1": None}))
    code, out = check(capsys, "--quick")
    assert code == 0
    line = next(line for line in out.splitlines() if line.strip().startswith("test "))
    assert line.split()[1:] == ["2", "978", "1", "41", "1", "0", "0"]


def test_an_archive_works_as_well(data: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(data, "test", row(1))
    shutil.make_archive(str(data / "merged_test_cases"), "gztar", data, "merged_test_cases")
    shutil.rmtree(data / "merged_test_cases")
    assert check(capsys, "--split", "test")[0] == 0


def test_what_cannot_be_checked(data: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "check", "--split", "val"]) == 2
    assert "no split 'val'" in capsys.readouterr().err
    (data / "train.jsonl").unlink()
    assert main(["dataset", "check"]) == 2
    assert "test.jsonl does not exist" in capsys.readouterr().err


def test_mini_is_sound(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(capsys, "mini", "--quick")[0] == 0


def inline(*tests: tuple[str, str]) -> list[dict[str, str]]:
    return [{"input": given, "output": expected} for given, expected in tests]


def test_your_own_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A single file with its tests: the same options as for a run, and JSON output."""
    monkeypatch.delenv("PIE_DATA_DIR", raising=False)
    own = {"src_code": FINE, "tgt_code": FAST, "tests": inline(("1", "2"), ("1", "2"))}
    rows = [own | {"pair_id": "fine"}, own | {"pair_id": "wrong", "src_code": WRONG, "tests": inline(("1", "2"))}]
    write(tmp_path, "pairs", *rows, own | {"pair_id": "silent", "src_code": FINE + "//", "tests": inline(("", ""))})
    path = str(tmp_path / "pairs.jsonl")
    code, out = check(capsys, path, "--unsafe")
    assert code == 1
    assert "wrong source: test 0" in out
    assert "note: test: a test is given twice: 1\n    pairs.jsonl:1 fine: tests 0 and 1" in out
    assert "note: test: a test expects no output: 1\n    pairs.jsonl:3 silent: test 0" in out
    assert "paper" not in out
    assert check(capsys, path, "--pairs", "fine")[0] == 0
    assert check(capsys, path, "--limit", "1")[0] == 0
    code, out = check(capsys, path, "--limit", "2", "--quick", "--json")
    said = json.loads(out)
    assert (code, said["dataset"], said["programs_run"]) == (0, "pairs", False)
    assert [(split["split"], split["pairs"], split["published_pairs"]) for split in said["splits"]] == [
        ("test", 2, None)
    ]
    assert main(["dataset", "check", path, "--pairs", "fin"]) == 2
    assert "unknown pair 'fin'; did you mean fine?" in capsys.readouterr().err


def test_files_of_tests_that_contradict_each_other(data: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(data, "test", row(1), row(2))
    (data / "merged_test_cases" / "p1" / "input.1.txt").write_text("0\n")
    code, out = check(capsys, "--quick")
    assert code == 1
    assert "fault: test: tests contradict each other: 1\n    test.jsonl:1 a1-b1: tests 0 and 1" in out


def test_a_pair_is_shown(mini: PairDataset, capsys: pytest.CaptureFixture[str]) -> None:
    pair = mini.pairs[1]
    assert main(["dataset", "show", "mini", "--pair", pair.pair_id]) == 0
    out = capsys.readouterr().out
    assert f"pair {pair.pair_id} of mini/test, problem {pair.problem_id}\ntests: {len(pair.tests)} (" in out
    assert pair.src_code.rstrip() in out
    assert main(["dataset", "show", "mini", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["pair_id"] == mini.pairs[0].pair_id
    assert shown["tests"][0]["output"] == mini.tests(mini.pairs[0])[0].expected_output.decode()
    assert main(["dataset", "show", "mini", "--pair", "m001"]) == 2
    assert "unknown pair 'm001'" in capsys.readouterr().err


def test_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "list"]) == 0
    out = capsys.readouterr().out
    assert "mini " in out
    assert "hf:OWNER/NAME" in out
