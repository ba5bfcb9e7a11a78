"""Stage one: prompts out, completions in, appended to `generations.jsonl` as they arrive."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pie_bench.data.load import load_dataset
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of
from pie_bench.models.budget import Budget
from pie_bench.models.model import Model, Request
from pie_bench.models.registry import load_model
from pie_bench.prompting.build import Builder, PromptBuilder
from pie_bench.prompting.fit import Prompts, fitting_prompts, room_of
from pie_bench.prompting.prompt import Prompt
from pie_bench.run.files import validated
from pie_bench.run.generation import Completion, Generation
from pie_bench.run.run import Run
from pie_bench.stages.plan import Plan
from pie_bench.store import GenerationStore


@contextmanager
def prepared(
    plan: Plan, run: Run, cache_dir: Path, max_cost: float | None = None, builder: Builder | None = None
) -> Iterator[PendingAnswers]:
    """Prepares the stage: loads the model and renders prompts so that they fit; nothing is written or paid for until
    `arriving`.

    `max_cost` (USD) limits the whole run, earlier commands included. `builder` renders the prompts (None: the task's
    own). Raises UserError for anything that prevents the stage: an unavailable encoder or model, prompts that are too
    long, or that differ from those the run was started with.
    """
    done = run.read_generations()
    n = plan.task.sampling.n
    tally = Tally(max_cost)
    for record in done.values():
        tally.add(record)
    check_same_answers(plan, run, cache_dir)
    if all((pair.pair_id, index) in done for pair in plan.pairs for index in range(n)):
        yield PendingAnswers(run, [], None, {}, tally)
        return
    builder = builder or prompt_builder(plan, cache_dir)
    pairs = {pair.pair_id: pair for pair in plan.pairs}
    budget = Budget(max_cost, spent=tally.cost_usd or 0.0)
    model = load_model(plan.settings.model, plan.model, pairs, cache_dir, budget)
    try:
        room = room_of(model, plan.task, plan.settings.context)
        prompts = fitting_prompts(plan.task, builder, plan.pairs, room)
        for key, record in done.items():
            prompt = prompts.by_sample.get(key)
            if prompt is None or record.prompt_sha256 != prompt.sha256:
                raise UserError(
                    f"{run.generations_path}: pair {record.pair_id}: its prompt changed; use a new --run-dir"
                )
        facts = {"model_resolved": model.resolved, "examples": builder.describe() | prompts.describe()}
        requests = _requests(plan, prompts, done.keys())
        check = getattr(model, "check", None)
        if check is not None:
            check(requests)
        with closing(GenerationStore(cache_dir / "generations.sqlite")) as shared:
            tags = plan.model.reasoning
            own = None if tags is None else (tags.start, tags.end)
            pending = PendingAnswers(run, requests, model, facts, tally, shared, prompts, own)
            try:
                yield pending
            finally:
                pending.ended.set()
    finally:
        model.close()


def check_same_answers(plan: Plan, run: Run, cache_dir: Path) -> None:
    """Raises UserError if the source of the run's answers (a file of answers, a checkpoint, weights) has changed."""
    facts = run.read_manifest().generation if run.begun else None
    now = plan.model.exact(cache_dir) if facts is not None else None
    if facts is not None and now is not None and not facts.model_resolved.startswith(now):
        raise UserError(
            f"{run.path}: its answers came from {facts.model_resolved:.80}, {plan.settings.model} is now {now:.80}; "
            "give another --run-dir, or restore the original"
        )


@dataclass
class Tally:
    """What a run's answers have taken so far, for the progress bar: recorded tokens, and cost (None if no answer had a
    price). Answers reused from another run cost nothing."""

    max_cost: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    shared: int = 0

    def add(self, record: Generation) -> None:
        if record.shared:
            self.shared += 1
            return
        self.prompt_tokens += 0 if record.shares_prompt else record.prompt_tokens
        self.completion_tokens += record.completion_tokens
        if record.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + record.cost_usd

    def __str__(self) -> str:
        parts = [f"{_short(self.prompt_tokens)} tokens in, {_short(self.completion_tokens)} out"]
        if self.cost_usd is not None:
            parts.append(f"${self.cost_usd:.2f}" + (f" of ${self.max_cost:g}" if self.max_cost is not None else ""))
        if self.shared:
            parts.append(f"{self.shared} from earlier runs")
        return ", ".join(parts)


def _short(count: int) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)


