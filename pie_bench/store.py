"""What all runs share: measurements and answers, content-addressed, in SQLite."""

from __future__ import annotations

import functools
import json
import os
import sqlite3
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote

from pie_bench.errors import UserError
from pie_bench.run.guard import GuardFinding
from pie_bench.run.measurement import Measurement, Profile
from pie_bench.run.verdict import Verdict

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T", bound="Measurement | Profile | Verdict | GuardFinding")

_TIMEOUT_SECONDS = 60  # how long to wait for another process's write
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
CREATE TABLE IF NOT EXISTS verdict (key TEXT NOT NULL PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS finding (key TEXT NOT NULL PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
"""
Table = Literal["measurement", "profile", "verdict", "finding"]
_KEYS: Mapping[Table, tuple[str, ...]] = {
    "measurement": ("binary_sha256", "input_sha256", "simulation_id"),
    "profile": ("code_sha256", "input_sha256", "environment_id"),
    "verdict": ("key",),
    "finding": ("key",),
}


class MeasurementStore:
    """Measurements by (binary, input, simulation), profiles by (source text, input, environment), verdicts and guards'
    findings by all that decides them (`execution/known.py`). Safe for several threads and processes.

    If the file cannot be written, this warns once, and new measurements are known to this object only. A read-only file
    is still read.
    """

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock()
        self._connection, self._writable = _open_database(path, _SCHEMA, "measurement store")
        if self._writable:  # what a power cut loses is merely measured again
            self._connection.execute("PRAGMA synchronous=NORMAL")
        self._unwritten: dict[tuple[str, tuple[str, ...]], str] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened_once, (self.path,)

    def get(self, binary_sha256: str, input_sha256s: Sequence[str], simulation_id: str) -> dict[str, Measurement]:
        """Known measurements of a program on these inputs, by the hash of the input."""
        texts = self.find("measurement", [(binary_sha256, key, simulation_id) for key in input_sha256s])
        found = {key: _record(text, Measurement) for key, text in zip(input_sha256s, texts, strict=True)}
        return {key: measurement for key, measurement in found.items() if measurement is not None}

    def put(self, measurement: Measurement) -> None:
        """Stores a measurement at once. An `infra_error` says nothing about the program and is not stored."""
        if measurement.outcome == "infra_error":
            return
        key = (measurement.binary_sha256, measurement.input_sha256, measurement.simulation_id)
        self.keep("measurement", [(*key, _text(measurement))])

    def get_profile(self, code_sha256: str, input_sha256: str, environment_id: str) -> Profile | None:
        """The profile of a program on an input, if known."""
        return _record(self.find("profile", [(code_sha256, input_sha256, environment_id)])[0], Profile)

    def put_profile(self, profile: Profile) -> None:
        """Stores a profile at once."""
        key = (profile.code_sha256, profile.input_sha256, profile.environment_id)
        self.keep("profile", [(*key, _text(profile))])

    def get_verdict(self, key: str) -> Verdict | None:
        """The verdict under a key, whichever pair and sample it was first made for."""
        return _record(self.find("verdict", [(key,)])[0], Verdict)

    def put_verdict(self, key: str, verdict: Verdict) -> None:
        """Stores a verdict at once."""
        self.keep("verdict", [(key, _text(verdict))])

    def get_finding(self, key: str) -> GuardFinding | None:
        """The guards' finding under a key, whichever sample it was first made for."""
        return _record(self.find("finding", [(key,)])[0], GuardFinding)

    def put_finding(self, key: str, finding: GuardFinding) -> None:
        """Stores a finding at once."""
        self.keep("finding", [(key, _text(finding))])

    def find(self, table: Table, keys: Sequence[tuple[str, ...]]) -> list[str | None]:
        """The records under these keys, as JSON; None for those not found."""
        condition = " AND ".join(f"{name}=?" for name in _KEYS[table])
        query = f"SELECT record FROM {table} WHERE {condition}"
        found = []
        with self._lock:
            for key in keys:
                text = self._unwritten.get((table, key))
                if text is None:
                    with suppress(sqlite3.OperationalError):  # a read-only file from before this table existed
                        text = next(iter(self._connection.execute(query, key).fetchone() or ()), None)
                found.append(text)
        return found

    def keep(self, table: Table, rows: Sequence[tuple[str, ...]]) -> None:
        """Stores rows, each a key followed by its record as JSON, in one write."""
        with self._lock:
            if self._writable:
                statement = f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * (len(_KEYS[table]) + 1))})"
                try:
                    with self._connection:
                        self._connection.executemany(statement, rows)
                    return
                except sqlite3.OperationalError as error:
                    self._writable = False
                    _warn(f"{self.path}: measurements are no longer kept for other runs ({error})")
            self._unwritten.update(((table, key), text) for *key_parts, text in rows for key in [tuple(key_parts)])

    def close(self) -> None:
        self._connection.close()


