"""Your own data: files, folders, the Hub and plug-ins; tests in the rows; good messages for whatever is odd."""

import gzip
import importlib
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pie_bench.cli.main import main
from pie_bench.data.load import load_dataset
from pie_bench.data.spec import absolute_name, load_spec
from pie_bench.errors import UserError

SLOW = '#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d\\n", n + n); }\n'
FAST = '#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d\\n", 2 * n); }\n'
TESTS = [{"input": "1\n", "output": "2\n"}, {"input": "5\n", "output": "10\n"}]
ROW: dict[str, Any] = {"src_code": SLOW, "tgt_code": FAST, "tests": TESTS}
ACCENTED = json.dumps(ROW | {"kind": "é"}, ensure_ascii=False)
OTHER = ROW | {"src_code": SLOW + "//"}


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def written(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lines(*rows))
    return path


def as_jsonl(folder: Path, split: str) -> None:
    written(folder / f"{split}.jsonl", ROW, OTHER)


def as_gzip(folder: Path, split: str) -> None:
    (folder / f"{split}.jsonl.gz").write_bytes(gzip.compress(lines(ROW, OTHER)))


def as_parquet(folder: Path, split: str) -> None:
    import datasets

    datasets.Dataset.from_list([ROW, OTHER]).to_parquet(str(folder / f"{split}.parquet"))


def as_shards(folder: Path, split: str) -> None:
    import datasets

    (folder / "data").mkdir(exist_ok=True)
    for number, row in enumerate((ROW, OTHER)):
        path = folder / "data" / f"{split}-{number:05}-of-00002.parquet"
        datasets.Dataset.from_list([row]).to_parquet(str(path))


@pytest.fixture(autouse=True)
def no_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIE_DATA_DIR", raising=False)


