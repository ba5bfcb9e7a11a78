"""Judges single programs without a run, task or folder: for the Python API and `pie-bench judge`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pie_bench.data.load import load_dataset
from pie_bench.data.pair import Pair, TestCase
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError
from pie_bench.execution.executor import Executor, open_executor
from pie_bench.execution.integrity.guards import Guards
from pie_bench.execution.known import sums_of
from pie_bench.execution.pool import LocalPool
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.subject import Locks
from pie_bench.hashing import hash_of
from pie_bench.latest import Latest
from pie_bench.paths import cache_dir
from pie_bench.run.guard import GuardFinding
from pie_bench.run.verdict import Candidate, TestResult, Verdict

Test: TypeAlias = TestCase | tuple[str | bytes, str | bytes]
"""A test: an input and its correct output."""

_LAYOUTS = (("input.", "output."), (".in", ".out"), (".in", ".ans"))  # PIE's and CodeNet's; those of contests
_SHOWN_CHARACTERS = 80
_SOURCES_KEPT, _GUARDS_KEPT = 1000, 50  # a long-running judge sees any number of pairs

T = TypeVar("T")


@dataclass(frozen=True)
class PairWithTests:
    """A pair with its tests loaded."""

    pair: Pair
    tests: tuple[TestCase, ...]


def load_pair(dataset: str | PathLike[str], pair_id: str, split: str = "test") -> PairWithTests:
    """A pair of a dataset (what `--dataset` takes), with its tests. UserError for an unknown dataset or pair."""
    loaded = load_dataset(dataset, split)
    pair = loaded.pair(pair_id)
    return PairWithTests(pair, loaded.tests(pair))


@dataclass(frozen=True)
class Judgement(Verdict):
    """A verdict, along with the one on the slow program it was meant to improve (None if there is none)."""

    source: Verdict | None = None

    @staticmethod
    def of_json(record: Mapping[str, Any]) -> Judgement:
        """The judgement in a record made by `to_json`; ValueError, naming the field, for anything else."""
        source = record.get("source")
        own = Verdict.from_json({name: value for name, value in record.items() if name != "source"})
        return Judgement(
            **{field.name: getattr(own, field.name) for field in fields(Verdict)},
            source=None if source is None else Verdict.from_json(source),
        )

    @property
    def speedup(self) -> float | None:
        """The slow program's simulated time divided by this one's; None unless both are right."""
        if self.source is None or self.source.runtime_seconds is None or self.runtime_seconds is None:
            return None
        return self.source.runtime_seconds / self.runtime_seconds

    @property
    def failed(self) -> TestResult | None:
        """The first test that it did not pass."""
        return next((test for test in self.tests if test.outcome != "ok"), None)


class Judge:
    """Compiles, checks, runs and measures programs in one environment.

        with Judge() as judge:
            verdict = judge(code, load_pair("mini", "m001_slow-m001_fast"))
            verdict = judge(code, source=slow, tests=[("1 2\\n", "3\\n")])
            for verdict in judge.map([(code, pair), …]): ...

    The environment is opened, and its root file system built, on first use; measurements are cached. Thread-safe.
    `environment` is a name or a YAML file; `sandbox` a name, an open sandbox, or None for one that works here; `unsafe`
    is as the command's option. `workers` is for `map`: None means one per core.
    """

    def __init__(
        self,
        environment: str = DEFAULT_ENVIRONMENT,
        *,
        sandbox: str | Sandbox | None = None,
        unsafe: bool = False,
        workers: int | None = None,
    ):
        self.environment = environment
        self._sandbox, self._unsafe = sandbox, unsafe
        self._pool = LocalPool(workers)
        self._opened: Executor | None = None
        self._opening = threading.Lock()
        self._sources = Latest[str, Verdict](_SOURCES_KEPT)
        self._guards = Latest[str, Guards](_GUARDS_KEPT)
        self._making = Locks()

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the environment; it reopens on next use."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    def __call__(
        self,
        code: str,
        pair: PairWithTests | None = None,
        *,
        source: str | None = None,
        tests: Sequence[Test] | None = None,
        measured: bool = True,
    ) -> Judgement:
        """The verdict on a C++ program: on a pair's tests, or on your own, against your slow program if there is one.

        Without `measured`, it is only checked and run, without times. `load_pair` loads a pair with its tests. Raises
        UserError if nothing works here, or if there are no tests.
        """
        return self._judge(code, 0, as_pair(pair, source, tests), measured)

    def map(self, programs: Iterable[tuple[str, PairWithTests]]) -> Iterator[Judgement]:
        """The verdicts on many programs, as they finish, using all cores.

        A verdict's `sample_index` is the program's index in `programs`, which is consumed lazily, in its own thread, as
        work gets done.
        """

        def judge(numbered: tuple[int, tuple[str, PairWithTests]]) -> Judgement:
            number, (code, pair) = numbered
            return self._judge(code, number, as_pair(pair, None, None), True)

        return self._pool.map_unordered(judge, enumerate(programs))

    def guarded(
        self,
        code: str,
        pair: PairWithTests | None = None,
        *,
        source: str | None = None,
        tests: Sequence[Test] | None = None,
    ) -> tuple[Judgement, GuardFinding | None]:
        """The verdict, and what the guards (docs/guards.md) find in a right program (None for a wrong one).

        Needs a slow program as the baseline. Raises SandboxError if the guards do not work here, or fail on the pair's
        own programs.
        """
        found = as_pair(pair, source, tests)
        if not found.pair.src_code:
            raise UserError("judge: the guards need a slow program as the baseline; give source")
        verdict = self._judge(code, 0, found, True)
        return verdict, self._guards_of(found).check(code, 0) if verdict.outcome == "ok" else None

    def _guards_of(self, given: PairWithTests) -> Guards:
        """A pair's guards, created once."""
        own = replace(given.pair, tgt_code=given.pair.tgt_code or given.pair.src_code)
        key = hash_of([_key_of(given), own.tgt_code])
        with self._making.of(f"guards {key}"):
            guards = self._guards.get(key)
            if guards is None:
                guards = self._executor.guards_of(own, given.tests, measured=False)
                self._guards.put(key, guards)
            return guards

    @property
    def environment_id(self) -> str:
        """The hash of all that can change a verdict. UserError if the environment does not work here."""
        return self._executor.environment.environment_id

    def explain(self, code: str, verdict: Verdict, tests: Sequence[Test], problem_id: str = "") -> str:
        """Why a program failed its first failing test, in one line, by rerunning it; "" if it passed all."""
        failed = next((test for test in verdict.tests if test.outcome != "ok"), None)
        case = next((test for test in _as_tests(tests) if failed and test.test_id == failed.test_id), None)
        if failed is None or case is None:
            return ""
        finished = self._executor.run(code, case)
        if failed.outcome == "wrong_output":
            return self._executor.why_wrong(problem_id, case, finished.stdout)
        said = finished.stderr.decode(errors="replace").strip().splitlines()
        return f"{finished.how}: {said[-1][:_SHOWN_CHARACTERS]}" if said else finished.how

    @property
    def _executor(self) -> Executor:
        with self._opening:
            if self._opened is None:
                sandbox = self._sandbox
                if sandbox is None or isinstance(sandbox, str):
                    sandbox = choose_sandbox(sandbox, unsafe=self._unsafe)
                build_roots(self.environment, sandbox)
                self._opened = open_executor(self.environment, cache_dir(), sandbox)
            return self._opened

    def _judge(self, code: str, index: int, given: PairWithTests, measured: bool) -> Judgement:
        pair = given.pair
        verdict = self._executor.execute(
            Candidate(pair.pair_id, "candidate", index, code, src_code=pair.src_code, problem_id=pair.problem_id),
            given.tests,
            measured=measured,
        )
        source = self._source(given) if pair.src_code and measured else None
        return Judgement(**{field.name: getattr(verdict, field.name) for field in fields(Verdict)}, source=source)

    def _source(self, given: PairWithTests) -> Verdict:
        """The verdict on the pair's slow program, computed once."""
        key = _key_of(given)
        with self._making.of(key):
            known = self._sources.get(key)
            if known is not None:
                return known
            candidate = Candidate(
                given.pair.pair_id, "source", 0, given.pair.src_code, problem_id=given.pair.problem_id
            )
            verdict = self._executor.execute(candidate, given.tests)
            if verdict.outcome != "infra_error":
                self._sources.put(key, verdict)
            return verdict


