"""Tests read from a folder, a zip and tars without unpacking them; malicious archives do no harm."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.data.stored_tests import StoredTests, key_of, open_tests
from pie_bench.errors import UserError

FILES = {
    f"p{problem}/{kind}.{test}.txt": f"{problem} {kind} {test}\n".encode() * test
    for problem in (1, 2)
    for kind in ("input", "output")
    for test in (0, 2, 10)
}


def archive(path: Path, files: dict[str, bytes]) -> Path:
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as out:
            for name, data in files.items():
                out.writestr(name, data)
        return path
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture(params=["folder", "tests.zip", "tests.tar", "tests.tar.gz", "tests.tgz"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> StoredTests:
    """FILES, found by the name without its extension; in archives, inside a folder."""
    inside = {f"./merged/{name}": data for name, data in FILES.items()}
    if request.param == "folder":
        for name, data in FILES.items():
            (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "tests" / name).write_bytes(data)
    else:
        archive(tmp_path / request.param, inside | {"merged/README.txt": b"x", "p1/input.0.txt.bak": b"x"})
    return open_tests(tmp_path / "tests", tmp_path / "cache")


def test_every_file_is_there_and_nothing_else(stored: StoredTests) -> None:
    for name, data in FILES.items():
        problem, _, file = name.partition("/")
        kind, test, _ = file.split(".")
        assert stored.has((problem, kind, test))
        assert stored.read((problem, kind, test)) == data
    for key in (("p1", "input", "1"), ("p3", "input", "0"), ("p1", "README", "0"), ("p1", "input", "0.txt")):
        assert not stored.has(key)
    assert stored.test_ids("p1") == ["0", "2", "10"]
    assert stored.test_ids("p3") == []
    assert "p1/input.0.txt" in stored.where(("p1", "input", "0"))


@pytest.mark.parametrize("key", [("..", "input", "0"), ("p1/../../etc", "input", "0"), ("p1", "input", "../../x")])
def test_a_row_cannot_point_outside(stored: StoredTests, tmp_path: Path, key: tuple[str, str, str]) -> None:
    (tmp_path / "input.0.txt").write_text("outside")
    assert not stored.has(key)


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_expensive_work_is_done_once(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / f"tests{ending}", FILES)
    open_tests(path, tmp_path / "cache")
    before = sorted((tmp_path / "cache").rglob("*.*"))
    assert len(before) == 1

    def again(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile, "open", again)
        assert open_tests(path, tmp_path / "cache").read(("p2", "output", "2")) == FILES["p2/output.2.txt"]
    archive(path, {name: data + b"new" for name, data in FILES.items()})
    assert open_tests(path, tmp_path / "cache").read(("p2", "output", "2")).endswith(b"new")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_hostile_archives(tmp_path: Path, name: str) -> None:
    hostile = {"../p1/input.0.txt": b"up", "/p1/output.0.txt": b"root", "x/../p1/input.1.txt": b"up", **FILES}
    stored = open_tests(archive(tmp_path / name, hostile), tmp_path / "cache")
    assert stored.read(("p1", "input", "0")) == FILES["p1/input.0.txt"]
    assert not stored.has(("p1", "input", "1"))
    assert stored.read(("p1", "output", "0")) == FILES["p1/output.0.txt"]


def test_a_link_in_a_tar_is_no_test(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        link = tarfile.TarInfo("p1/input.0.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        member = tarfile.TarInfo("p1/output.0.txt")
        tar.addfile(member, io.BytesIO(b""))
    assert not open_tests(tmp_path / "a.tar", tmp_path / "cache").has(("p1", "input", "0"))


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_unusable_archives(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"neither nor")
    with pytest.raises(UserError, match=rf"{name}: cannot be read .*fetch it again"):
        open_tests(tmp_path / name, tmp_path / "cache")
    archive(tmp_path / name, {"README": b""})
    with pytest.raises(UserError, match="contains no tests"):
        open_tests(tmp_path / name, tmp_path / "cache")
    archive(tmp_path / name, {**FILES, "public/p1/input.0.txt": b"another"})
    with pytest.raises(UserError, match=r"contains p1/input\.0\.txt twice"):
        open_tests(tmp_path / name, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob(".*")), "nothing half-written is left"


def test_nothing_at_all_and_other_files(tmp_path: Path) -> None:
    assert not open_tests(tmp_path / "missing", tmp_path).has(("p1", "input", "0"))
    (tmp_path / "tests.rar").write_bytes(b"")
    with pytest.raises(UserError, match="not a folder and not an archive"):
        open_tests(tmp_path / "tests.rar", tmp_path)


@given(st.text(alphabet="./\\ap1_0-\x00 input.outputtxt"), st.sampled_from(["", "p1/input.0.txt", "/output.1.txt"]))
def test_no_name_leads_anywhere(before: str, after: str) -> None:
    key = key_of(before + after)
    if key is not None:
        assert ".." not in (before + after).split("/")
        assert not any(set(part) & set("/.\\\x00 ") for part in key)
