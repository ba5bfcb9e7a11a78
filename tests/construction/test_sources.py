"""Sources and tests as found in the wild: wrong columns, broken files, ids and names."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from pie_bench.construction import trajectories
from pie_bench.construction.build import build_dataset
from pie_bench.construction.recipe import load_recipe
from pie_bench.construction.sources import METADATA_COLUMNS, read_sources
from pie_bench.construction.stage import Done, Workplace
from pie_bench.construction.tests import Given, merge, problem_of
from pie_bench.construction.trajectories import decoded, order_trajectories, read_programs
from pie_bench.errors import UserError

ROW = {"s_id": "s1", "p_id": "p1", "u_id": "u", "date": 5, "language": "C++", "status": "Accepted", "code": "int x;"}
COLUMNS = "columns: {submission_id: s_id, problem_id: p_id, user_id: u_id}"


def recipe(folder: Path, source: str, more: str = "") -> Path:
    path = folder / "recipe.yaml"
    path.write_text(f"dataset: d\nsources: [{source}]\ntests: [{{kind: codenet, path: t}}]\n{more}")
    return path


def read(folder: Path, source: str, more: str = "") -> Done:
    loaded, base = load_recipe(recipe(folder, source, more))
    workplace = Workplace(folder / "out", loaded, base)
    return workplace.run("read", {}, lambda into: read_sources(workplace, into))


def test_parquet_of_the_hub(tmp_path: Path) -> None:
    rows = [ROW, ROW | {"s_id": "s2", "u_id": None}, ROW | {"s_id": "s3", "status": "Wrong Answer"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    done = read(tmp_path, f"{{kind: parquet, path: a.parquet, {COLUMNS}}}", "max_lost: 0.5\n")
    assert (done.counts["submissions"], done.counts["accepted"]) == (3, 1)
    assert [(each["what"], each["named"]) for each in done.findings if each["lost"]] == [
        ("empty user_id", [f"{tmp_path / 'a.parquet'}: row 2"])
    ]


def test_without_dates_there_is_no_order(tmp_path: Path) -> None:
    rows = [{column: value for column, value in ROW.items() if column != "date"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="no column date: without it a trajectory has no order"):
        read(tmp_path, f"{{kind: parquet, path: a.parquet, {COLUMNS}}}")


def test_a_truncated_file_stops_the_build(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([ROW] * 1000), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"a\.parquet: .*the number of lost submissions is unknown"):
        read(tmp_path, f"{{kind: parquet, path: a.parquet, {COLUMNS}}}")


def test_codenet_as_a_tar_even_a_truncated_one(source: Path, tmp_path: Path) -> None:
    """Wherever it was cut: inside a program, inside a header, between two entries, and inside the compressed stream."""
    archive = tmp_path / "codenet.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("metadata", "data"):
            tar.add(source / name, f"Project_CodeNet/{name}")
    of_tar = "{kind: codenet, path: codenet.tar}"
    whole = read(tmp_path, of_tar, "max_lost: 0.3\n")
    folder = read(tmp_path, f"{{kind: codenet, path: {source}}}", "max_lost: 0.3\n")
    assert whole.counts == folder.counts
    assert not [each for each in whole.findings if each["what"] == "truncated archive"]
    data = archive.read_bytes()
    with tarfile.open(archive) as tar:
        last = [member for member in tar if member.isfile()][-2:]
    squeezed = gzip.compress(data)
    for cut in (
        data[: last[1].offset_data + 1],
        data[: last[1].offset_data],
        data[: last[1].offset + 100],
        data[: last[1].offset],
        data[: last[1].offset] + b"x" * 512,
        *(squeezed[: len(squeezed) * part // 8] for part in range(5, 8)),
    ):
        archive.write_bytes(cut)
        (tmp_path / "out" / "stages" / "read" / "stage.json").unlink()
        found = read(tmp_path, of_tar, "max_lost: 0.9\n").findings
        named = [each["named"][0] for each in found if each["what"] == "truncated archive"]
        assert len(named) == 1 and "after " in named[0], found


def test_invalid_text_matters_only_where_it_is_read(tmp_path: Path) -> None:
    """A mistake after such a line is reported with its own line number."""
    (tmp_path / "metadata").mkdir()
    row = "s{0},p00001,u{0}{1},5,C++,C++,cpp,Accepted,{2},9,9,{3}\n"
    rows = [row.format(1, "", 1, "\udcff"), row.format(2, "\udcff", 1, ""), row.format(3, "", -1, "")]
    text = ",".join(METADATA_COLUMNS) + "\n" + "".join(rows)
    path = tmp_path / "metadata" / "p00001.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    done = read(tmp_path, "{kind: codenet, path: .}", "max_lost: 0.5\n")
    assert {each["what"]: each["named"] for each in done.findings} == {
        "broken line (invalid encoding)": [f"{path}:3"],
        "negative cpu_time": [f"{path}:4"],
    }


def test_a_killed_build_reads_no_program_again(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, base = load_recipe(source / "recipe.yaml")
    monkeypatch.setattr(trajectories, "_PROGRAMS_AT_ONCE", 1)  # a problem at a time
    read_one = trajectories._code_of
    seen: list[str] = []

    def programs(name: str, until: int | None = None) -> list[bytes]:
        workplace = Workplace(tmp_path / name, loaded, base)
        workplace.run("read", {}, lambda into: read_sources(workplace, into))
        workplace.run("trajectories", {}, lambda into: order_trajectories(workplace, into))

        def counted(row, *more):  # type: ignore[no-untyped-def]
            if row["problem_id"] != "p00001" and until == 0:
                raise KeyboardInterrupt
            seen.append(row["submission_id"])
            return read_one(row, *more)

        monkeypatch.setattr(trajectories, "_code_of", counted)
        workplace.run("programs", {}, lambda into: read_programs(workplace, into))
        return [file.read_bytes() for file in sorted((workplace.stages / "programs").iterdir())]

    with pytest.raises(KeyboardInterrupt):
        programs("killed", until=0)
    assert seen
    continued = programs("killed")
    assert len(seen) == len(set(seen)), "none is read twice"
    assert continued == programs("at once")


def test_wrong_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "p00001.csv").write_text("submission_id,problem_id\ns1,p00001\n")
    with pytest.raises(UserError, match=r"wrong columns: 1, the first .*p00001\.csv:1: no user_id, date"):
        read(tmp_path, "{kind: codenet, path: .}")


def test_a_recipe_says_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"recipe\.yaml:2: .*unknown key 'pathh'.*did you mean path"):
        load_recipe(recipe(tmp_path, "{kind: codenet, pathh: .}"))
    with pytest.raises(UserError, match="no such recipe; give a YAML file, or the name of a shipped one: pie"):
        load_recipe("piie")
    with pytest.raises(UserError, match="CODENET_DIR is not set"):
        build_dataset("pie", tmp_path / "out", environment="skylake")
    assert load_recipe("pie")[0].environment == "gem5-pie"


def test_tests_are_numbered_as_in_the_published_folders() -> None:
    given = [Given("public", b"p", b"p")] + [Given("generated", bytes([n]), b"") for n in (1, 2, 1, 3)]
    merged, twice = merge(given, 2)
    assert [(test.test_id, test.origin, test.input) for test in merged] == [
        ("0", "generated", b"\1"),
        ("1", "generated", b"\2"),
        ("100", "public", b"p"),
    ]
    assert twice == 1


def test_names_of_aizu_are_never_joined() -> None:
    names = {"ABC 1 - A": "p02600"}
    assert problem_of("p00001 List of Top 3 Hills", "AIZU", names) == ("p00001", "by id")
    assert problem_of("ABC 1 - A", "ATCODER", names) == ("p02600", "by name")
    assert problem_of("ABC 1 - A", "AIZU", names) == (None, "neither")


def test_text_that_is_not_utf_8_is_read_anyway() -> None:
    assert decoded("// é\r\n".encode()) == ("// é\n", "utf-8")
    assert decoded("// 日本\n".encode("cp932"))[1] == "cp932"
    assert decoded(b"// \xe9t\xe9\xff\n")[1] == "latin-1"