def _key_of(given: PairWithTests) -> str:
    """The hash of a slow program with its tests."""
    return hash_of([given.pair.pair_id, given.pair.problem_id, given.pair.src_code, sums_of(given.tests)])


def as_pair(pair: PairWithTests | None, source: str | None, tests: Sequence[Test] | None) -> PairWithTests:
    """Interprets the arguments of a call; UserError if both kinds are given, or if there are no tests."""
    if pair is not None:
        if not isinstance(pair, PairWithTests):
            raise _without_tests(pair)
        if source is not None or tests is not None:
            raise UserError("judge: give a pair, or source and tests, not both")
        found = pair
    else:
        cases = _as_tests(tests or ())
        found = PairWithTests(Pair("", "", source or "", "", tuple(test.test_id for test in cases)), cases)
    if not found.tests:
        raise UserError("judge: there are no tests; give a pair, or tests=[(input, output), …]")
    return found


def _without_tests(given: object) -> UserError:
    pair_id = given.pair_id if isinstance(given, Pair) else given if isinstance(given, str) else None
    if pair_id is None:
        what = f"expected a pair with its tests, not {type(given).__name__}"
    else:
        what = f"pair {pair_id} is given without its tests"
    return UserError(f"judge: {what}; give pie_bench.load_pair(DATASET, {pair_id or 'PAIR_ID'!r})")


def _as_tests(tests: Sequence[Test]) -> tuple[TestCase, ...]:
    return tuple(
        test if isinstance(test, TestCase) else TestCase(str(number), _as_bytes(test[0]), _as_bytes(test[1]))
        for number, test in enumerate(tests)
    )


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def read_tests(folder: Path) -> tuple[TestCase, ...]:
    """The tests in a folder: `input.N.txt` with `output.N.txt`, like PIE's, or `NAME.in` with `NAME.out` or `NAME.ans`.

    UserError if there are none, or if an input has no output.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    names = {path.name for path in folder.iterdir() if path.is_file()}
    for given, expected in _LAYOUTS:
        inputs = [name for name in names if (name.startswith(given) if given.endswith(".") else name.endswith(given))]
        outputs = {
            name: name.replace(given, expected, 1) if given.endswith(".") else name[: -len(given)] + expected
            for name in inputs
        }
        if not any(output in names for output in outputs.values()):
            continue
        missing = sorted(name for name, output in outputs.items() if output not in names)
        if missing:
            raise UserError(f"{folder / missing[0]}: {outputs[missing[0]]} is missing")
        cases = {_test_id(name): (folder / name, folder / output) for name, output in outputs.items()}
        return tuple(
            TestCase(test_id, paths[0].read_bytes(), paths[1].read_bytes())
            for test_id, paths in sorted(cases.items(), key=lambda case: (len(case[0]), case[0]))
        )
    raise UserError(f"{folder}: no tests: expected input.0.txt with output.0.txt, or 0.in with 0.out, and so on")


def _test_id(name: str) -> str:
    return name.removeprefix("input.").removesuffix(".txt").removesuffix(".in")
