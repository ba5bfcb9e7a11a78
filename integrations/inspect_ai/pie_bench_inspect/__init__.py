"""pie_bench's tasks for Inspect: `inspect eval pie_bench_inspect/pie -T task=pie_instruct`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, metric, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver

from pie_bench.api import chosen_sandbox, settings_of
from pie_bench.data.pair import Pair
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import Executor, open_executor
from pie_bench.execution.roots import build_roots
from pie_bench.execution.subject import Locks
from pie_bench.metrics.scores import all_scores, usable_pairs
from pie_bench.paths import cache_dir
from pie_bench.prompting.prompt import Prompt
from pie_bench.run.generation import Generation
from pie_bench.run.results import HEADLINE, PairResult
from pie_bench.run.verdict import Candidate, Verdict
from pie_bench.stages.execute import candidate_of, own_programs
from pie_bench.stages.generate import prompt_builder
from pie_bench.stages.plan import Plan, make_plan
from pie_bench.stages.score import pair_result

__all__ = ["pie"]


@task
def pie(
    task: str = "pie_instruct",
    dataset: str | None = None,
    environment: str = DEFAULT_ENVIRONMENT,
    encoder: str | None = None,
    limit: int | None = None,
    samples: int | None = None,
) -> Task:
    """One of pie_bench's tasks; the arguments are the options of `pie-bench run`."""
    plan = make_plan(
        settings_of(
            task,
            "reference",  # Inspect calls the model; pie_bench merely requires one
            dataset=dataset,
            environment=environment,
            limit=limit,
            samples=samples,
            pairs=None,
            encoder=encoder,
            model_args=None,
            context=None,
            include_path=None,
            answers_for_other_prompts=False,
        )
    )
    sampling = plan.task.sampling
    return Task(
        name=plan.task.task,
        version=plan.task.version,
        dataset=MemoryDataset(_samples(plan), name=f"{plan.dataset.name}/{plan.dataset.split}"),
        solver=answer(sampling.seed),
        scorer=verdicts(plan),
        config=GenerateConfig(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop_seqs=list(sampling.stop) or None,
        ),
        metadata={
            "task_hash": plan.task.task_hash,
            "dataset_fingerprint": plan.dataset.fingerprint,
            "environment": environment,
        },
    )


def _samples(plan: Plan) -> list[Sample]:
    """One Inspect sample per answer, because each answer's prompt may show a different tag."""
    builder = prompt_builder(plan, cache_dir())
    return [
        _sample(pair, index, builder.build(pair, index)) for pair in plan.pairs for index in range(plan.task.sampling.n)
    ]


def _sample(pair: Pair, index: int, prompt: Prompt) -> Sample:
    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser}
    return Sample(
        id=f"{pair.pair_id}#{index}",
        input=[kinds[message.role](content=message.content) for message in prompt.messages],
        target=pair.tgt_code,
        metadata={"pair_id": pair.pair_id, "sample_index": index, "prompt_sha256": prompt.sha256},
    )


@solver
def answer(seed: int) -> Solver:
    """Asks once, with the seed that `pie-bench run` uses for this answer."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        return await generate(state, seed=seed + state.metadata["sample_index"])

    return solve


class _Court:
    """Judges answers, and each pair's own two programs once, in an environment opened on first use."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.pairs = {pair.pair_id: pair for pair in plan.pairs}
        self._own: dict[tuple[str, str, int], Verdict] = {}
        self._locks = Locks()

    @cached_property
    def executor(self) -> Executor:
        sandbox = chosen_sandbox(None)
        build_roots(self.plan.settings.environment, sandbox)
        return open_executor(self.plan.settings.environment, cache_dir(), sandbox)

    def judge(self, generation: Generation) -> tuple[PairResult, Candidate, Verdict]:
        """The outcome of an answer, with the pair's own programs; the answer is the only sample."""
        pair = self.pairs[generation.pair_id]
        tests = self.plan.dataset.tests(pair)
        with self._locks.of("executor"):
            executor = self.executor
        with self._locks.of(pair.pair_id):
            for own in own_programs(self.plan):
                if own.pair_id == pair.pair_id and own.key not in self._own:
                    self._own[own.key] = executor.execute(own, tests)
        candidate = candidate_of(generation, pair)
        verdict = executor.execute(candidate, tests)
        pages = load_environment_spec(self.plan.settings.environment).simulator.pages
        return pair_result(pair, {**self._own, (pair.pair_id, "candidate", 0): verdict}, 1, pages), candidate, verdict


@metric
def best_at_k() -> Metric:
    """best@k and first@k of the paper's metrics over all answers: the same numbers as in `results.json`."""

    def compute(scores: list[SampleScore]) -> dict[str, float | None]:
        found = all_scores(usable_pairs(merged([each.score for each in scores])))
        return {
            f"{each.metric}/{each.name}": each.value
            for each in found
            if each.metric in HEADLINE and (each.of, each.time) == ("model", "process")
        }

    return compute


def merged(scores: Sequence[Score]) -> list[PairResult]:
    """The pairs, by id, with their answers in order, from one score per answer."""
    pairs: dict[str, dict[int, PairResult]] = {}
    for score in scores:
        said = score.metadata or {}
        result = PairResult.model_validate(said["pair"])
        pairs.setdefault(result.pair_id, {})[said["sample_index"]] = result
    return [
        found[min(found)].model_copy(update={"samples": tuple(found[index].samples[0] for index in sorted(found))})
        for _, found in sorted(pairs.items())
    ]


@scorer(metrics=[best_at_k()])
def verdicts(plan: Plan) -> Scorer:
    """Judges an answer like `pie-bench run`; the value is its speedup, or 0 if it is not correct."""
    court = _Court(plan)

    async def score(state: TaskState, target: Target) -> Score:
        generation = Generation(
            pair_id=state.metadata["pair_id"],
            sample_index=state.metadata["sample_index"],
            text=state.output.completion,
            finish_reason=state.output.stop_reason,
            prompt_sha256=state.metadata["prompt_sha256"],
        )
        result, candidate, verdict = await asyncio.to_thread(court.judge, generation)
        (sample,) = result.samples
        speedup = result.source.seconds / sample.seconds if result.source.seconds and sample.seconds else 0.0
        return Score(
            value=speedup,
            answer=candidate.judged(verdict.code_sha256),
            explanation=f"{verdict.outcome}: {verdict.detail}" if verdict.detail else verdict.outcome,
            metadata={"sample_index": generation.sample_index, "pair": result.model_dump(mode="json")},
        )

    return score
