"""A run's files: JSON replaced atomically, append-only JSON Lines, records read back as their types."""

from __future__ import annotations

import fcntl
import functools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pie_bench.errors import UserError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def write_json(path: Path, value: Any) -> None:
    """Writes stable JSON (sorted keys) atomically: a reader sees either the old file or the new one.

    UserError if it cannot be written (e.g. a full disk); the old file then remains.
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    # UTF-8 cannot encode a lone surrogate: write JSON's own escape for it.
    _replace(path, text.encode("utf-8", "backslashreplace"))


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes JSON Lines atomically; UserError as for `write_json`."""
    _replace(path, b"".join(map(_line, records)))


@contextmanager
def locked(folder: Path, *, cannot: Callable[[str], str], busy: str) -> Iterator[Path]:
    """Creates a folder and locks out other processes; yields the locked file.

    UserError with the caller's message: `cannot` (given the reason) if the folder cannot be written, `busy` while
    another process holds it.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise UserError(cannot(str(error.strerror))) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(busy) from None
        yield path


def _line(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n").encode("utf-8", "surrogatepass")


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise _cannot_write(path, error) from None


def append_jsonl(path: Path, record: Mapping[str, Any]) -> None:
    """Appends one line; readers see all of it or nothing (see `iter_jsonl`).

    UserError if it cannot be written (e.g. a full disk): none of it remains, and the file stays usable.
    """
    data = _line(record)
    size = None
    try:
        with path.open("ab", buffering=0) as file:
            size = file.tell()
            while data:
                data = data[file.write(data) :]
    except OSError as error:
        if size is not None:
            with suppress(OSError):
                os.truncate(path, size)
        raise _cannot_write(path, error) from None


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be written ({error.strerror}); fix that, then rerun the same command")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The records of an append-only file; none if there is no file. Errors as for `iter_jsonl`."""
    return list(iter_jsonl(path))


def iter_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The records of an append-only file, one at a time.

    A last line without a newline was left by a killed process: it is removed, which makes the file whole again. Any
    other line that is not a JSON object is a UserError with file and line.
    """
    import jsonlines

    if not path.exists():
        return
    _cut_half_line(path)
    number = 0
    with path.open("rb") as file:

        def lines() -> Iterator[str]:
            nonlocal number
            for line in file:
                number += 1
                yield line.decode("utf-8", "surrogatepass")

        try:
            yield from jsonlines.Reader(lines()).iter(type=dict)
        except jsonlines.InvalidLineError as error:
            raise UserError(f"{path}:{number}: not a record: {error.args[0]}") from None
        except UnicodeDecodeError as error:
            raise UserError(f"{path}:{number}: not UTF-8 at byte {error.start}") from None
        except RecursionError:
            raise UserError(f"{path}:{number}: not a record: nested too deeply") from None


def iter_records(path: Path, kind: type[T]) -> Iterator[T]:
    """`iter_jsonl` with each record as a `kind`; UserError with file, line and field for an invalid one."""
    for number, record in enumerate(iter_jsonl(path), start=1):
        try:
            yield validated(kind, record)
        except ValueError as error:
            raise UserError(f"{path}:{number}: {error}") from None


def validated(kind: type[T], record: Any) -> T:
    """The record as a dataclass or model; ValueError `field: what is wrong` for an invalid one."""
    from pydantic import ValidationError

    try:
        return cast(T, _adapter(kind).validate_python(record))  # type: ignore[arg-type]
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


def first_problem(error: Any) -> str:
    """`field: what is wrong`, for the first problem of a pydantic ValidationError."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(map(str, problem["loc"]))
    said = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _cut_half_line(path: Path, block_bytes: int = 1 << 20) -> None:
    with path.open("rb") as file:
        end = whole = file.seek(0, os.SEEK_END)
        while whole > 0:
            start = max(0, whole - block_bytes)
            file.seek(start)
            newline = file.read(whole - start).rfind(b"\n")
            if newline >= 0:
                whole = start + newline + 1
                break
            whole = start
    if whole != end:
        os.truncate(path, whole)