@pytest.mark.parametrize("write", [as_jsonl, as_gzip, as_parquet, as_shards])
def test_a_folder_with_a_file_a_split(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for split in ("train", "validation", "test"):
        write(folder, split)
    expected = load_dataset(written(tmp_path / "same.jsonl", ROW, OTHER)).fingerprint()
    for split in ("train", "val", "test"):
        dataset = load_dataset(folder, split)
        assert (dataset.name, len(dataset.pairs), dataset.rejected) == ("mine", 2, ())
        assert [test.expected_output for test in dataset.tests(dataset.pairs[0])] == [b"2\n", b"10\n"]
        assert dataset.fingerprint() == expected, "the content counts, not the form"


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz", "pairs.parquet"])
def test_a_single_file(tmp_path: Path, name: str) -> None:
    write = {"pairs.jsonl": as_jsonl, "pairs.jsonl.gz": as_gzip, "pairs.parquet": as_parquet}[name]
    write(tmp_path, "pairs")
    assert load_dataset(tmp_path / name).name == "pairs"
    assert len(load_dataset(str(tmp_path / name), "val").pairs) == 2
    with pytest.raises(UserError, match=r"no split 'train': .*pairs.* is a single file"):
        load_dataset(tmp_path / name, "train", with_tests=False)


@pytest.mark.parametrize("splits", [("train", "validation", "test"), ()])
def test_a_folder_that_datasets_wrote(tmp_path: Path, splits: tuple[str, ...]) -> None:
    import datasets

    rows = datasets.Dataset.from_list([ROW, OTHER])
    saved = datasets.DatasetDict(dict.fromkeys(splits, rows)) if splits else rows
    saved.save_to_disk(str(tmp_path / "saved"))
    dataset = load_dataset(tmp_path / "saved")
    assert (dataset.name, len(dataset.pairs)) == ("saved", 2)
    assert dataset.tests(dataset.pairs[1])[1].input == b"5\n"
    if splits:
        assert len(load_dataset(tmp_path / "saved", "val").pairs) == 2
    else:
        with pytest.raises(UserError, match="no split 'train': .* holds a single dataset"):
            load_dataset(tmp_path / "saved", "train")


def test_a_hub_dataset_needs_no_folder_of_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    as_parquet(tmp_path, "test")
    dataset = load_dataset(f"hf:{tmp_path}")
    assert dataset.tests(dataset.pairs[0])[0].input == b"1\n"
    written(tmp_path / "listed" / "test.jsonl", ROW | {"problem_id": "p", "tests": [0]})
    with pytest.raises(UserError, match="tests has ids, but the location of the tests is unknown"):
        load_dataset(f"hf:{tmp_path / 'listed'}")


@pytest.mark.parametrize("form", ["beside", "absolute"])
def test_a_yaml_of_a_hub_dataset_says_where_tests_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    written(tmp_path / "hub" / "test.jsonl", ROW | {"problem_id": "p", "tests": [0]})
    tests = "cases" if form == "beside" else tmp_path / "cases.zip"
    (tmp_path / "mine.yaml").write_text(f"include: pie.yaml\nsource: hf:{tmp_path / 'hub'}\ntests: {tests}\n")
    with zipfile.ZipFile(tmp_path / "cases.zip", "w") as archive:
        archive.writestr("p/input.0.txt", "3\n")
        archive.writestr("p/output.0.txt", "6\n")
    dataset = load_dataset(tmp_path / "mine.yaml")
    assert dataset.tests(dataset.pairs[0])[0].expected_output == b"6\n"


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ([{"stdin": "a", "expected_output": "b"}], [("0", b"a", b"b")]),
        ([{"in": "a", "out": "b", "id": 7}, {"in": "", "out": ""}], [("7", b"a", b"b"), ("1", b"", b"")]),
        ([["a", "b"], ["c", "d"]], [("0", b"a", b"b"), ("1", b"c", b"d")]),
        ({"input": ["a", "c"], "output": ["b", "d"]}, [("0", b"a", b"b"), ("1", b"c", b"d")]),
        ({"inputs": ["a"], "outputs": ["b"]}, [("0", b"a", b"b")]),
        (json.dumps(TESTS), [("0", b"1\n", b"2\n"), ("1", b"5\n", b"10\n")]),
        ([{"input": "ä\r\n", "output": "é"}], [("0", "ä\r\n".encode(), "é".encode())]),
    ],
)
def test_tests_in_the_row(tmp_path: Path, tests: Any, expected: list[tuple[str, bytes, bytes]]) -> None:
    dataset = load_dataset(written(tmp_path / "d.jsonl", ROW | {"tests": tests}))
    (pair,) = dataset.pairs
    assert [(test.test_id, test.input, test.expected_output) for test in dataset.tests(pair)] == expected
    assert pair.tests == tuple(test_id for test_id, *_ in expected)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"tests": "one, two"}, r"tests is text \('one, two'\); expected a list of test ids or of tests"),
        ({"tests": 3}, r"tests is a number \(3\)"),
        ({"tests": {"a": 1}}, "tests is an object with a"),
        ({"tests": []}, "tests is missing"),
        ({"tests": [{"input": "1"}]}, "test 0: output is missing; it has input"),
        ({"tests": [{"input": 1, "output": "2"}]}, r"test 0: input is a number \(1\); expected text"),
        ({"tests": [{"input": "1", "output": "2", "expected": "3"}]}, "test 0: has output and expected: keep one"),
        ({"tests": [TESTS[0] | {"id": "x"}, TESTS[1] | {"id": "x"}]}, "test x is listed twice"),
        ({"tests": [["1", "2"], ["1", "3"]]}, "tests 0 and 1 have the same input and different outputs"),
        ({"tests": {"input": ["1", "2"], "output": ["1"]}}, "tests has 2 of input, 1 of output"),
        ({"tests": [TESTS[0], 4]}, r"tests\[0\] is an object with input, output; expected the id of a test"),
        ({"tests": [True], "problem_id": "p"}, r"tests\[0\] is true or false \(True\)"),
        ({"tests": [0]}, "problem_id is missing: it names the folder of the tests"),
        ({"tests": [0, "0"], "problem_id": "p"}, "test 0 is listed twice"),
        (
            {"tests": [{"input": "\ud83d", "output": ""}]},
            r"test 0: input holds a lone surrogate \(\\ud83d at character 1",
        ),
        ({"src_code": SLOW + "// \ud83d"}, r"src_code holds a lone surrogate \(\\ud83d at character 8"),
        ({"rationale": "\udc00"}, r"rationale holds a lone surrogate \(\\udc00"),
        ({"src_code": 5}, r"src_code is a number \(5\); expected text"),
        ({"src_code": " "}, "src_code is missing"),
        ({"tgt_code": None}, "tgt_code is missing"),
        ({"problem_id": ["p"]}, "problem_id is a list; expected text or a whole number"),
        ({"src_id": True}, r"src_id is true or false \(True\)"),
        ({"src_id": 1.5}, r"src_id is a number \(1\.5\)"),
        ({"src_id": "a\nb"}, r"src_id is 'a\\nb'; expected text without control characters"),
    ],
)
def test_a_row_that_is_not_a_pair_is_reported_with_the_reason(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    dataset = load_dataset(written(tmp_path / "d.jsonl", OTHER, ROW | row))
    assert len(dataset.pairs) == 1
    (rejected,) = dataset.rejected
    assert rejected.reason.startswith("line 2: ")
    alone = written(tmp_path / "e.jsonl", ROW | row)
    with pytest.raises(UserError, match=reason):
        load_dataset(alone)


@pytest.mark.parametrize(
    ("content", "count", "message"),
    [
        (lines(ROW) + b"\n \t\n" + lines(OTHER) + b"\n", 2, None),
        (lines(ROW).replace(b"\n", b"\r\n"), 1, None),
        (b"\xef\xbb\xbf" + lines(ROW), 1, None),
        (lines(ROW).rstrip(), 1, None),
        (ACCENTED.encode(), 1, None),
        (lines(OTHER) + ACCENTED.encode("latin-1"), 0, r":2: byte \d+ \(0xe9\)"),
        (lines(ROW).decode().encode("utf-16"), 0, r":1: is UTF-16; convert the file first: iconv -f UTF-16 -t UTF-8"),
        (lines(ROW).decode().encode("utf-16-le"), 0, r":1: is UTF-16"),
        (lines(ROW).decode().encode("utf-32"), 0, r":1: is UTF-32"),
        (lines(ROW) + b"{", 0, r":2: not a row: Expecting property name enclosed in double quotes at character 2"),
        (b"[" + lines(ROW) + b"]", 0, r":1: not a row: Expecting"),
        (json.dumps([ROW]).encode(), 0, r":1: not a row: expected a JSON object, found list .*jq -c"),
        (b'{"tests": 1, "tests": 2}', 0, r":1: not a row: 'tests' occurs twice"),
        (b"[" * 100_000, 0, r":1: not a row: nested too deeply"),
        (b"", 0, "no usable row"),
        (lines(ROW, OTHER, ROW), 0, r":3: pair \w+-\w+ was already given on line 1"),
    ],
)  # fmt: skip
def test_what_files_are_like(tmp_path: Path, content: bytes, count: int, message: str | None) -> None:
    (tmp_path / "d.jsonl").write_bytes(content)
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(content))
    for name in ("d.jsonl", "d.jsonl.gz"):
        if message is None:
            assert len(load_dataset(tmp_path / name).pairs) == count
        else:
            with pytest.raises(UserError, match=name.replace(".", r"\.") + r".*" + message):
                load_dataset(tmp_path / name)


