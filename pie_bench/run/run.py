"""A run's folder: the records of one run, written as they become known and read back as their types."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any

from pie_bench.errors import PieBenchError, UserError
from pie_bench.run.files import append_jsonl, first_problem, iter_jsonl, iter_records, locked, write_json
from pie_bench.run.generation import Generation
from pie_bench.run.guard import GuardFinding
from pie_bench.run.manifest import Manifest
from pie_bench.run.results import SCHEMA_VERSION, Results
from pie_bench.run.verdict import Verdict

Key = tuple[str, str, int]  # pair id, role, sample


class Run:
    """A run's folder: `manifest.json`, `generations.jsonl`, `verdicts.jsonl`, `guards.jsonl`, `stress.jsonl` (verdicts
    on stress inputs), `results.json`.

    The JSON Lines files are append-only: one line, in one write, as soon as something is known. A partial line left by
    a killed process is removed when the file is next read. Everything read is validated: a UserError names file, line
    and field. Writing is thread-safe.
    """

    def __init__(self, path: str | PathLike[str]):
        self.path = Path(path)
        self.manifest_path = self.path / "manifest.json"
        self.generations_path = self.path / "generations.jsonl"
        self.verdicts_path = self.path / "verdicts.jsonl"
        self.guards_path = self.path / "guards.jsonl"
        self.stress_path = self.path / "stress.jsonl"
        self.results_path = self.path / "results.json"
        self._lock = threading.Lock()

    @property
    def begun(self) -> bool:
        return self.manifest_path.exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Locks other processes out of the folder while this one writes to it. UserError while another holds it."""
        with locked(
            self.path,
            cannot=lambda why: f"{self.path}: cannot store a run there ({why}); give another --run-dir",
            busy=f"{self.path}: another process is working in this run directory; wait for it",
        ) as lock:
            try:
                yield
            finally:
                if not self.begun:  # leave no trace if nothing was begun
                    lock.unlink(missing_ok=True)
                    with suppress(OSError):
                        self.path.rmdir()

    def read_manifest(self) -> Manifest:
        """The manifest; UserError if this is not a run directory, or the file is damaged."""
        from pydantic import ValidationError

        try:
            manifest = json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(f"{self.path}: not a run directory (no manifest.json)") from None
        except json.JSONDecodeError as error:
            raise UserError(f"{self.manifest_path}:{error.lineno}: broken JSON: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self.manifest_path}: broken JSON: {error}") from None
        try:
            return Manifest.model_validate(manifest)
        except ValidationError as error:
            raise UserError(f"{self.manifest_path}: {first_problem(error)}") from None

    def write_manifest(self, manifest: Manifest) -> None:
        write_json(self.manifest_path, manifest.to_json())

    def settle(self, part: str, value: Mapping[str, Any]) -> None:
        """Records a part of the manifest that is only known later (`generation`, `execution`); it must never change."""
        with self._lock:
            data = self.read_manifest().to_json()
            known = data.setdefault(part, dict(value))
            if known != value:
                what = next(name for name in sorted({*known, *value}) if known.get(name) != value.get(name))
                raise UserError(
                    f"{self.path}: was begun with {part}.{what} = {known.get(what)!r}, now it is {value.get(what)!r}; "
                    "give another --run-dir"
                )
            write_json(self.manifest_path, data)

    def note(self, part: str, value: Mapping[str, Any]) -> None:
        """Adds to a part of the manifest that may grow between commands (`provider`, `simulators`)."""
        with self._lock:
            data = self.read_manifest().to_json()
            known = data.get(part) or {}
            if value and known != {**known, **value}:
                write_json(self.manifest_path, data | {part: {**known, **value}})

    def note_plugin(self, plugin: Mapping[str, str] | None) -> None:
        """Adds a plug-in, with its version, that turns out to take part later."""
        with self._lock:
            data = self.read_manifest().to_json()
            known = data.get("plugins") or []
            if plugin is not None and plugin not in known:
                versions = {**data.get("versions", {}), plugin["package"]: plugin["version"]}
                write_json(self.manifest_path, data | {"plugins": [*known, dict(plugin)], "versions": versions})

    def note_cpu_seconds(self, seconds: float | None) -> None:
        """Replaces the CPU time used so far; None: unknown."""
        with self._lock:
            write_json(self.manifest_path, self.read_manifest().to_json() | {"cpu_seconds": seconds})

    def append(self, record: Generation | Verdict | GuardFinding, *, stress: bool = False) -> None:
        """Appends a record to its file (verdicts on stress inputs to theirs), entirely or not at all; UserError if it
        cannot be written."""
        verdicts = self.stress_path if stress else self.verdicts_path
        paths = {Generation: self.generations_path, Verdict: verdicts, GuardFinding: self.guards_path}
        data = record.to_json()
        if isinstance(record, Verdict):  # an unreadable record would break every later command on the run
            try:
                Verdict.from_json(data)
            except ValueError as error:
                raise PieBenchError(f"{self.verdicts_path}: pair {record.pair_id}: not a verdict: {error}") from None
        with self._lock:
            append_jsonl(paths[type(record)], data)

    def read_generations(self) -> dict[tuple[str, int], Generation]:
        """The generations, by pair and sample."""
        return {record.key: record for record in iter_records(self.generations_path, Generation)}

    def read_verdicts(self, *, with_tests: bool = True, stress: bool = False) -> dict[Key, Verdict]:
        """The verdicts by pair, role and sample; the last one counts. An `infra_error` counts as no verdict.

        `with_tests=False` omits the results of single tests: a run has up to a million. `stress`: those on stress
        inputs.
        """
        path = self.stress_path if stress else self.verdicts_path
        verdicts: dict[Key, Verdict] = {}
        for number, record in enumerate(iter_jsonl(path), start=1):
            try:
                verdict = Verdict.from_json(record, with_tests=with_tests)
            except ValueError as error:
                raise UserError(f"{path}:{number}: not a verdict: {error}") from None
            verdicts[verdict.key] = verdict
        return verdicts

    def read_guard_findings(self) -> list[GuardFinding]:
        """The guards' findings, in the order they were found."""
        return list(iter_records(self.guards_path, GuardFinding))

    def read_results(self) -> Results:
        """`results.json`; UserError with the remedy if it is missing, broken or of another version."""
        from pydantic import ValidationError

        self.read_manifest()
        remedy = f"run: pie-bench score {self.path}"
        try:
            data = self.results_path.read_bytes()
        except FileNotFoundError:
            raise UserError(f"{self.path}: no results.json yet; {remedy}") from None
        try:
            version = json.loads(data)["schema_version"]
        except (ValueError, KeyError, TypeError, RecursionError):
            version = SCHEMA_VERSION
        if version != SCHEMA_VERSION:
            newer = isinstance(version, int) and version > SCHEMA_VERSION
            raise UserError(
                f"{self.results_path}: of version {version!r:.20}, this pie_bench reads {SCHEMA_VERSION}; "
                + ("update pie_bench" if newer else remedy)
            )
        try:
            return Results.model_validate_json(data)
        except ValidationError as error:
            raise UserError(f"{self.results_path}: {first_problem(error)}; {remedy}") from None

    def write_results(self, results: Results) -> None:
        write_json(self.results_path, results.model_dump(mode="json"))
