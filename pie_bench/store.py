"""What is kept: measurements and generations (SQLite, content addressed, shared by all runs) and a run's folder
(append-only JSONL)."""

from __future__ import annotations

import fcntl
import json
import math
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pie_bench.errors import UserError
from pie_bench.run.measurement import Measurement

_SCHEMA = """
CREATE TABLE IF NOT EXISTS measurement (
    binary_sha256 TEXT NOT NULL,
    input_sha256 TEXT NOT NULL,
    simulation_id TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (binary_sha256, input_sha256, simulation_id)
) WITHOUT ROWID
"""


class MeasurementStore:
    """Measurements by (binary, input, simulation). Safe for several threads and several processes."""

    def __init__(self, path: Path):
        self._lock = threading.Lock()
        self._connection = _open_database(path, _SCHEMA, "measurement store")

    def get(self, binary_sha256: str, input_sha256s: Sequence[str], simulation_id: str) -> dict[str, Measurement]:
        """What is known of a program on these inputs, by the input's sum."""
        query = "SELECT record FROM measurement WHERE binary_sha256=? AND input_sha256=? AND simulation_id=?"
        known = {}
        with self._lock:
            for input_sha256 in input_sha256s:
                row = self._connection.execute(query, (binary_sha256, input_sha256, simulation_id)).fetchone()
                measurement = None if row is None else _measurement(row[0])
                if measurement is not None:
                    known[input_sha256] = measurement
        return known

    def put(self, measurement: Measurement) -> None:
        """Keeps a measurement, at once. An `infra_error` says nothing about the program and is not kept."""
        if measurement.outcome == "infra_error":
            return
        key = (measurement.binary_sha256, measurement.input_sha256, measurement.simulation_id)
        with self._lock, self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO measurement VALUES (?, ?, ?, ?)", (*key, json.dumps(asdict(measurement)))
            )

    def close(self) -> None:
        self._connection.close()


