"""Reads a finished run: its results, and the texts, programs and verdicts behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.metrics.scores import usable_pairs
from pie_bench.run.generation import Generation
from pie_bench.run.results import PairResult, Results
from pie_bench.run.run import Key, Run
from pie_bench.run.verdict import Outcome, Role, Verdict
from pie_bench.stages.execute import candidate_of
from pie_bench.stages.plan import Plan, plan_of

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """One answer of the model, and its outcome.

    `text` is what the model wrote, `code` the program in it (None if it contains none). `seconds` and `startup_seconds`
    are simulated, summed over the pair's tests, None unless the outcome is `ok`; so is `speedup` over the slow program.
    """

    pair_id: str
    sample_index: int
    text: str
    code: str | None
    outcome: Outcome
    detail: str
    seconds: float | None
    startup_seconds: float | None
    speedup: float | None


class FinishedRun(Run):
    """A scored run; the data behind its results is read lazily.

    UserError, on first reading, for a run without results, damaged files, or a dataset that does not exist (any more).
    """

    def __init__(self, path: str | PathLike[str]):
        super().__init__(path)
        self.results: Results = self.read_results()

    @cached_property
    def plan(self) -> Plan:
        return plan_of(self)

    @cached_property
    def verdicts(self) -> Mapping[Key, Verdict]:
        """Every program's verdict, test by test."""
        verdicts = self._all_there(self.read_verdicts(), self.verdicts_path, role="candidate")
        for verdict in verdicts.values():
            pair = self.pairs.get(verdict.pair_id)
            if pair is not None and verdict.outcome == "ok" and [t.test_id for t in verdict.tests] != [*pair.tests]:
                where = f"{self.verdicts_path}: pair {pair.pair_id}, {verdict.role} {verdict.sample_index}"
                raise UserError(f"{where}: not the pair's tests")
        return verdicts

    @cached_property
    def pairs(self) -> Mapping[str, Pair]:
        """The pairs that the run covers, by id."""
        pairs = {pair.pair_id: pair for pair in self.plan.pairs}
        other = next((pair.pair_id for pair in self.results.pairs if pair.pair_id not in pairs), None)
        if other is not None:
            raise UserError(f"{self.results_path}: pair {other!r:.60} is not in the run; score it again")
        return pairs

    @cached_property
    def usable(self) -> list[PairResult]:
        """The pairs included in the metrics."""
        return usable_pairs(self.results.pairs)

    @cached_property
    def generations(self) -> Mapping[tuple[str, int], Generation]:
        """The model's answers, by pair and sample."""
        return self._all_there(self.read_generations(), self.generations_path)

    def _all_there(self, records: dict[Any, T], path: Path, *, role: str | None = None) -> dict[Any, T]:
        """Raises UserError if the results refer to an answer that the file does not have."""
        for pair in self.results.pairs:
            for index in range(len(pair.samples)):
                if ((pair.pair_id, index) if role is None else (pair.pair_id, role, index)) not in records:
                    raise UserError(f"{path}: pair {pair.pair_id}, sample {index} is missing; rerun the command")
        return records

    def code(self, pair_id: str, role: Role, index: int = 0) -> str | None:
        """The text of a program; None for an answer that contains none."""
        pair = self.pairs[pair_id]
        if role == "source":
            return pair.src_code
        if role == "target":
            return pair.tgt_code
        verdict = self.verdicts[pair_id, role, index]
        return candidate_of(self.generations[pair_id, index], pair).judged(verdict.code_sha256)

    def answers(self) -> list[Answer]:
        """Every answer, by pair and sample."""
        answers = []
        for pair in self.results.pairs:
            for index, sample in enumerate(pair.samples):
                faster = sample.seconds and pair.source.seconds
                answers.append(
                    Answer(
                        pair_id=pair.pair_id,
                        sample_index=index,
                        text=self.generations[pair.pair_id, index].text,
                        code=self.code(pair.pair_id, "candidate", index),
                        outcome=sample.outcome,  # type: ignore[arg-type]
                        detail=self.verdicts[pair.pair_id, "candidate", index].detail,
                        seconds=sample.seconds,
                        startup_seconds=sample.startup_seconds,
                        speedup=pair.source.seconds / sample.seconds if faster else None,  # type: ignore[operator]
                    )
                )
        return answers

    def to_pandas(self) -> pandas.DataFrame:
        """`answers()` as a table, one row per answer; needs pandas (a dependency of `datasets`)."""
        import pandas

        return pandas.DataFrame([vars(answer) for answer in self.answers()])

    def __repr__(self) -> str:
        results = self.results
        return f"<run {str(self.path)!r}: {results.task}, {results.model}, {results.n_pairs} pairs>"

    def _repr_html_(self) -> str:
        return self.results._repr_html_()
