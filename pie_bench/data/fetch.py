"""The published files: where to get them, whether they arrived intact, and where they belong.

Nobody publishes checksums of PIE's files. So the checksums of the first arrival are stored next to them (`SHA256SUMS`,
in sha256sum's format), and later arrivals are checked against these. A list that comes with the files takes precedence.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pie_bench.data.spec import SPLITS, DatasetSpec
from pie_bench.data.stored_tests import ARCHIVES
from pie_bench.errors import UserError

SUMS = "SHA256SUMS"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Arrived:
    """A file in its place. `sha256` was compared with `known_from`, or is the first one known (None).

    `rows` (of a split) may differ from the paper's `expected_rows`, for a part of it or another version.
    """

    name: str
    sha256: str
    known_from: str | None
    rows: int | None = None
    expected_rows: int | None = None


def wanted_files(spec: DatasetSpec) -> list[tuple[str, ...]]:
    """The possible names of each file of the dataset: the splits, and the archive of tests."""
    splits = [tuple(f"{name}.jsonl" for name in spec.splits[split]) for split in SPLITS if split in spec.splits]
    return [*splits, tuple(spec.tests + ending for ending in ARCHIVES)]


def lay_out(spec: DatasetSpec, source: str, target: Path) -> list[Arrived]:
    """Copies or downloads the dataset's files from a folder or URL to the folder `target`, verifying each first.

    A file already in place is verified and not fetched again; an interrupted download resumes. Raises UserError if a
    file does not match its checksum (it is not put in place), if nothing is found, or if the connection fails.
    """
    target.mkdir(parents=True, exist_ok=True)
    place = _Url(source) if "://" in source else _Folder(Path(source).expanduser())
    published = {**place.sums(), **spec.published.sha256}
    arrived = []
    for names in wanted_files(spec):
        for name in names:
            if (target / name).is_file() or place.fetch(name, target / f"{name}.part"):
                arrived.append(_settled(spec, target, name, published, source))
                break
    if not arrived:
        raise UserError(f"{source}: contains none of {', '.join(names[0] for names in wanted_files(spec))}")
    return arrived


def verify(spec: DatasetSpec, target: Path) -> list[Arrived]:
    """Verifies the dataset's files in `target` against their known checksums. UserError for one that changed."""
    present = [name for names in wanted_files(spec) for name in names if (target / name).is_file()]
    return [_settled(spec, target, name, spec.published.sha256, "the published sums") for name in present]


def _settled(spec: DatasetSpec, target: Path, name: str, published: dict[str, str], source: str) -> Arrived:
    """Verifies a file and puts it in place, recording its checksum."""
    part, final = target / f"{name}.part", target / name
    path = final if final.is_file() else part
    digest = _sha256(path)
    recorded = read_sums(target / SUMS)
    known_from = source if name in published else SUMS if name in recorded else None
    known = published.get(name) or recorded.get(name)
    if known is not None and known != digest:
        raise UserError(
            f"{path}: is not the file that {known_from} lists: its sha256 is {digest[:16]}…, expected {known[:16]}…; "
            f"delete it and fetch it again (if it is a new version on purpose, delete its line in {target / SUMS})"
        )
    if path == part:
        part.replace(final)
    recorded[name] = digest
    lines = "".join(f"{value}  {key}\n" for key, value in sorted(recorded.items()))
    (target / SUMS).write_text(lines)
    split = next((split for split, names in spec.splits.items() if name.removesuffix(".jsonl") in names), None)
    if split is None or not name.endswith(".jsonl"):
        return Arrived(name, digest, known_from)
    return Arrived(name, digest, known_from, _rows(final), spec.published.pairs.get(split))


def read_sums(path: Path) -> dict[str, str]:
    """File name to SHA-256, from a list in sha256sum's format; empty if there is no list."""
    return _parsed_sums(path.read_text(), str(path)) if path.is_file() else {}


def _parsed_sums(text: str, where: str) -> dict[str, str]:
    sums = {}
    for number, line in enumerate(text.splitlines(), start=1):
        digest, _, name = line.partition(" ")
        if len(digest) != 64 or not name.strip():
            raise UserError(f"{where}:{number}: not in sha256sum's format; expected <sha256>  <file name>")
        sums[name.strip().lstrip("*")] = digest.lower()
    return sums


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _rows(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_dir():
            raise UserError(f"{path}: not a folder; give the folder with the downloaded files, or a URL")

    def sums(self) -> dict[str, str]:
        return read_sums(self._path / SUMS)

    def fetch(self, name: str, part: Path) -> bool:
        """Fetches the file to `part`; returns whether it exists."""
        if not (self._path / name).is_file():
            return False
        shutil.copyfile(self._path / name, part)
        return True


class _Url:
    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def sums(self) -> dict[str, str]:
        with self._open(SUMS, 0) as answer:
            return {} if answer is None else _parsed_sums(answer.read().decode(), f"{self._url}/{SUMS}")

    def fetch(self, name: str, part: Path) -> bool:
        from tqdm import tqdm

        # One byte less than there is: servers reject a range that starts at the end.
        begun = max(0, part.stat().st_size - 1) if part.is_file() else 0
        with self._open(name, begun) as answer:
            if answer is None:
                return False
            if answer.status == 206:
                os.truncate(part, begun)
            else:  # the server starts from the beginning
                begun = 0
            total = begun + int(answer.headers.get("Content-Length") or 0) or None
            bar = tqdm(total=total, initial=begun, desc=name, unit="B", unit_scale=True, disable=None, delay=1)
            try:
                with bar, part.open("ab" if begun else "wb") as file:
                    while chunk := answer.read(_CHUNK_BYTES):
                        file.write(chunk)
                        bar.update(len(chunk))
            except (OSError, ValueError) as error:
                raise self._broken(name, error) from None
        if total is not None and part.stat().st_size != total:
            raise self._broken(name, f"{part.stat().st_size} of {total} bytes")
        return True

    def _open(self, name: str, begun: int) -> Any:
        """The response, to be closed by the caller; one that yields None if there is no such file."""
        request = urllib.request.Request(f"{self._url}/{name}", headers={"Range": f"bytes={begun}-"} if begun else {})
        try:
            return closing(urllib.request.urlopen(request, timeout=60))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return nullcontext(None)
            raise self._broken(name, error) from None
        except (OSError, ValueError) as error:
            if isinstance(getattr(error, "reason", None), FileNotFoundError) or "No such file" in str(error):
                return nullcontext(None)
            raise self._broken(name, error) from None

    def _broken(self, name: str, error: object) -> UserError:
        return UserError(f"{self._url}/{name}: could not be fetched ({error}); the same command continues")


def instructions(spec: DatasetSpec, target: Path | None) -> Iterator[str]:
    """Where to get the published files and what to do with them, line by line."""
    if not spec.published.places:
        yield f"dataset {spec.dataset}: nothing is published under this name"
        return
    yield "PIE's files are on Google Drive; download them by hand (links from https://github.com/LearningOpt/pie):"
    for place in spec.published.places:
        yield f"  {place.what}"
        yield f"    {place.url}"
    where = target or "DIR"
    yield "put what you downloaded into one folder, archives as they are, then:"
    yield f"  pie-bench dataset fetch --from FOLDER --to {where}"
    yield f"  export PIE_DATA_DIR={where}"