@pytest.mark.parametrize("name", ["d.jsonl.gz", "d.parquet"])
@pytest.mark.parametrize("cut", [0, 10, 60])
def test_a_broken_binary_file(tmp_path: Path, name: str, cut: int) -> None:
    as_parquet(tmp_path, "d")
    as_gzip(tmp_path, "d")
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:cut] if cut else b"neither nor")
    with pytest.raises(UserError, match=r"cannot be read \("):
        load_dataset(path)


def test_numbers_as_ids(tmp_path: Path) -> None:
    for test in (0, 1):
        for kind in ("input", "output"):
            path = tmp_path / "merged_test_cases" / "7" / f"{kind}.{test}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{test}\n")
    row = ROW | {"problem_id": 7, "src_id": 1, "tgt_id": 2, "tests": [0, 1]}
    dataset = load_dataset(written(tmp_path / "ints.jsonl", row))
    (pair,) = dataset.pairs
    assert (pair.pair_id, pair.problem_id, pair.tests) == ("1-2", "7", ("0", "1"))
    floats = row | {"problem_id": 7.0, "src_id": 1.0, "tests": [0.0, 1.0]}
    assert load_dataset(written(tmp_path / "floats.jsonl", floats)).fingerprint() == dataset.fingerprint()
    written(tmp_path / "text.jsonl", row | {"tests": "[0, 1]"})
    assert load_dataset(tmp_path / "text.jsonl").fingerprint() == dataset.fingerprint()


