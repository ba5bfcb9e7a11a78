"""Searches for stress inputs: inputs on which a pair's slow program spends its time on work rather than start-up.

A generator's inputs grow until that holds, within limits; the programs of the problem's pairs decide what is right. An
input on which any two differ is dropped: it is outside the problem's domain, or one of them is wrong on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pie_bench.construction.grammar import generator_of
from pie_bench.data.generator import PROFILES, Generator, Profile, TooLarge, generate, load_generator
from pie_bench.data.load import PairDataset
from pie_bench.data.pair import Pair, TestCase
from pie_bench.data.stress import (
    FAMILY_SIZES,
    GENERATORS,
    MIN_SHARE,
    StressInput,
    StressPair,
    StressProblem,
    StressSet,
    packed,
    programs_of,
)
from pie_bench.errors import UserError
from pie_bench.execution.executor import Executor
from pie_bench.execution.pool import Pool
from pie_bench.hashing import sha256

WANTED = 5  # inputs per pair that are mostly work
MOST_INSTRUCTIONS = 150_000_000  # simulated, of one slow program on one input: some 15 seconds of CPU time
_TRIES = 12  # inputs besides the family
_STEPS, _HALVINGS = 26, 2
_FIRST_FACTOR = 1 / 64  # for a generator whose factor 1 is the largest
_FAR = 0.5  # a share of work that allows larger steps
_MARGIN = 0.02  # above MIN_SHARE, for inputs of the same size that are a little cheaper
_NATIVE_SECONDS = 0.5  # of CPU time: anything slower is too large, whatever the simulator says
_NATIVE_LIMIT = 2  # seconds, after which it is stopped
_MOST_OUTPUT = 1 << 20


@dataclass
class _Program:
    code: str
    binary: bytes
    shares: dict[str, float] = field(default_factory=dict)  # by the input's sum
    instructions: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Tried:
    """An input that programs agree on: which programs (by their code's hash), and their output."""

    factor: float
    seed: int
    profile: Profile
    data: bytes
    output: bytes
    programs: frozenset[str]

    @property
    def sum(self) -> str:
        return sha256(self.data)


class _Search:
    """The search for one problem's inputs, with counts of what was tried."""

    def __init__(self, problem_id: str, pairs: Sequence[Pair], executor: Executor, most_instructions: int):
        self._problem_id, self._executor, self._most = problem_id, executor, most_instructions
        self.sources = {programs_of(pair)[0] for pair in pairs}
        self.programs: dict[str, _Program] = {}
        for pair in pairs:
            for name, code in zip(programs_of(pair), (pair.src_code, pair.tgt_code), strict=True):
                if name not in self.programs:
                    binary = executor.compiled(code)
                    if binary is not None:
                        self.programs[name] = _Program(code, binary)
        self._partners = [programs_of(pair) for pair in pairs]
        self.tried = self.agreed = self.disagreed = self.too_few = 0
        self._seen: dict[str, _Tried | None] = {}

    def input(self, generator: Generator, factor: float, seed: int, profile: Profile) -> _Tried | None:
        """The input, if at least two distinct programs agree on it and none disagrees."""
        try:
            data = generate(generator, factor, seed, profile)
        except (TooLarge, UserError):
            return None
        if sha256(data) in self._seen:
            return self._seen[sha256(data)]
        self.tried += 1
        outputs = {name: out for name in self.programs if (out := self._answer(name, data)) is not None}
        found = None
        if len(outputs) < 2:
            self.too_few += 1
        elif not self._agree(data, outputs):
            self.disagreed += 1
        else:
            self.agreed += 1
            output = outputs[min(outputs)]
            found = _Tried(factor, seed, profile, data, output, frozenset(outputs))
        self._seen[sha256(data)] = found
        return found

    def _answer(self, name: str, data: bytes) -> bytes | None:
        finished = self._executor.run_binary(self.programs[name].binary, data, cpu_seconds=_NATIVE_LIMIT)
        if finished.exit_code != 0 or (finished.user_seconds or 0.0) > _NATIVE_SECONDS:
            return None
        return finished.stdout if len(finished.stdout) <= _MOST_OUTPUT else None

    def _agree(self, data: bytes, outputs: Mapping[str, bytes]) -> bool:
        expected = TestCase("stress", data, outputs[min(outputs)])
        others = {output for output in outputs.values() if output != expected.expected_output}
        return all(self._executor.right(self._problem_id, expected, output) for output in others)

    def usable(self, tried: _Tried) -> set[str]:
        """Slow programs with a usable pair: their partner also ends well."""
        return {source for source, target in self._partners if {source, target} <= tried.programs}

    def measure(self, tried: _Tried, sources: set[str]) -> dict[str, float]:
        """The share of work in the time of these slow programs, without those that the simulator cannot measure."""
        for name in sorted(sources):
            program = self.programs[name]
            if tried.sum not in program.shares:
                for measured in self._executor.measurements(program.binary, [tried.data]):
                    seconds, startup = self._executor.seconds(measured), self._executor.startup_seconds(measured)
                    program.shares[tried.sum] = round(1 - startup / seconds, 4) if seconds else 0.0
                    program.instructions[tried.sum] = measured.counters.get(self._executor.instruction_counter, 0)
        return {name: share for name in sources if (share := self.programs[name].shares.get(tried.sum)) is not None}

    def largest(self, generator: Generator, first: float) -> _Tried | None:
        """Grows the input of seed 0 until it is mostly work for every slow program that ends well on it, or a limit is
        reached; None if programs do not even agree on the smallest."""
        good: _Tried | None = None
        factor, before, halvings = first, 0, 0
        for _ in range(_STEPS):
            tried = self.input(generator, factor, 0, "random")
            if tried is None or not self.usable(tried):
                if good is None or halvings == _HALVINGS:
                    break
                halvings, factor = halvings + 1, (good.factor * factor) ** 0.5
                continue
            reached = self.measure(tried, self.usable(tried))
            if good is not None and len(self.usable(tried)) < len(self.usable(good)) and self._enough(good):
                break  # growing loses too much
            good = tried
            if not reached or min(reached.values()) >= MIN_SHARE + _MARGIN or generator.largest(factor):
                break
            now = max(self.programs[name].instructions[tried.sum] for name in reached)
            growth = max(2.0, now / before) if before else 2.0
            if now * growth > self._most:
                break
            far = max(reached.values()) < _FAR and now * 16 <= self._most and halvings == 0
            before, factor = (0, factor * 4.0) if far else (now, factor * (2.0 if halvings == 0 else 2.0**0.25))
        return good

    def _enough(self, tried: _Tried) -> bool:
        return any(share >= MIN_SHARE for share in self.measure(tried, self.usable(tried)).values())


def stress_problem(
    problem_id: str,
    pairs: Sequence[Pair],
    generator: Generator | None,
    written_by: Literal["hand", "tests"],
    executor: Executor,
    *,
    most_instructions: int = MOST_INSTRUCTIONS,
) -> tuple[StressProblem, dict[str, StressPair]]:
    """A problem's stress inputs, and which of them its pairs can use."""
    search = _Search(problem_id, pairs, executor, most_instructions)
    kept: list[tuple[_Tried, bool]] = []  # input, whether it belongs to the family
    if generator is not None:
        by_hand = all(size.unit is None for size in generator.sizes())
        largest = search.largest(generator, _FIRST_FACTOR if by_hand else 1.0)
        if largest is not None:
            kept = _around(search, generator, largest)
    inputs = [
        StressInput(
            id=f"s{number}",
            factor=tried.factor,
            seed=tried.seed,
            profile=tried.profile,
            family=family,
            size=generator.size_of(tried.data, tried.factor) if generator is not None else 0,
            input_sha256=tried.sum,
            output=packed(tried.output),
            output_sha256=sha256(tried.output),
        )
        for number, (tried, family) in enumerate(kept)
    ]
    found = {}
    for pair in pairs:
        source = search.programs.get(programs_of(pair)[0])
        shares = {
            each.id: source.shares[tried.sum]
            for each, (tried, family) in zip(inputs, kept, strict=True)
            if source is not None
            and set(programs_of(pair)) <= tried.programs
            and (share := source.shares.get(tried.sum)) is not None
            and (family or share >= MIN_SHARE)
        }
        best = max(source.shares.values(), default=None) if source is not None else None
        exercised = any(share >= MIN_SHARE for share in shares.values())
        found[pair.pair_id] = StressPair(
            programs=programs_of(pair), shares=shares if exercised else {}, best_share=best
        )
    used = {number for each in found.values() for number in each.shares}
    return (
        StressProblem(
            generator=generator,
            written_by=written_by,
            inputs=tuple(each for each in inputs if each.id in used),
            pairs=tuple(sorted(found)),
            tried=search.tried,
            agreed=search.agreed,
            disagreed=search.disagreed,
            too_few=search.too_few,
        ),
        found,
    )


def _around(search: _Search, generator: Generator, largest: _Tried) -> list[tuple[_Tried, bool]]:
    """The largest input at smaller sizes, and other inputs of its size."""
    sources = search.usable(largest)
    reached = {name for name, share in search.measure(largest, sources).items() if share >= MIN_SHARE}
    if not reached:
        return []
    kept: dict[str, tuple[_Tried, bool]] = {}
    for step in reversed(range(FAMILY_SIZES)):
        tried = search.input(generator, largest.factor / 2**step, 0, "random")
        if tried is not None and tried.sum not in kept:
            search.measure(tried, search.usable(tried) & sources)
            kept[tried.sum] = tried, True
    counts = dict.fromkeys(reached, 0)
    for each, _ in kept.values():
        for name, share in search.measure(each, search.usable(each) & reached).items():
            counts[name] += share >= MIN_SHARE
    for seed in range(1, _TRIES + 1):
        if min(counts.values()) >= WANTED:
            break
        profile = PROFILES[(seed // 2) % len(PROFILES)] if seed % 2 == 0 else "random"
        tried = search.input(generator, largest.factor, seed, profile)
        if tried is None or tried.sum in kept:
            continue
        shares = search.measure(tried, search.usable(tried) & reached)
        if any(share >= MIN_SHARE for share in shares.values()):
            kept[tried.sum] = tried, False
            for name, share in shares.items():
                counts[name] += share >= MIN_SHARE
    return list(kept.values())


def chosen_generator(
    problem_id: str, inputs: Sequence[bytes], folder: Path | None
) -> tuple[Generator | None, Literal["hand", "tests"]]:
    """A problem's handwritten generator, in `folder` or shipped; else one inferred from its tests. UserError for an
    invalid one."""
    for place in (folder, GENERATORS):
        if place is not None and (place / f"{problem_id}.yaml").is_file():
            return load_generator(place / f"{problem_id}.yaml"), "hand"
    return generator_of(problem_id, inputs), "tests"


def stress_set(
    dataset: PairDataset,
    executor: Executor,
    pool: Pool,
    *,
    folder: Path | None = None,
    problems: Sequence[str] | None = None,
    known: StressSet | None = None,
    derived: bool = False,
    most_instructions: int = MOST_INSTRUCTIONS,
    progress: Callable[[str], Any] = lambda problem_id: None,
) -> StressSet:
    """The stress inputs of a dataset's split; only of `problems`, if given, with the `known` ones of the others kept.

    `folder` has handwritten generators; with `derived` none is used, not even shipped ones.
    """
    by_problem = dataset.by_problem(problems)
    generators: dict[str, tuple[Generator | None, Literal["hand", "tests"]]] = {}
    for problem_id in by_problem:
        inputs = list(dict.fromkeys(t.input for pair in by_problem[problem_id] for t in dataset.tests(pair)))
        if derived:
            generators[problem_id] = generator_of(problem_id, inputs), "tests"
        else:
            generators[problem_id] = chosen_generator(problem_id, inputs, folder)

    def one(problem_id: str) -> tuple[str, StressProblem, dict[str, StressPair]]:
        generator, by = generators[problem_id]
        found = stress_problem(
            problem_id, by_problem[problem_id], generator, by, executor, most_instructions=most_instructions
        )
        progress(problem_id)
        return problem_id, *found

    found_problems: dict[str, StressProblem] = {}
    found_pairs: dict[str, StressPair] = {}
    if known is not None and problems is not None:
        found_problems |= known.problems
        found_pairs |= known.pairs
    for problem_id, problem, pairs in pool.map_unordered(one, by_problem):
        found_problems[problem_id] = problem
        found_pairs |= pairs
    environment = executor.environment
    return StressSet(
        dataset=dataset.name,
        split=dataset.split,
        environment=environment.name,
        environment_id=environment.environment_id,
        problems=dict(sorted(found_problems.items())),
        pairs=dict(sorted(found_pairs.items())),
    )
