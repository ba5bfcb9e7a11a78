"""Tests as files: `PROBLEM/input.N.txt` and `output.N.txt` in a folder, a zip, a tar or a compressed tar.

An archive is read in place: 200,000 small files are never unpacked. Only names of that form count, whatever else an
archive contains, so no name can escape.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from pie_bench.errors import UserError
from pie_bench.hashing import hash_of

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_TEST_NAME = re.compile(r"(?:[^/]+/)*([A-Za-z0-9_-]+)/(input|output)\.([A-Za-z0-9_-]+)\.txt")

Key = tuple[str, str, str]  # problem id, "input" or "output", test id


class StoredTests(Protocol):
    """The tests of a dataset. `where` names a file for messages."""

    def has(self, key: Key) -> bool: ...

    def read(self, key: Key) -> bytes: ...

    def where(self, key: Key) -> str: ...

    def test_ids(self, problem_id: str) -> list[str]:
        """The ids of tests that have both files, in numeric order."""
        ...


def open_tests(path: Path, cache_dir: Path) -> StoredTests:
    """The tests at `path`: a folder, an archive, or the name of either without its extension.

    `cache_dir`/tests caches what is slow to compute: the index of a tar; for a compressed tar, its tests as a zip.
    Raises UserError for an archive that is unreadable or contains no tests.
    """
    if path.is_dir():
        return _Folder(path)
    archive = path
    if not archive.is_file():
        found = [path.with_name(path.name + ending) for ending in ARCHIVES]
        archive = next((candidate for candidate in found if candidate.is_file()), path)
    if not archive.is_file():
        return _Folder(path)  # all tests are missing, and each will be reported
    try:
        if archive.name.endswith(".zip"):
            return _Zip(archive)
        if archive.name.endswith(".tar"):
            return _Tar(archive, cache_dir / "tests" / f"{_identity(archive)}.json")
        if archive.name.endswith(ARCHIVES):
            return _Zip(_rewritten(archive, cache_dir / "tests" / f"{_identity(archive)}.zip"), archive.name)
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{archive}: cannot be read ({said}); fetch it again") from None
    raise UserError(f"{archive}: not a folder and not an archive of tests (expected {', '.join(ARCHIVES)})")


def key_of(name: str) -> Key | None:
    """The test file that an archive's member is; None for anything else, and for names with `..` or a root."""
    match = _TEST_NAME.fullmatch(name.removeprefix("./"))
    if match is None or ".." in name.split("/"):
        return None
    return match[1], match[2], match[3]


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def _file(self, key: Key) -> Path:
        return self._path / key[0] / f"{key[1]}.{key[2]}.txt"

    def has(self, key: Key) -> bool:
        return key_of("/".join((key[0], self._file(key).name))) == key and self._file(key).is_file()

    def read(self, key: Key) -> bytes:
        return self._file(key).read_bytes()

    def where(self, key: Key) -> str:
        return f"{self._path.name}/{key[0]}/{key[1]}.{key[2]}.txt"

    def test_ids(self, problem_id: str) -> list[str]:
        folder = self._path / problem_id
        names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
        return _complete(key for name in names if (key := key_of(f"{problem_id}/{name}")))


class _Archive:
    """What zip and tar share: an index from key to the file's position."""

    _names: dict[Key, Any]

    def __init__(self, name: str) -> None:
        self._name = name
        self._ids: dict[str, list[str]] = {}
        by_problem: dict[str, list[Key]] = {}
        for key in self._names:
            by_problem.setdefault(key[0], []).append(key)
        for problem_id, keys in by_problem.items():
            self._ids[problem_id] = _complete(iter(keys))

    def has(self, key: Key) -> bool:
        return key in self._names

    def where(self, key: Key) -> str:
        return f"{self._name}: {key[0]}/{key[1]}.{key[2]}.txt"

    def test_ids(self, problem_id: str) -> list[str]:
        return self._ids.get(problem_id, [])


class _Zip(_Archive):
    def __init__(self, path: Path, name: str | None = None) -> None:
        self._zip = zipfile.ZipFile(path)  # thread-safe for reading
        members = ((info.filename, info) for info in self._zip.infolist() if not info.is_dir())
        self._names = _unique(members, path)
        super().__init__(name or path.name)

    def read(self, key: Key) -> bytes:
        return self._zip.read(self._names[key])


class _Tar(_Archive):
    """An uncompressed tar, read at the offsets of its members."""

    def __init__(self, path: Path, index: Path) -> None:
        if index.is_file():
            known = json.loads(index.read_text())
        else:
            with tarfile.open(path, "r:") as tar:
                known = [(m.name, [m.offset_data, m.size]) for m in _progress(tar, path) if m.isreg()]
            known = [entry for entry in known if key_of(entry[0])]
            index.parent.mkdir(parents=True, exist_ok=True)
            temporary = index.with_name(f".{index.name}.{os.getpid()}")
            temporary.write_text(json.dumps(known))
            temporary.replace(index)
        self._names = _unique(((name, tuple(place)) for name, place in known), path)
        self._file = path.open("rb")
        super().__init__(path.name)

    def read(self, key: Key) -> bytes:
        offset, size = self._names[key]
        return os.pread(self._file.fileno(), size, offset)


def _unique(members: Iterator[tuple[str, Any]], path: Path) -> dict[Key, Any]:
    """The archive's tests by key. UserError if there are none, or if a name occurs twice, which would be ambiguous."""
    names: dict[Key, Any] = {}
    first: dict[Key, str] = {}
    for name, place in members:
        key = key_of(name)
        if key is None or name.startswith("__MACOSX/"):
            continue
        if key in names:
            raise UserError(f"{path}: contains {'/'.join(key[:2])}.{key[2]}.txt twice: {first[key]} and {name}")
        names[key], first[key] = place, name
    if not names:
        raise UserError(f"{path}: contains no tests (expected PROBLEM/input.N.txt and PROBLEM/output.N.txt)")
    return names


def _rewritten(archive: Path, target: Path) -> Path:
    """Converts a compressed tar, which has no random access, to a zip of its tests in one pass."""
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with (
                tarfile.open(archive, "r|*") as tar,
                zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, True) as out,
            ):
                for member in _progress(tar, archive):
                    if member.isreg() and key_of(member.name):
                        with _member(tar, member) as file:
                            out.writestr(member.name.removeprefix("./"), file.read())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    return target


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    assert file is not None, "a regular file"
    return file


def _progress(tar: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    from tqdm import tqdm

    yield from tqdm(tar, desc=f"reading {path.name} once", unit="file", delay=2, disable=None)


def _complete(keys: Iterator[Key]) -> list[str]:
    """Test ids with both an input and an output."""
    kinds: dict[str, set[str]] = {}
    for _, kind, test_id in keys:
        kinds.setdefault(test_id, set()).add(kind)
    both = [test_id for test_id, found in kinds.items() if len(found) == 2]
    return sorted(both, key=lambda test_id: (not test_id.isdigit(), int(test_id) if test_id.isdigit() else 0, test_id))


def _identity(path: Path) -> str:
    status = path.stat()
    return hash_of([str(path.resolve()), status.st_size, status.st_mtime_ns])[:32]