@functools.cache
def _opened_once(path: Path) -> MeasurementStore:
    return MeasurementStore(path)


def _text(record: Measurement | Profile | Verdict | GuardFinding) -> str:
    return json.dumps(asdict(record))


def _record(text: str | None, kind: type[T]) -> T | None:
    """The record in a row; None if there is none or it is damaged, which counts as missing."""
    from pydantic import ValidationError

    try:
        return None if text is None else _adapter(kind).validate_json(text)  # type: ignore[arg-type]  # functools.cache
    except ValidationError:
        return None


@functools.cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


_GENERATION_SCHEMA = """
CREATE TABLE IF NOT EXISTS generation (key TEXT NOT NULL PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID
"""


class GenerationStore:
    """Completions by the hash of all that decides them. The first one stored stays. Safe for several processes."""

    def __init__(self, path: Path):
        self._path = path
        self._connection, self.writable = _open_database(path, _GENERATION_SCHEMA, "generation store")
        # Runs store answers too: what a power cut loses here is merely asked for again by another run.
        self._connection.execute("PRAGMA synchronous=NORMAL")

    def get(self, key: str) -> dict[str, Any] | None:
        row = self._connection.execute("SELECT record FROM generation WHERE key=?", (key,)).fetchone()
        try:
            record = json.loads(row[0]) if row is not None else None
        except (ValueError, RecursionError):  # damaged: treat it as missing
            return None
        return record if isinstance(record, dict) else None

    def put(self, key: str, record: Mapping[str, Any]) -> None:
        """Stores a completion at once. If writing fails, this warns once: runs keep their own answers."""
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


# The stores of a cache folder. Measurements made without a sandbox never mix with the rest.
_STORES = {
    "measurements.sqlite": _SCHEMA,
    "measurements-unsafe.sqlite": _SCHEMA,
    "generations.sqlite": _GENERATION_SCHEMA,
}
_KINDS: Mapping[str, type[Measurement] | type[Profile] | type[Verdict] | type[GuardFinding] | None] = {
    "measurement": Measurement,
    "profile": Profile,
    "verdict": Verdict,
    "finding": GuardFinding,
    "generation": None,  # answers may legitimately differ: the first one stored stays
}


def merge_stores(sources: Sequence[Path], into: Path) -> dict[str, dict[str, int]]:
    """Copies the records in the stores of other cache folders into those of `into`; returns how many were added, by
    file and table.

    UserError, with nothing copied, for a folder without a store, a store that cannot be read or written, and two
    differing records of one measurement (the same program, input and simulator must always give the same).
    """
    found = {name: [folder / name for folder in sources if (folder / name).is_file()] for name in _STORES}
    for folder in sources:
        if folder.resolve() == into.resolve():
            raise UserError(f"{folder}: is the folder to copy into; give cache folders of other machines")
        if not any(folder / name in paths for name, paths in found.items()):
            raise UserError(f"{folder}: not a cache folder (it has none of {', '.join(_STORES)})")
    added: dict[str, dict[str, int]] = {}
    with ExitStack() as stack:
        targets = []
        for name, paths in found.items():
            if not paths:
                continue
            target, writable = _open_database(into / name, _STORES[name], "store")
            stack.enter_context(closing(target))
            if not writable:
                raise UserError(f"{into / name}: cannot be written; give another --into")
            targets.append(target)
            target.execute("BEGIN IMMEDIATE")
            added[name] = {}
            for path in paths:
                for table, count in _copied(path, target).items():
                    added[name][table] = added[name].get(table, 0) + count
        for target in targets:
            target.commit()
    return added


