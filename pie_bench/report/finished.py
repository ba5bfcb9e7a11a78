"""A finished run read back: its results, and the texts and verdicts behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.metrics.scores import seconds_of, usable_pairs
from pie_bench.run.results import SCHEMA_VERSION, PairResult, Results
from pie_bench.run.verdict import Role, Verdict
from pie_bench.stages.execute import candidate_of, read_verdicts
from pie_bench.stages.generate import read_generations
from pie_bench.stages.plan import Plan, plan_of
from pie_bench.store import RunDirectory

T = TypeVar("T")


def read_results(directory: RunDirectory) -> Results:
    """`results.json`; UserError when there is none, it is broken or of another version, with the remedy."""
    directory.manifest()
    try:
        results = Results.model_validate_json(directory.results_path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{directory.path}: no results.json yet; run: pie-bench score {directory.path}") from None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        said = problem["msg"].removeprefix("Value error, ")
        raise UserError(
            f"{directory.results_path}: {where and where + ': '}{said}; run: pie-bench score {directory.path}"
        ) from None
    if results.schema_version != SCHEMA_VERSION:
        raise UserError(
            f"{directory.results_path}: of version {results.schema_version}, not {SCHEMA_VERSION}; "
            f"run: pie-bench score {directory.path}"
        )
    return results


@dataclass(frozen=True)
class FinishedRun:
    """A run's folder, its plan and results; verdicts and programs are read when first asked for."""

    directory: RunDirectory
    plan: Plan
    results: Results

    @cached_property
    def verdicts(self) -> Mapping[tuple[str, str, int], Verdict]:
        path = self.directory.verdicts_path
        verdicts = self._all_there(read_verdicts(self.directory), path, role="candidate")
        for verdict in verdicts.values():
            pair = self.pairs.get(verdict.pair_id)
            if pair is not None and verdict.outcome == "ok" and [t.test_id for t in verdict.tests] != [*pair.tests]:
                raise UserError(f"{path}: pair {pair.pair_id}, {verdict.role} {verdict.sample_index}: not its tests")
        return verdicts

    @cached_property
    def pairs(self) -> Mapping[str, Pair]:
        pairs = {pair.pair_id: pair for pair in self.plan.pairs}
        other = next((pair.pair_id for pair in self.results.pairs if pair.pair_id not in pairs), None)
        if other is not None:
            raise UserError(f"{self.directory.results_path}: pair {other!r:.60} is none of the run's; score it again")
        return pairs

    @cached_property
    def usable(self) -> list[PairResult]:
        """The pairs that are in the metrics."""
        return usable_pairs(self.results.pairs)

    @cached_property
    def _generations(self) -> Mapping[tuple[str, int], Mapping[str, Any]]:
        return self._all_there(read_generations(self.directory), self.directory.generations_path)

    def _all_there(self, records: dict[Any, T], path: Path, *, role: str | None = None) -> dict[Any, T]:
        """UserError when the results speak of an answer that the file does not have."""
        for pair in self.results.pairs:
            for index in range(len(pair.samples)):
                if ((pair.pair_id, index) if role is None else (pair.pair_id, role, index)) not in records:
                    raise UserError(f"{path}: pair {pair.pair_id}, sample {index} is missing; run the command again")
        return records

    def code(self, pair_id: str, role: Role, index: int = 0) -> str | None:
        """The text of a program; None for an answer that holds none."""
        pair = self.pairs[pair_id]
        if role == "source":
            return pair.src_code
        if role == "target":
            return pair.tgt_code
        return candidate_of(self._generations[pair_id, index], pair).code


def best_sample(pair: PairResult) -> int | None:
    """The fastest correct answer's index; None when none is correct."""
    times = [(seconds_of(s, "process"), index) for index, s in enumerate(pair.samples) if s.outcome == "ok"]
    return min(times)[1] if times else None


def read_run(directory: RunDirectory) -> FinishedRun:
    """A run that has been scored. UserError when it has not, or its dataset is not there (any more)."""
    results = read_results(directory)
    return FinishedRun(directory, plan_of(directory), results)
