"""The published files: where they are, whether those that arrived are whole, and where they belong.

Nobody publishes checksums of PIE's files. So the sums of the first arrival are kept beside them (`SHA256SUMS`, as
sha256sum writes it) and every later one is held against those; a list that comes with the files counts before that.
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
    """A file in its place. `sha256` was compared with `known_from`, or is the first known of it (None).

    `rows` (of a split) may differ from the paper's `expected_rows`: then it is a part, or another version.
    """

    name: str
    sha256: str
    known_from: str | None
    rows: int | None = None
    expected_rows: int | None = None


def wanted_files(spec: DatasetSpec) -> list[tuple[str, ...]]:
    """The names that each file of the dataset may have: the splits, and the tests as an archive."""
    splits = [tuple(f"{name}.jsonl" for name in spec.splits[split]) for split in SPLITS if split in spec.splits]
    return [*splits, tuple(spec.tests + ending for ending in ARCHIVES)]


def lay_out(spec: DatasetSpec, source: str, target: Path) -> list[Arrived]:
    """Copies or downloads the dataset's files from a folder or URL to the folder `target`, each verified first.

    A file that is in place already is verified and not fetched again; a broken download is continued. Raises UserError
    when a file is not what its sum says (it is not put in place), nothing is to be had, or the connection fails.
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
        raise UserError(f"{source}: holds none of {', '.join(names[0] for names in wanted_files(spec))}")
    return arrived


def verify(spec: DatasetSpec, target: Path) -> list[Arrived]:
    """The dataset's files that are in `target`, held against what is known of them. UserError for one that changed."""
    present = [name for names in wanted_files(spec) for name in names if (target / name).is_file()]
    return [_settled(spec, target, name, spec.published.sha256, "the published sums") for name in present]


def _settled(spec: DatasetSpec, target: Path, name: str, published: dict[str, str], source: str) -> Arrived:
    """Verifies a file and puts it in place, noting its sum."""
    part, final = target / f"{name}.part", target / name
    path = final if final.is_file() else part
    digest = _sha256(path)
    recorded = read_sums(target / SUMS)
    known_from = source if name in published else SUMS if name in recorded else None
    known = published.get(name) or recorded.get(name)
    if known is not None and known != digest:
        raise UserError(
            f"{path}: is not the file that {known_from} lists: its sha256 is {digest[:16]}…, expected {known[:16]}…; "
            f"delete it and fetch it again (a new version on purpose: delete its line in {target / SUMS})"
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
    """File name to sha256, from a list as sha256sum writes it; none where there is no list."""
    return _parsed_sums(path.read_text(), str(path)) if path.is_file() else {}


def _parsed_sums(text: str, where: str) -> dict[str, str]:
    sums = {}
    for number, line in enumerate(text.splitlines(), start=1):
        digest, _, name = line.partition(" ")
        if len(digest) != 64 or not name.strip():
            raise UserError(f"{where}:{number}: not a line of sha256sum's; expected <sha256>  <file name>")
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
        """Whether the file is there; if so, it is now at `part`."""
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

        # One byte less than there is: a server has nothing to say about a range behind the end.
        begun = max(0, part.stat().st_size - 1) if part.is_file() else 0
        with self._open(name, begun) as answer:
            if answer is None:
                return False
            if answer.status == 206:
                os.truncate(part, begun)
            else:  # the server begins anew
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
        """The answer to a request, to be closed; one that gives None when there is no such file."""
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
    """Where the published files are and what to do with them, line by line."""
    if not spec.published.places:
        yield f"dataset {spec.dataset}: nothing is published under this name"
        return
    yield "PIE's files are on Google Drive, which has to be asked by hand (links of https://github.com/LearningOpt/pie):"
    for place in spec.published.places:
        yield f"  {place.what}"
        yield f"    {place.url}"
    where = target or "DIR"
    yield "put what you downloaded into one folder, archives as they are, then:"
    yield f"  pie-bench dataset fetch --from FOLDER --to {where}"
    yield f"  export PIE_DATA_DIR={where}"