def _copied(path: Path, target: sqlite3.Connection) -> dict[str, int]:
    """Copies a store's records; returns how many were new to the target, by table."""
    added = {}
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)) as source:
            tables = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type='table'")}
            for table in sorted(tables & _KINDS.keys()):
                columns = [name for _, name, *_ in target.execute(f"PRAGMA table_info({table})")]
                rows = source.execute(f"SELECT {', '.join(columns)} FROM {table}")
                added[table] = sum(_copy_row(table, columns, row, path, target) for row in rows)
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"{path}: cannot be read as a store ({error}); leave its folder out, or copy it again"
        ) from None
    return added


def _copy_row(table: str, columns: Sequence[str], row: tuple[str, ...], path: Path, target: sqlite3.Connection) -> bool:
    """Copies a row; returns whether it was new. The last column is the record, the others its key."""
    *key, theirs = row
    condition = " AND ".join(f"{name}=?" for name in columns[:-1])
    known = target.execute(f"SELECT record FROM {table} WHERE {condition}", key).fetchone()
    kind = _KINDS[table]
    if known is not None and (kind is None or known[0] == theirs):
        return False
    if known is not None and kind is not None:
        records = _record(theirs, kind), _record(known[0], kind)
        if records[0] is None or records[0] == records[1]:
            return False
        if records[1] is not None:
            what = ", ".join(f"{name} {value[:12]}" for name, value in zip(columns[:-1], key, strict=True))
            raise UserError(
                f"{path}: its {table} differs from the known one for {what}: one of the two machines measures wrongly; "
                "run pie-bench doctor on both"
            )
    target.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    return True


def _open_database(path: Path, schema: str, what: str) -> tuple[sqlite3.Connection, bool]:
    """Opens the database; returns it, and whether it is writable (warning if not). UserError for an invalid file."""
    network = _network_file_system(path)
    if network is not None:
        _warn(
            f"{path}: on a network file system ({network}), where several machines can damage an SQLite file; "
            "set PIE_BENCH_CACHE to a folder of this machine, and join stores with: pie-bench store merge"
        )
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return _prepared(sqlite3.connect(path, check_same_thread=False, timeout=_TIMEOUT_SECONDS), schema), True
        except (sqlite3.OperationalError, OSError) as error:
            _warn(f"{path}: the {what} cannot be written ({error}); is the disk full or the folder read-only?")
            return _to_read(path, schema), False
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path}: not a usable {what} ({error}); delete it to start over") from None


def _prepared(connection: sqlite3.Connection, schema: str) -> sqlite3.Connection:
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(schema)
        connection.execute("BEGIN IMMEDIATE")  # fails if nothing can be written
        connection.rollback()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _to_read(path: Path, schema: str) -> sqlite3.Connection:
    """The file, read-only, or an empty database in memory."""
    if path.is_file() and os.access(path, os.R_OK) and path.stat().st_size:
        # immutable: in a folder that is not writable, no other process can be writing
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


_NETWORK = ("9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "orangefs", "smb", "sshfs")


def _network_file_system(path: Path) -> str | None:
    """The type of the network file system that a path is on; None if it is local, or unknown."""
    try:
        return network_type(Path("/proc/self/mountinfo").read_text(errors="replace"), path.resolve())
    except OSError:
        return None


def network_type(mounts: str, path: Path) -> str | None:
    """The type of the network file system that a path is on, by the text of `/proc/self/mountinfo` (proc(5))."""
    found, depth = "", -1
    for line in mounts.splitlines():
        fields, _, more = line.partition(" - ")
        if len(fields.split()) < 5 or not more:
            continue
        # Blanks in names are escaped as octal numbers.
        point = Path(fields.split()[4].encode().decode("unicode_escape", "replace"))
        if path.is_relative_to(point) and len(point.parts) >= depth:  # the last mount on a folder hides earlier ones
            found, depth = more.split()[0], len(point.parts)
    names = found.removeprefix("fuse.")
    return found if names.startswith(_NETWORK) else None


def _warn(what: str) -> None:
    print(f"pie-bench: warning: {what}", file=sys.stderr)