def _requests(plan: Plan, prompts: Prompts, done: Collection[tuple[str, int]]) -> list[Request]:
    """The remaining requests: one for each distinct prompt of a pair."""
    sampling = plan.task.sampling
    requests = []
    for pair in plan.pairs:
        wanted: dict[Prompt, list[int]] = {}
        for index in range(sampling.n):
            if (pair.pair_id, index) not in done:
                wanted.setdefault(prompts.by_sample[pair.pair_id, index], []).append(index)
        requests += [
            Request(pair.pair_id, prompt, sampling, sampling.seed, tuple(samples)) for prompt, samples in wanted.items()
        ]
    return requests


@dataclass(frozen=True)
class PendingAnswers:
    """The remaining requests, and the model to ask (None if there are none). `shared` holds answers of other runs."""

    run: Run
    requests: Sequence[Request]
    model: Model | None
    facts: Mapping[str, Any]
    tally: Tally = field(default_factory=Tally)
    shared: GenerationStore | None = None
    prompts: Prompts | None = None
    reasoning: tuple[str, str] | None = None  # the model's thinking tags
    ended: threading.Event = field(default_factory=threading.Event)

    def arriving(self) -> Iterator[Generation]:
        """Yields the missing answers as they arrive, each after storing it in the run's folder.

        Raises UserError if the model is no longer the one the run was started with, if an answer cannot be stored, and
        whatever stops the model.
        """
        if self.model is None:
            return
        self.run.settle("generation", self.facts)
        requests = []
        for request in self.requests:
            missing = []
            for index in request.sample_indices:
                completion = self._of_another_run(request, index)
                if completion is None:
                    missing.append(index)
                else:
                    yield self._kept(request, completion, shared=True)
            if missing:
                requests.append(replace(request, sample_indices=tuple(missing)))
        sent = {(request.pair_id, index): request for request in requests for index in request.sample_indices}
        stream = self.model.generate(requests)
        noted: dict[str, str] = {}
        try:
            for completion in stream:
                if self.ended.is_set():  # error elsewhere: nobody is waiting, and the folder may be in use by others
                    return
                yield self._kept(sent[completion.pair_id, completion.sample_index], completion, shared=False)
                if noted != (noted := dict(self.model.notes)):
                    self.run.note("provider", noted)
        finally:
            close = getattr(stream, "close", None)
            if close is not None:
                close()  # cancels the remaining requests

    def _of_another_run(self, request: Request, index: int) -> Completion | None:
        identity = self.model.identity if self.model is not None else None
        if identity is None or self.shared is None:
            return None
        record = self.shared.get(completion_key(identity, request, index))
        if record is None:
            return None
        try:
            return validated(Completion, record | {"pair_id": request.pair_id, "sample_index": index})
        except ValueError:  # damaged: treat it as missing
            return None

    def _kept(self, request: Request, completion: Completion, *, shared: bool) -> Generation:
        own = {} if self.reasoning is None else {"reasoning": self.reasoning}
        record = Generation(
            **(vars(completion) | own),
            prompt_sha256=request.prompt.sha256,
            seed=request.seed + completion.sample_index,
            shared=shared,
        )
        identity = self.model.identity if self.model is not None else None
        if not shared and identity is not None and self.shared is not None:
            # Shared first: if the run's own disk is full, what was paid for is still available.
            self.shared.put(completion_key(identity, request, completion.sample_index), asdict(completion))
        self.run.append(record)
        self.tally.add(record)
        return record


def completion_key(identity: Mapping[str, Any], request: Request, index: int) -> str:
    """The hash of all that decides an answer, and of nothing else: neither the pair's name, nor the number of samples,
    nor the form of the prompt that the model does not see."""
    prompt = asdict(request.prompt)
    sampling = request.sampling.model_dump(mode="json", exclude={"n", "seed"})
    return hash_of(
        {
            "model": dict(identity),
            "prompt": prompt["messages" if identity["prompting"] == "chat" else "text"],
            "sampling": sampling,
            "seed": request.seed + index,
        }
    )


def prompt_builder(plan: Plan, cache_dir: Path) -> PromptBuilder:
    """The task's prompt builder over its training pairs (read only if the task shows examples)."""
    fewshot = plan.task.fewshot
    source = fewshot.dataset or plan.dataset_name
    train = load_dataset(source, fewshot.split, with_tests=False).pairs if fewshot.k else ()
    return PromptBuilder(plan.task, train, cache_dir)
