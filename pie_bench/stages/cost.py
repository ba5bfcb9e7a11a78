"""Predicts the CPU time of a run's programs, by judging a few of them now.

Verdicts on the run's own programs go to the measurement store, so the run does not repeat them.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from pie_bench.data.pair import Pair, TestCase
from pie_bench.execution.executor import Executor
from pie_bench.execution.judging import KNOWN_GOOD
from pie_bench.execution.pool import cpu_seconds_of_children
from pie_bench.execution.precompiled import INCLUDE
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.metrics.best_at_k import OPTIMIZED_SPEEDUP
from pie_bench.run.run import Run
from pie_bench.run.verdict import Candidate, Role, Verdict
from pie_bench.stages.execute import candidate_of, own_programs
from pie_bench.stages.generate import prepared
from pie_bench.stages.plan import Plan, begin_run

_PROBED_ANSWERS = 2  # per pair: the first pays for what a pair's guards make once


@dataclass(frozen=True)
class Cost:
    """CPU seconds that a run takes from now on: for the dataset's own programs (`own`), the answers (`answers`) and the
    guards (`guards`). `harness` is the part of their sum that pie_bench's own process takes; the manifest's
    `cpu_seconds` count the rest.

    `programs` are to be judged; the others are known or repeated. Of the answers, `assumed` are not there yet: they
    count as right, new and as costly as the human rewrites. `pairs` were probed.
    """

    own: float
    answers: float
    guards: float
    harness: float
    programs: int
    assumed: int
    pairs: int

    @property
    def seconds(self) -> float:
        return self.own + self.answers + self.guards


@dataclass
class Curve:
    """Cost by size, from a few points: linear between them, constant beyond. Points of one size count as their mean."""

    points: dict[float, list[float]] = field(default_factory=dict)

    def add(self, size: float, cost: float) -> None:
        self.points.setdefault(size, []).append(cost)

    def total(self, sizes: Sequence[float]) -> float:
        """The sum of the costs at these sizes; 0 without points."""
        import numpy as np

        if not self.points or not sizes:
            return 0.0
        known = sorted(self.points)
        return float(np.interp(sizes, known, [sum(self.points[x]) / len(self.points[x]) for x in known]).sum())


def spread(sizes: Sequence[float], n: int) -> list[int]:
    """The indices of at most `n` items, from small to large: the largest, and others spread evenly over the sum of
    their sizes, of which a few large ones can make up most. (Where one is met twice, they are fewer than `n`.)"""
    order = sorted(range(len(sizes)), key=lambda index: (sizes[index], index))
    if len(order) <= n:
        return order
    *others, largest = order
    # Where no size is known, every item counts the same.
    known = any(sizes[index] for index in others)
    sums = list(itertools.accumulate(sizes[index] if known else 1.0 for index in others))
    at = (sums[-1] * (number + 0.5) / (n - 1) for number in range(n - 1))
    places = {next(place for place, total in enumerate(sums) if total >= each) for each in at}
    return [*(others[place] for place in sorted(places)), largest]


def cost(
    plan: Plan,
    run: Run,
    executor: Executor,
    cache_dir: Path,
    *,
    pairs: int,
    guarded: bool,
    progress: Callable[[int], object] = lambda total: None,
) -> Cost:
    """Judges programs of at most `pairs` pairs, one at a time, and extrapolates to the other pairs, by their recorded
    run times if the dataset has them.

    `guarded`: whether the run's faster answers will be guarded. `progress` is called once per pair, with the total.
    Raises UserError as the run would, e.g. if replayed answers are missing.
    """
    probe = _Probe(plan, executor, _answers_there(plan, run, cache_dir), guarded=guarded)
    # What a process starts only once must not count as a program's.
    executor.examine(Candidate("", "candidate", 0, INCLUDE + KNOWN_GOOD), ())
    todo = probe.todo()
    chosen = [todo[index] for index in spread([_size(pair, "source") for pair in todo], pairs)]
    for pair in chosen:
        probe.judge(pair)
        progress(len(chosen))
    return probe.cost(len(chosen))


def _answers_there(plan: Plan, run: Run, cache_dir: Path) -> dict[str, list[Candidate]]:
    """The programs of the answers that exist already, by pair: the run's, or those of a model that repeats recorded
    ones."""
    generations = run.read_generations()
    if plan.model.RECORDED:
        with TemporaryDirectory() as folder:
            copy = Run(folder)
            with prepared(plan, copy, cache_dir) as pending:
                begin_run(plan, copy)
                generations = {record.key: record for record in pending.arriving()}
    found: dict[str, list[Candidate]] = {pair.pair_id: [] for pair in plan.pairs}
    pairs = {pair.pair_id: pair for pair in plan.pairs}
    for record in generations.values():
        if record.pair_id in found and record.sample_index < plan.task.sampling.n:
            found[record.pair_id].append(candidate_of(record, pairs[record.pair_id]))
    return found


@dataclass(frozen=True)
class _ToGuard:
    """How many of a pair's answers are to be guarded for `certain`, and how many are not judged yet."""

    certain: int
    possible: int


