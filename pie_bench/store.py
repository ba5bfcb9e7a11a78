"""What is shared by all runs: measurements and answers, content addressed, in SQLite."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from pie_bench.errors import UserError
from pie_bench.run.measurement import Measurement, Profile

T = TypeVar("T", Measurement, Profile)

_TIMEOUT_SECONDS = 60  # that another process may write
_SCHEMA = """
CREATE TABLE IF NOT EXISTS measurement (
    binary_sha256 TEXT NOT NULL,
    input_sha256 TEXT NOT NULL,
    simulation_id TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (binary_sha256, input_sha256, simulation_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS profile (
    code_sha256 TEXT NOT NULL,
    input_sha256 TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (code_sha256, input_sha256, environment_id)
) WITHOUT ROWID;
"""


class MeasurementStore:
    """Measurements by (binary, input, simulation), profiles by (source text, input, environment). Safe for several
    threads and several processes.

    Where it cannot be written, that is said once; what is measured is then known to this object alone. A file that is
    read-only is read.
    """

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock()
        self._connection, self._writable = _open_database(path, _SCHEMA, "measurement store")
        self._unwritten: dict[tuple[str, str, str], Measurement | Profile] = {}

    def get(self, binary_sha256: str, input_sha256s: Sequence[str], simulation_id: str) -> dict[str, Measurement]:
        """What is known of a program on these inputs, by the input's sum."""
        query = "SELECT record FROM measurement WHERE binary_sha256=? AND input_sha256=? AND simulation_id=?"
        found = {key: self._get(query, (binary_sha256, key, simulation_id), Measurement) for key in input_sha256s}
        return {key: measurement for key, measurement in found.items() if measurement is not None}

    def put(self, measurement: Measurement) -> None:
        """Keeps a measurement, at once. An `infra_error` says nothing about the program and is not kept."""
        if measurement.outcome == "infra_error":
            return
        key = (measurement.binary_sha256, measurement.input_sha256, measurement.simulation_id)
        self._put("INSERT OR REPLACE INTO measurement VALUES (?, ?, ?, ?)", key, measurement)

    def get_profile(self, code_sha256: str, input_sha256: str, environment_id: str) -> Profile | None:
        """Where a program's cycles go on an input, if that is known."""
        query = "SELECT record FROM profile WHERE code_sha256=? AND input_sha256=? AND environment_id=?"
        return self._get(query, (code_sha256, input_sha256, environment_id), Profile)

    def put_profile(self, profile: Profile) -> None:
        """Keeps a profile, at once."""
        key = (profile.code_sha256, profile.input_sha256, profile.environment_id)
        self._put("INSERT OR REPLACE INTO profile VALUES (?, ?, ?, ?)", key, profile)

    def _get(self, query: str, key: tuple[str, str, str], kind: type[T]) -> T | None:
        with self._lock:
            unwritten = self._unwritten.get(key)
            if isinstance(unwritten, kind):
                return unwritten
            try:
                row = self._connection.execute(query, key).fetchone()
            except sqlite3.OperationalError:  # a file to be read only, of before there were profiles
                row = None
        return None if row is None else _record(row[0], kind)

    def _put(self, statement: str, key: tuple[str, str, str], record: Measurement | Profile) -> None:
        with self._lock:
            if self._writable:
                try:
                    with self._connection:
                        self._connection.execute(statement, (*key, json.dumps(asdict(record))))
                    return
                except sqlite3.OperationalError as error:
                    self._writable = False
                    _warn(f"{self.path}: measurements are no longer kept for other runs ({error})")
            self._unwritten[key] = record

    def close(self) -> None:
        self._connection.close()


def _record(text: str, kind: type[T]) -> T | None:
    """The measurement or profile in a row; None for a damaged one, as if it had not been kept."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError:
        return None


_GENERATION_SCHEMA = """
CREATE TABLE IF NOT EXISTS generation (key TEXT NOT NULL PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID
"""


class GenerationStore:
    """Completions by the hash of all that decides them. The first one kept stays. Safe for several processes."""

    def __init__(self, path: Path):
        self._path = path
        self._connection, self.writable = _open_database(path, _GENERATION_SCHEMA, "generation store")
        # A run's folder has them too: what a power cut takes from here is only asked for again by another run.
        self._connection.execute("PRAGMA synchronous=NORMAL")

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
            _warn(f"answers are no longer shared with other runs: {self._path}: {error}")

    def close(self) -> None:
        self._connection.close()


def _open_database(path: Path, schema: str, what: str) -> tuple[sqlite3.Connection, bool]:
    """The database, and whether it can be written; where it cannot, a warning. UserError for a file that is none."""
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return _prepared(sqlite3.connect(path, check_same_thread=False, timeout=_TIMEOUT_SECONDS), schema), True
        except (sqlite3.OperationalError, OSError) as error:
            _warn(f"{path}: the {what} cannot be written ({error}); is there room, and leave to write?")
            return _to_read(path, schema), False
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path}: not a usable {what} ({error}); delete it to start anew") from None


def _prepared(connection: sqlite3.Connection, schema: str) -> sqlite3.Connection:
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(schema)
        connection.execute("BEGIN IMMEDIATE")  # fails where nothing can be written
        connection.rollback()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _to_read(path: Path, schema: str) -> sqlite3.Connection:
    """The file as it is, or an empty database in memory."""
    if path.is_file() and os.access(path, os.R_OK) and path.stat().st_size:
        # immutable: one in a folder that cannot be written to has no other processes that write
        uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        try:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE type='table'").fetchone():
                return connection
        except sqlite3.OperationalError:
            pass
        connection.close()
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.executescript(schema)
    return connection


def _warn(what: str) -> None:
    print(f"pie-bench: warning: {what}", file=sys.stderr)
