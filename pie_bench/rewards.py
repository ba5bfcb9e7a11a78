"""Rewards for reinforcement learning, by how much faster a right answer is. docs/rewards.md has examples."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pie_bench.data.load import load_dataset
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError
from pie_bench.execution.judge import Judge, Judgement, PairWithTests
from pie_bench.execution.pool import LocalPool
from pie_bench.hashing import sha256
from pie_bench.latest import Latest
from pie_bench.paths import cache_dir
from pie_bench.prompting.extract import extract_code
from pie_bench.run.guard import GuardFinding
from pie_bench.serve.client import Client

if TYPE_CHECKING:
    import datasets

_CONNECTIONS = 32  # to a server, which does its own queueing
_REMEMBERED = 10_000  # rewards, by the hashes of answers


@dataclass(frozen=True)
class Shape:
    """The reward for a verdict.

    A right program is worth `correct` + `weight` · log2(s), where s is its speedup over the slow program, clipped to
    [`least`, `most`]: with `least` 1, as in the paper, a slow answer loses nothing; with 0.5, up to `weight`. A wrong
    one that compiles is worth `wrong` + `partial` · (the fraction of tests that it passes), anything else (no program,
    does not compile, forbidden) `broken`. `startup`: whether s covers the whole process, as in the paper, or only the
    time after the start of `main`.
    """

    correct: float = 0.5
    weight: float = 1.0
    least: float = 1.0
    most: float = 16.0
    wrong: float = 0.0
    partial: float = 0.0
    broken: float = -0.5
    startup: bool = False

    def __post_init__(self) -> None:
        for name in ("correct", "weight", "wrong", "partial", "broken"):
            if not math.isfinite(getattr(self, name)):
                raise UserError(f"rewards: {name} is {getattr(self, name)}; expected a finite number")
        if not 0 < self.least <= self.most < math.inf:
            raise UserError(f"rewards: least is {self.least}, most is {self.most}; expected 0 < least ≤ most")

    def reward(self, verdict: Judgement, finding: GuardFinding | None = None) -> float | None:
        """The reward; None if the verdict says nothing about the program (an error on our side, or a slow program that
        could not be measured). A program flagged by the guards counts as wrong, whatever its tests say."""
        if verdict.outcome == "infra_error":
            return None
        if finding is not None and finding.flagged:
            return self.wrong
        if verdict.outcome == "ok":
            speedup = self.speedup(verdict)
            return None if speedup is None else self.correct + self.weight * math.log2(speedup)
        if verdict.tests and verdict.outcome != "forbidden":
            passed = sum(test.outcome == "ok" for test in verdict.tests)
            return self.wrong + self.partial * passed / len(verdict.tests)
        return self.broken

    def speedup(self, verdict: Judgement) -> float | None:
        """The speedup that counts; None if one of the programs was not measured."""
        times = [self._seconds(each) for each in (verdict.source, verdict)]
        if None in times:
            return None
        slow, fast = (time or 0.0 for time in times)
        # A program that does all its work before `main` leaves no time to compare: it gets the maximum.
        return min(self.most, max(self.least, slow / fast if fast > 0 else self.most))

    def _seconds(self, verdict: Any) -> float | None:
        if verdict is None or verdict.runtime_seconds is None:
            return None
        seconds: float = verdict.runtime_seconds
        return seconds if self.startup else seconds - (verdict.startup_seconds or 0.0)


@dataclass(frozen=True)
class Scored:
    """What an answer is worth, and why: `reward` as `Shape.reward` gives it, `speedup` as `Shape.speedup` does for a
    right program (else None), `flagged` by the guards (`correct` says nothing of that)."""

    reward: float | None
    correct: bool = False
    speedup: float | None = None
    flagged: bool = False


class Speedup:
    """A reward function over a dataset's pairs: called as TRL calls one, and `compute_score` as verl does.

        reward = Speedup("pie", most=8)
        GRPOTrainer(reward_funcs=reward, train_dataset=reward.training_dataset(), …)

    `judge`: a `Judge`, a `Client`, or a server's URL; None judges on this machine, in `environment`. With `guarded`,
    the guards check right programs (docs/guards.md). `reasoning`: the model's thinking tags, if unusual. The other
    options are `Shape`'s. The same answer to the same pair always gets the same reward. Thread-safe.

    Raises UserError for an unknown dataset or split, and for options out of range.
    """

    def __init__(
        self,
        dataset: str | os.PathLike[str] = "mini",
        *,
        split: str = "train",
        judge: Judge | Client | str | None = None,
        environment: str = DEFAULT_ENVIRONMENT,
        workers: int | None = None,
        guarded: bool = False,
        reasoning: tuple[str, str] | None = None,
        **shape: Any,
    ):
        try:
            self.shape = Shape(**shape)
        except TypeError as error:
            raise UserError(
                f"rewards: {str(error).rpartition(') ')[2] or error}; see pie_bench.rewards.Shape"
            ) from None
        self.__name__ = "speedup"  # the name under which trainers log it
        self.guarded = guarded
        self._dataset = load_dataset(dataset, split)
        self._name = str(dataset)
        self._reasoning = reasoning
        if isinstance(judge, str):
            judge = Client(judge)
        self._judge = judge or Judge(environment)
        self._pool = LocalPool(workers or (_CONNECTIONS if isinstance(self._judge, Client) else None))
        self._known = Latest[tuple[str, str], Scored](_REMEMBERED)

    def __call__(
        self, completions: Sequence[Any], pair_id: Sequence[str] | None = None, **_: Any
    ) -> list[float | None]:
        """TRL's interface: a reward for each completion (text, or messages of which the last is the answer).

        `pair_id` is a column of the training dataset. None, which TRL skips, if there is no reward: see `Shape.reward`.
        UserError for a pair that the dataset does not have.
        """
        if pair_id is None:
            raise UserError("rewards: the training dataset has no column pair_id; make it with training_dataset()")
        if len(pair_id) != len(completions):
            raise UserError(f"rewards: {len(completions)} completions for {len(pair_id)} pair ids")
        answers = [(pair, text_of(each)) for pair, each in zip(pair_id, completions, strict=True)]
        return [scored.reward for scored in self.scored(answers)]

    def compute_score(
        self,
        data_source: str = "",
        solution_str: str = "",
        ground_truth: str = "",
        extra_info: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> float:
        """verl's interface (`custom_reward_function`): the reward of one answer, 0 if there is none.

        The pair is `extra_info["pair_id"]`, else `ground_truth`.
        """
        pair_id = (extra_info or {}).get("pair_id") or ground_truth
        (scored,) = self.scored([(str(pair_id), solution_str)])
        return 0.0 if scored.reward is None else scored.reward

    def training_dataset(
        self, task: str = "pie_instruct", *, form: Literal["trl", "verl"] = "trl", limit: int | None = None
    ) -> datasets.Dataset:
        """The pairs as a training dataset: a task's prompts as messages, and the columns that identify the pair.

        `trl`: columns `prompt`, `pair_id`. `verl`: `data_source`, `prompt`, `ability`, `reward_model`, `extra_info`.
        """
        import datasets

        from pie_bench.prompting.build import PromptBuilder
        from pie_bench.task import load_task

        found = load_task(task)
        examples = load_dataset(self._name, found.fewshot.split, with_tests=False).pairs if found.fewshot.k else ()
        builder = PromptBuilder(found, examples, cache_dir())
        rows = []
        for pair in self._dataset.chosen(limit=limit):
            messages = [{"role": each.role, "content": each.content} for each in builder.build(pair).messages]
            row: dict[str, Any] = {"prompt": messages, "pair_id": pair.pair_id}
            if form == "verl":
                row = {
                    "data_source": f"pie_bench/{self._dataset.name}",
                    "prompt": messages,
                    "ability": "code",
                    "reward_model": {"style": "rule", "ground_truth": pair.pair_id},
                    "extra_info": {"pair_id": pair.pair_id, "problem_id": pair.problem_id},
                }
            rows.append(row)
        return datasets.Dataset.from_list(rows)

    @property
    def workers(self) -> int:
        """How many answers are judged at once."""
        return self._pool.workers

    def scored(self, answers: Sequence[tuple[str, str]]) -> list[Scored]:
        """What these answers are worth, each a pair's id and a text, and why: for metrics beside the reward.

        Repeated answers, also from earlier batches, are judged only once. UserError for a pair that the dataset does
        not have.
        """
        for pair_id, _ in answers:
            self._dataset.pair(pair_id)
        keys = [(pair_id, sha256(text.encode(errors="replace"))) for pair_id, text in answers]
        found: dict[tuple[str, str], Scored] = {
            key: scored for key in keys if (scored := self._known.get(key)) is not None
        }
        missing = {key: answer for key, answer in zip(keys, answers, strict=True) if key not in found}
        found |= self._pool.map_unordered(lambda item: (item[0], self._scored(*item[1])), missing.items())
        for key in missing:
            if found[key].reward is not None:
                self._known.put(key, found[key])
        return [found[key] for key in keys]

    def close(self) -> None:
        """Closes the environment; it reopens on next use."""
        if isinstance(self._judge, Judge):
            self._judge.close()

    def _scored(self, pair_id: str, text: str) -> Scored:
        pair = self._dataset.pair(pair_id)
        given = PairWithTests(pair, self._dataset.tests(pair))
        extraction = extract_code(text, "stop", src_code=pair.src_code, reasoning=self._reasoning)
        if extraction.code is None:
            return Scored(self.shape.broken)
        # If an answer presents several programs on equal terms, the first that compiles counts, as in a run.
        for code in (extraction.code, *extraction.alternatives):
            verdict, finding = self._judged(code, given)
            if verdict.outcome != "compile_error":
                break
        correct = verdict.outcome == "ok"
        speedup = self.shape.speedup(verdict) if correct else None
        return Scored(
            self.shape.reward(verdict, finding), correct, speedup, flagged=finding is not None and finding.flagged
        )

    def _judged(self, code: str, pair: PairWithTests) -> tuple[Judgement, GuardFinding | None]:
        return self._judge.guarded(code, pair) if self.guarded else (self._judge(code, pair), None)


def text_of(completion: Any) -> str:
    """The text of a completion as trainers pass it: itself, or the last message's content."""
    if isinstance(completion, str):
        return completion
    try:
        content = completion[-1]["content"]
    except (KeyError, IndexError, TypeError):
        raise UserError(f"rewards: {completion!r:.80} is not a completion; expected text or messages") from None
    if isinstance(content, str):
        return content
    parts: Iterable[Any] = content or ()
    return "".join(part["text"] for part in parts if isinstance(part, Mapping) and "text" in part)