class _Probe:
    """What is left to judge, by the key of its verdict, and what a few programs cost."""

    def __init__(
        self, plan: Plan, executor: Executor, answers: Mapping[str, Sequence[Candidate]], *, guarded: bool
    ) -> None:
        self.plan, self.executor, self.guarded = plan, executor, guarded
        self.own: dict[str, list[Candidate]] = {pair.pair_id: [] for pair in plan.pairs}
        for candidate in own_programs(plan):
            self.own[candidate.pair_id].append(candidate)
        self.answers: dict[str, dict[str, Candidate]] = {}  # a pair's different programs
        self.left: dict[str, tuple[Role, float]] = {}
        self.unknown: dict[Role, set[str]] = {"source": set(), "target": set(), "candidate": set()}  # pairs
        self.assumed: dict[str, int] = {}  # answers of a pair that are not there yet
        self.to_guard: dict[str, _ToGuard] = {}
        for pair in plan.pairs:
            tests = plan.dataset.tests(pair)
            given = answers[pair.pair_id]
            self.assumed[pair.pair_id] = plan.task.sampling.n - len(given)
            self.answers[pair.pair_id] = {self._key(each, tests): each for each in given if each.code is not None}
            own = {self._key(each, tests): each for each in self.own[pair.pair_id]}
            for key, candidate in {**own, **self.answers[pair.pair_id]}.items():
                if not executor.knows(key):
                    self.left[key] = (candidate.role, _size(pair, candidate.role))
                    self.unknown[candidate.role].add(pair.pair_id)
            if self.assumed[pair.pair_id]:
                self.unknown["candidate"].add(pair.pair_id)
            if guarded:
                self._count_guards(pair, tests)
        self.curves: dict[Role, Curve] = {"source": Curve(), "target": Curve(), "candidate": Curve()}
        self.first_guard, self.next_guard = Curve(), Curve()
        self.probed_answers = self.fast_answers = 0
        self.harness = self.total = 0.0

    def todo(self) -> list[Pair]:
        """The pairs to choose from: those of which most is unknown, because what is known teaches nothing."""
        own = self.unknown["source"] | self.unknown["target"]
        answers = self.unknown["candidate"]
        unguarded = {pair_id for pair_id, count in self.to_guard.items() if count.certain}
        chosen = own & answers or own or answers or unguarded
        return [pair for pair in self.plan.pairs if pair.pair_id in chosen]

    def judge(self, pair: Pair) -> None:
        """Judges the pair's own programs and some answers, and guards these."""
        tests = self.plan.dataset.tests(pair)
        source, _ = (self._judged(candidate, pair, tests) for candidate in self.own[pair.pair_id])
        there = self.answers[pair.pair_id]
        new = [each for key, each in there.items() if key in self.left] or list(there.values())
        # A program that is nobody's: nothing is known of it, nor of its binary.
        made = [_variant(pair) for _ in range(min(self.assumed[pair.pair_id], _PROBED_ANSWERS))]
        probed = (random.Random(pair.pair_id).sample(new, min(len(new), _PROBED_ANSWERS)) + made)[:_PROBED_ANSWERS]
        verdicts = [self._judged(each, pair, tests) for each in probed]
        if not self.guarded:
            return
        fast = [
            each.judged(verdict.code_sha256) or ""
            for each, verdict in zip(probed, verdicts, strict=True)
            if _is_optimized(source, verdict)
        ]
        self.probed_answers += len(probed)
        self.fast_answers += len(fast)
        self._guard(pair, tests, fast)
        self._count_guards(pair, tests)

    def _judged(self, candidate: Candidate, pair: Pair, tests: Sequence[TestCase]) -> Verdict:
        key = self._key(candidate, tests)
        is_new = self.left.pop(key, None) is not None or not self.executor.knows(key)
        with self._clock() as seconds:
            verdict = self.executor.execute(candidate, tests)
        if is_new:
            self.curves[candidate.role].add(_size(pair, candidate.role), seconds[0])
        return verdict

    def _guard(self, pair: Pair, tests: Sequence[TestCase], codes: Sequence[str]) -> None:
        guards = self.executor.guards_of(pair, tests)
        curve = self.first_guard
        for code in codes:
            if guards.known(code) is not None:
                continue
            try:
                with self._clock() as seconds:
                    guards.check(code, 0)
            except SandboxError:  # this pair cannot be guarded, in the run neither
                return
            curve.add(_size(pair, "target"), seconds[0])
            curve = self.next_guard

    def _count_guards(self, pair: Pair, tests: Sequence[TestCase]) -> None:
        """Notes how many of a pair's answers will be guarded, or may be."""
        guards, executor = self.executor.guards_of(pair, tests), self.executor
        certain, possible = 0, self.assumed[pair.pair_id]
        source = self.own[pair.pair_id][0]
        for key, candidate in self.answers[pair.pair_id].items():
            if key in self.left or self._key(source, tests) in self.left:
                possible += 1
                continue
            verdict = executor.execute(candidate, tests)
            code = candidate.judged(verdict.code_sha256) or ""
            certain += _is_optimized(executor.execute(source, tests), verdict) and guards.known(code) is None
        self.to_guard[pair.pair_id] = _ToGuard(certain, possible)

    def cost(self, pairs: int) -> Cost:
        """What is left, from what was probed."""
        any_role = Curve()
        for curve in self.curves.values():
            any_role.points |= curve.points

        def of(role: Role, more: Sequence[float] = ()) -> float:
            sizes = [size for left, size in self.left.values() if left == role]
            return (self.curves[role] if self.curves[role].points else any_role).total([*sizes, *more])

        assumed = [size for pair in self.plan.pairs for size in [_size(pair, "target")] * self.assumed[pair.pair_id]]
        own, answers, guards = of("source") + of("target"), of("candidate", assumed), self._guards_left()
        share = self.harness / self.total if self.total else 0.0
        programs = len(self.left) + len(assumed)
        return Cost(own, answers, guards, share * (own + answers + guards), programs, len(assumed), pairs)

    def _guards_left(self) -> float:
        share = self.fast_answers / self.probed_answers if self.probed_answers else 0.0
        seconds = 0.0
        for pair in self.plan.pairs:
            count = self.to_guard.get(pair.pair_id, _ToGuard(0, 0))
            expected = count.certain + share * count.possible
            size = [_size(pair, "target")]
            following = self.next_guard if self.next_guard.points else self.first_guard
            seconds += min(1.0, expected) * self.first_guard.total(size)
            seconds += max(0.0, expected - 1) * following.total(size)
        return seconds

    def _key(self, candidate: Candidate, tests: Sequence[TestCase]) -> str:
        # With several programs on equal terms in an answer, it has no key: nothing is known of it.
        return self.executor.key(candidate, tests) or str(candidate.key)

    @contextmanager
    def _clock(self) -> Iterator[list[float]]:
        """The CPU seconds of the block: of this process and of those it starts."""
        seconds = [0.0]
        own, children = time.process_time(), cpu_seconds_of_children()
        yield seconds
        own = time.process_time() - own
        seconds[0] = own + cpu_seconds_of_children() - children
        self.harness += own
        self.total += seconds[0]


def _variant(pair: Pair) -> Candidate:
    """An answer that does what the human rewrite does, with another binary than any program before."""
    name = f"pie_bench_{random.SystemRandom().getrandbits(64):x}"
    code = f"{pair.tgt_code}\nint {name} = 1;\n"
    return Candidate(pair.pair_id, "candidate", 0, code, src_code=pair.src_code, problem_id=pair.problem_id)


def _size(pair: Pair, role: Role) -> float:
    """A program's recorded simulated seconds over all tests (an answer's: the human rewrite's); 0 if there are none."""
    recorded = pair.src_seconds if role == "source" else pair.tgt_seconds
    return sum(recorded.values()) if recorded else 0.0


def _is_optimized(source: Verdict, answer: Verdict) -> bool:
    slow, fast = source.runtime_seconds, answer.runtime_seconds
    return bool(answer.outcome == "ok" and slow and fast and slow / fast >= OPTIMIZED_SPEEDUP)