def test_ids_from_the_content(tmp_path: Path) -> None:
    first, second = load_dataset(written(tmp_path / "d.jsonl", ROW, OTHER)).pairs
    assert first.pair_id != second.pair_id
    assert first.problem_id == second.problem_id, "the same tests: the same problem"
    (alone,) = load_dataset(written(tmp_path / "e.jsonl", OTHER | {"more": 1}), with_tests=False).pairs
    assert (alone.pair_id, alone.problem_id) == (second.pair_id, second.problem_id)
    named = load_dataset(written(tmp_path / "f.jsonl", ROW | {"pair_id": 12}, OTHER | {"src_id": "s"}))
    assert [pair.pair_id for pair in named.pairs] == ["12", f"s-{second.pair_id.split('-')[1]}"]
    assert named.pair("12").src_code == SLOW
    with pytest.raises(UserError, match="unknown pair '13'; did you mean 12"):
        named.pair("13")
    assert [pair.pair_id for pair in named.chosen(["12", "12"])] == ["12"]
    assert named.chosen(limit=1) == named.pairs[:1]


def test_recorded_times_in_the_order_of_the_tests(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "include: pie.yaml\nsource: d.jsonl\ncolumns: {src_seconds: [slow], tgt_seconds: [fast]}\n"
    )
    written(tmp_path / "d.jsonl", ROW | {"slow": [2.0, 1], "fast": [1.0, "x"]})
    dataset = load_dataset(tmp_path / "mine.yaml")
    assert dataset.name == "mine"
    assert dataset.pairs[0].src_seconds == {"0": 2.0, "1": 1.0}
    assert dataset.pairs[0].tgt_seconds is None


@pytest.mark.parametrize("write", ["jsonl", "parquet"])
def test_a_column_that_no_row_has(tmp_path: Path, write: str) -> None:
    import datasets

    row = {"src_cod": SLOW, "tgt_code": FAST, "tests": TESTS}
    path = tmp_path / f"d.{write}"
    if write == "jsonl":
        written(path, row)
    else:
        datasets.Dataset.from_list([row]).to_parquet(str(path))
    said = r": no column src_code or input; there are src_cod, tests, tgt_code; did you mean src_cod\?"
    with pytest.raises(UserError, match=said):
        load_dataset(path)
    written(tmp_path / "e.jsonl", {"src_code": SLOW, "tgt_code": FAST, "cases": TESTS})
    with pytest.raises(UserError, match="no column tests or test_cases; there are cases, src_code, tgt_code"):
        load_dataset(tmp_path / "e.jsonl")
    assert main(["dataset", "check", str(tmp_path / "e.jsonl"), "--quick"]) == 2


