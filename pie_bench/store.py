"""What is shared by all runs: measurements and answers, content addressed, in SQLite."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from collections.abc import Mapping, Sequence
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
