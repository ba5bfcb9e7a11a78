"""The same programs on two processors: is what is faster on one also faster on the other?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict, Field

from pie_bench.errors import UserError
from pie_bench.metrics.scores import seconds_of, usable_pairs
from pie_bench.run.results import PairResult, Results, Time
from pie_bench.run.verdict import Role, Verdict

FASTER = 1.1  # as for %Opt
_EXPLAIN = ("instructions", "mispredicted_conditional", "mispredicted_indirect", "l1d_misses", "l3_misses")
Verdicts = Mapping[tuple[str, str, int], Verdict]


class OnBoth(BaseModel):
    """A program that is right on both processors, with its speedup over its pair's slow program on each.

    `counters` has, for each counter that both have, the slow program's count divided by this one's, on A and on B.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pair_id: str
    problem_id: str
    role: Role
    sample_index: int
    a: float
    b: float
    counters: dict[str, tuple[float, float]]

    @property
    def changes_sides(self) -> bool:
        """Whether it is at least 10 % faster on only one processor."""
        return (self.a >= FASTER) != (self.b >= FASTER)

    @property
    def name(self) -> str:
        who = "human rewrite" if self.role == "target" else f"answer {self.sample_index}"
        return f"{self.pair_id}, {who}"


class Processors(BaseModel):
    """Run A against run B: the same programs in two environments."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: str = Field(description="run A's folder or name")
    b: str
    environment_a: str
    environment_b: str
    dataset: str
    time: Time
    wrong_on_one: tuple[str, ...] = Field(description="programs that are right on only one of them")
    rank_correlation: float | None = Field(description="Spearman's, of the speedups; null below three programs")
    programs: tuple[OnBoth, ...]

    @property
    def changed(self) -> list[OnBoth]:
        """The programs that change sides, largest difference first."""
        found = [each for each in self.programs if each.changes_sides]
        return sorted(found, key=lambda each: (-max(each.a / each.b, each.b / each.a), each.name))

    def records(self) -> list[dict[str, str | int | float | bool]]:
        """One row per program."""
        return [
            {**each.model_dump(exclude={"counters"}), "changes_sides": each.changes_sides} for each in self.programs
        ]


def across_processors(
    a: Results,
    b: Results,
    name_a: str,
    name_b: str,
    verdicts: tuple[Verdicts, Verdicts] = ({}, {}),
    time: Time = "process",
) -> Processors:
    """Compares the human rewrites and, if both runs have the same answers, those. UserError if the two are of different
    datasets or share no program that is right on both."""
    if a.dataset_fingerprint != b.dataset_fingerprint:
        raise UserError(
            f"{name_a} and {name_b} are of different datasets ({a.dataset_fingerprint[:12]} and "
            f"{b.dataset_fingerprint[:12]}) and cannot be compared; run one of them again on the other's"
        )
    pairs_a, pairs_b = ({pair.pair_id: pair for pair in usable_pairs(run.pairs)} for run in (a, b))
    programs, wrong = list[OnBoth](), list[str]()
    for pair_id in sorted(pairs_a.keys() & pairs_b.keys()):
        one, other = dict(_programs(pairs_a[pair_id], time)), dict(_programs(pairs_b[pair_id], time))
        for role, index in sorted(one.keys() & other.keys()):
            if not _same_code(verdicts, (pair_id, role, index)):
                continue
            speedups = one[role, index], other[role, index]
            if None in speedups:
                if speedups != (None, None):
                    wrong.append(f"{pair_id}, {role} {index}")
                continue
            both = OnBoth(
                pair_id=pair_id,
                problem_id=pairs_a[pair_id].problem_id,
                role=role,
                sample_index=index,
                a=speedups[0] or 0.0,
                b=speedups[1] or 0.0,
                counters=_counters(verdicts, pair_id, role, index),
            )
            programs.append(both)
    if not programs:
        raise UserError(f"{name_a} and {name_b} have no program in common that is right in both environments")
    return Processors(
        a=name_a,
        b=name_b,
        environment_a=a.environment,
        environment_b=b.environment,
        dataset=f"{a.dataset}/{a.split}",
        time=time,
        wrong_on_one=tuple(wrong),
        rank_correlation=_rank_correlation([each.a for each in programs], [each.b for each in programs]),
        programs=tuple(programs),
    )


def _programs(pair: PairResult, time: Time) -> Iterator[tuple[tuple[Role, int], float | None]]:
    """The pair's programs with their speedups; None for a program that is not right."""
    slow = seconds_of(pair.source, time)
    results = [(("target", 0), pair.target)]
    results += [(("candidate", index), sample) for index, sample in enumerate(pair.samples)]
    for (role, index), sample in results:
        is_right = sample.outcome == "ok" and sample.seconds is not None
        yield (role, index), slow / seconds_of(sample, time) if is_right else None  # type: ignore[misc]


def _same_code(verdicts: tuple[Verdicts, Verdicts], key: tuple[str, str, int]) -> bool:
    """Whether both runs judged the same text, as far as known. (A human rewrite always is the dataset's.)"""
    if key[1] == "target":
        return True
    found = [run.get(key) for run in verdicts]
    return None not in found and len({each.code_sha256 for each in found if each is not None}) == 1


def _counters(
    verdicts: tuple[Verdicts, Verdicts], pair_id: str, role: str, index: int
) -> dict[str, tuple[float, float]]:
    found = [(run.get((pair_id, "source", 0)), run.get((pair_id, role, index))) for run in verdicts]
    counted = {}
    for name in _EXPLAIN:
        ratios = [
            slow.counters[name] / fast.counters[name]
            for slow, fast in found
            if slow is not None and fast is not None and name in slow.counters and fast.counters.get(name)
        ]
        if len(ratios) == len(found):
            counted[name] = ratios[0], ratios[1]
    return counted


def _rank_correlation(a: list[float], b: list[float]) -> float | None:
    """Spearman's: Pearson's of the ranks, with mean ranks for ties; None if undefined."""
    from scipy.stats import rankdata

    if len(a) < 3 or len(set(a)) == 1 or len(set(b)) == 1:
        return None
    import numpy as np

    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
