"""What passes through the steps of judging (judging.py), and what each step works with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pie_bench.data.pair import TestCase
from pie_bench.execution.comparing import Comparing
from pie_bench.execution.environment import Environment
from pie_bench.execution.integrity.apart import Apart
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.simulator import Simulator
from pie_bench.execution.toolchain import Toolchain
from pie_bench.hashing import sha256
from pie_bench.run.verdict import Candidate, Outcome, TestResult, Verdict
from pie_bench.store import MeasurementStore


@dataclass(frozen=True)
class Subject:
    """A program on its way to a verdict: the candidate, its tests, and the steps' findings so far.

    `imports` are the names that the cheating checks saw it import from libraries; empty for the dataset's own programs,
    which are not suspected. By test id, `output_sums` are the hashes of its native output, `user_seconds` its native
    CPU time outside the kernel, if the sandbox can tell.
    """

    candidate: Candidate
    tests: Sequence[TestCase]
    is_measured: bool = True
    binary: bytes = b""
    compile_log: str = ""
    imports: frozenset[str] = frozenset()
    results: tuple[TestResult, ...] = ()
    output_sums: Mapping[str, str] = field(default_factory=dict)
    user_seconds: Mapping[str, float] = field(default_factory=dict)


class Locks:
    """A lock per key, for as long as someone holds it or waits for it. Not passed on to other processes."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._guard = threading.Lock()

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        with self._guard:
            lock, users = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._guard:
                users = self._locks[key][1] - 1
                if users:
                    self._locks[key] = lock, users
                else:
                    del self._locks[key]


@dataclass(frozen=True)
class Workshop:
    """Everything that judging needs, opened on this machine. Thread-safe.

    `host` compiles for this machine, like `toolchain` unless that compiles for another processor; `sanitizing` does so
    with sanitizers.
    """

    environment: Environment
    sandbox: Sandbox
    toolchain: Toolchain
    host: Toolchain
    sanitizing: Toolchain
    simulator: Simulator
    store: MeasurementStore
    comparing: Comparing
    measuring: Locks = field(default_factory=Locks)
    apart: Apart = field(default_factory=Apart)

    def verdict(self, subject: Subject, outcome: Outcome, detail: str = "", **more: Any) -> Verdict:
        """A verdict on the subject, with everything known so far."""
        candidate = subject.candidate
        return Verdict(
            pair_id=candidate.pair_id,
            role=candidate.role,
            sample_index=candidate.sample_index,
            environment_id=self.environment.environment_id,
            outcome=outcome,
            detail=detail,
            compile_log=more.pop("compile_log", subject.compile_log),
            code_sha256=sha256(candidate.code.encode(errors="replace")) if candidate.code is not None else None,
            binary_sha256=sha256(subject.binary) if subject.binary else None,
            reading=candidate.reading,
            **more,
        )


Step = Callable[[Subject, Workshop], Subject | Verdict]
"""A verdict ends the judging; a subject, with new findings, goes on to the next step. Raises SandboxError for failures
on our side."""