def test_invalid_places(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file or folder"):
        load_dataset(tmp_path / "d.jsonl")
    with pytest.raises(UserError, match=r"unknown dataset 'mnii'; did you mean mini\? \(also: hf:OWNER/NAME, a folder"):
        load_dataset("mnii")
    (tmp_path / "d.csv").write_text("a,b\n")
    with pytest.raises(UserError, match=r"d\.csv: not a file of rows \(expected \.jsonl, \.jsonl\.gz, \.parquet\)"):
        load_dataset(tmp_path / "d.csv")
    written(tmp_path / "pairs.jsonl", ROW)
    with pytest.raises(UserError, match=r"no split 'test': .*test\.jsonl does not exist, .* holds pairs\.jsonl"):
        load_dataset(tmp_path)
    as_jsonl(tmp_path, "test")
    as_parquet(tmp_path, "test")
    with pytest.raises(UserError, match=r"holds the split 'test' twice: test\.jsonl, test\.parquet; keep one"):
        load_dataset(tmp_path)


def test_names_in_results_are_not_this_machines_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, name in (
        *(("my pairs.jsonl", "my_pairs"), ("set/test.jsonl", "set"), ("pie/test.jsonl", "own:pie")),
        ("_odd.jsonl", "odd"),
    ):
        assert load_spec(written(tmp_path / path, ROW)).dataset == name
    monkeypatch.chdir(tmp_path)
    assert load_dataset("set").name == "set"
    assert absolute_name("set") == str(tmp_path / "set")
    assert absolute_name("mini") == "mini"
    assert absolute_name("hf:a/b") == "hf:a/b"
    (tmp_path / "mini").mkdir()
    assert load_dataset("mini").folder != tmp_path / "mini", "a bundled name stays what it is"
    assert load_spec("./mini").dataset == "own:mini"


def test_nothing_inherits_what_is_published(tmp_path: Path) -> None:
    assert load_spec("pie").published.pairs["test"] == 978
    (tmp_path / "mine.yaml").write_text("include: pie.yaml\nsource: d.jsonl\n")
    assert load_spec(tmp_path / "mine.yaml").published.pairs == {}
    assert load_spec("hf:a/b").published.pairs == {}
    (tmp_path / "mine.yaml").write_text("include: pie.yaml\ndataset: pie\n")
    with pytest.raises(UserError, match=r"mine\.yaml:2: dataset: pie is taken"):
        load_spec(tmp_path / "mine.yaml")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package with datasets: a path, a function of a split, a package of files; and two invalid ones."""
    written(tmp_path / "other_folder" / "test.jsonl", ROW)
    (tmp_path / "other_folder" / "__init__.py").write_text("")
    written(tmp_path / "data" / "test.jsonl", ROW)
    (tmp_path / "other_datasets.py").write_text(
        f"import json\nfolder = {str(tmp_path / 'data')!r}\nnumber = 5\n"
        f"def texts(split):\n    return ['x']\n"
        f"def rows(split):\n    return [json.loads({json.dumps(ROW)!r})] if split == 'test' else None\n"
        f"def failing(split):\n    raise OSError('no\\ndisk')\n"
        f"def stopping(split):\n    yield from rows('test')\n    raise KeyError('lost')\n"
    )
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[pie_bench.datasets]\n"
        "filed = other_datasets:folder\nmade = other_datasets:rows\npacked = other_folder\n"
        "texts = other_datasets:texts\nwrong = other_datasets:number\n"
        "failing = other_datasets:failing\nstopping = other_datasets:stopping\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    for module in ("other_datasets", "other_folder"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return "other"


@pytest.mark.parametrize("name", ["filed", "made", "packed", "other_datasets:rows"])
def test_a_package_adds_datasets(plugin: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = load_dataset(name)
    assert (dataset.name, len(dataset.pairs)) == (name, 1)
    assert dataset.tests(dataset.pairs[0])[0].input == b"1\n"
    with pytest.raises(UserError, match=f"dataset {name}: no split 'train'"):
        load_dataset(name, "train")
    assert main(["dataset", "list", "--json"]) == 0
    listed: Iterable[Mapping[str, str]] = json.loads(capsys.readouterr().out)
    assert [entry["dataset"] for entry in listed] == [
        *("mini", "pie", "failing", "filed", "made", "packed", "stopping", "texts", "wrong")
    ]


def test_an_invalid_plugin(plugin: str) -> None:
    said = r"dataset wrong of package other 1\.0: expected a path or a function of a split's name, found int; update it"
    with pytest.raises(UserError, match=said):
        load_dataset("wrong")
    for name, said in (("failing", "OSError: no disk"), ("stopping", "KeyError: 'lost'")):
        whose = f"dataset {name} of package other 1.0: rows('test'): {said}; update it"
        with pytest.raises(UserError, match=re.escape(whose)):
            load_dataset(name)
    with pytest.raises(UserError, match="dataset texts: row 1 is a str; expected a mapping of columns"):
        load_dataset("texts")
    with pytest.raises(UserError, match="dataset other_datasets:nothing: AttributeError: module"):
        load_dataset("other_datasets:nothing")
    with pytest.raises(UserError, match="no_such_module"):
        load_dataset("no_such_module:rows")
    with pytest.raises(UserError, match="unknown dataset 'mad'; did you mean made"):
        load_dataset("mad")