def _measurement(record: str) -> Measurement | None:
    """The measurement in a row; None for a damaged one, as if it had not been kept."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Measurement).validate_json(record)
    except ValidationError:
        return None


_GENERATION_SCHEMA = """
CREATE TABLE IF NOT EXISTS generation (key TEXT NOT NULL PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID
"""


class GenerationStore:
    """Completions by the hash of all that decides them. The first one kept stays. Safe for several processes."""

    def __init__(self, path: Path):
        self._path = path
        self._connection = _open_database(path, _GENERATION_SCHEMA, "generation store")
        # A run's folder has them too: what a power cut takes from here is only asked for again by another run.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self.writable = True

    def get(self, key: str) -> dict[str, Any] | None:
        row = self._connection.execute("SELECT record FROM generation WHERE key=?", (key,)).fetchone()
        try:
            record = json.loads(row[0]) if row is not None else None
        except (ValueError, RecursionError):  # damaged: as if it had not been kept
            return None
        return record if isinstance(record, dict) else None

    def put(self, key: str, record: Mapping[str, Any]) -> None:
        """Keeps a completion, at once. Where it cannot be written any more that is said once: runs keep their own."""
        if not self.writable:
            return
        try:
            with self._connection:
                self._connection.execute("INSERT OR IGNORE INTO generation VALUES (?, ?)", (key, json.dumps(record)))
        except sqlite3.OperationalError as error:
            self.writable = False
            print(f"pie-bench: answers are no longer shared with other runs: {self._path}: {error}", file=sys.stderr)

    def close(self) -> None:
        self._connection.close()


def _open_database(path: Path, schema: str, what: str) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, check_same_thread=False, timeout=60)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(schema)
        connection.commit()
    except sqlite3.OperationalError as error:
        raise UserError(f"{path}: the {what} cannot be opened ({error}); is there room, and leave to write?") from None
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path}: not a usable {what} ({error}); delete it to start anew") from None
    return connection


Types = Mapping[str, tuple[type, ...]]
_NONE = type(None)
_MANIFEST: Mapping[str, Types] = {
    "": {
        **{"settings": (dict,), "identity": (dict,), "generation": (dict, _NONE), "execution": (dict, _NONE)},
        **{"provider": (dict, _NONE), "created": (str, _NONE), "cpu_seconds": (int, float, _NONE)},
    },
    "generation": {"model_resolved": (str,), "examples": (dict,)},
    "execution": {"name": (str,), "environment_id": (str,), "facts": (dict,), "sandbox": (str,)},
}


def wrong_field(record: Any, types: Types) -> str | None:
    """What is wrong with a record, in words: a field of a type that is none of its own. One that is absent is None."""
    if not isinstance(record, dict):
        return f"it is {type(record).__name__}, not an object"
    for name, expected in types.items():
        value = record.get(name)
        if type(value) not in expected or (isinstance(value, float) and not math.isfinite(value)):
            wrong = f"{value!r:.40} is not of type {expected[0].__name__}" if name in record else "missing"
            return f"{name}: {wrong}"
    return None


class RunDirectory:
    """A run's folder: `manifest.json`, `generations.jsonl`, `verdicts.jsonl`, `results.json`."""

    def __init__(self, path: Path):
        self.path = path
        self.manifest_path = path / "manifest.json"
        self.generations_path = path / "generations.jsonl"
        self.verdicts_path = path / "verdicts.jsonl"
        self.guards_path = path / "guards.jsonl"
        self.results_path = path / "results.json"
        self._lock = threading.Lock()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second process out of the folder while this one writes to it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UserError(f"{self.path}: another process is working in this run directory; wait for it") from None
            try:
                yield
            finally:
                if not self.manifest_path.exists():  # nothing was begun: leave no trace
                    (self.path / ".lock").unlink()
                    with suppress(OSError):
                        self.path.rmdir()

    def append(self, path: Path, record: Mapping[str, Any]) -> None:
        """Adds one line, whole or not at all as far as a reader can tell (see `read_jsonl`).

        UserError when it cannot be written (a full disk): nothing of it is left, and the file stays usable.
        """
        line = json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n"
        with self._lock:
            size = None
            try:
                with path.open("ab", buffering=0) as file:
                    size = file.tell()
                    data = line.encode("utf-8", "surrogatepass")
                    while data:
                        data = data[file.write(data) :]
            except OSError as error:
                if size is not None:
                    with suppress(OSError):
                        os.truncate(path, size)
                raise _cannot_write(path, error) from None

    def manifest(self) -> dict[str, Any]:
        """The manifest; UserError when this is no run directory, or it is damaged."""
        try:
            manifest = json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{self.path}: not a run directory (no manifest.json)") from None
        except json.JSONDecodeError as error:
            raise UserError(f"{self.manifest_path}:{error.lineno}: broken JSON: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self.manifest_path}: broken JSON: {error}") from None
        for where, types in _MANIFEST.items():
            part = manifest.get(where) if where and isinstance(manifest, dict) else manifest
            problem = wrong_field(part, types) if part is not None or not where else None
            if problem is not None:
                raise UserError(f"{self.manifest_path}: {where + '.' if where else ''}{problem}")
        return manifest


def write_json(path: Path, value: Any) -> None:
    """Stable JSON (sorted keys), in place all at once: a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What UTF-8 has no bytes for (half a surrogate pair) becomes JSON's own escape of it.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise _cannot_write(path, error) from None


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be written ({error.strerror}); mend that, then the same command continues")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The records of an append-only file; none when there is no file.

    A last line without its newline is what a killed process left: it is cut off, the file is whole again. Any other
    line that is not a JSON object is a UserError with file and line.
    """
    return list(iter_jsonl(path))


def iter_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """`read_jsonl` one record at a time: for files larger than what should be in memory."""
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


def read_records(path: Path, types: Types) -> list[dict[str, Any]]:
    """`read_jsonl` of records with fields of these types; UserError with file, line and field else."""
    records = []
    for number, record in enumerate(iter_jsonl(path), start=1):
        problem = wrong_field(record, types)
        if problem is not None:
            raise UserError(f"{path}:{number}: {problem}")
        records.append(record)
    return records


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
