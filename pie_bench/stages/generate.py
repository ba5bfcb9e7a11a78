"""Stage one: prompts out, completions in, kept in `generations.jsonl` as they arrive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pie_bench.data.load import load_dataset
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of
from pie_bench.models.model import Completion, Model, Request
from pie_bench.models.registry import load_model
from pie_bench.prompting.build import PromptBuilder
from pie_bench.prompting.prompt import Prompt
from pie_bench.stages.plan import Plan, settle
from pie_bench.store import RunDirectory, read_jsonl


def read_generations(directory: RunDirectory) -> dict[tuple[str, int], Mapping[str, Any]]:
    """What has been generated, by pair and sample."""
    return {(r["pair_id"], r["sample_index"]): r for r in read_jsonl(directory.generations_path)}


@contextmanager
def prepared(plan: Plan, directory: RunDirectory, cache_dir: Path) -> Iterator[Generation]:
    """The stage made ready: prompts rendered, model loaded; nothing is written or paid for until `completions`.

    Raises UserError for what stands in the way: an encoder or model that cannot be had, prompts that are no longer
    those the run was begun with.
    """
    done = read_generations(directory)
    n = plan.task.sampling.n
    wanted = {pair.pair_id: tuple(i for i in range(n) if (pair.pair_id, i) not in done) for pair in plan.pairs}
    if not any(wanted.values()):
        yield Generation(directory, [], None, {})
        return
    builder = prompt_builder(plan, cache_dir)
    prompts = {pair.pair_id: builder.build(pair) for pair in plan.pairs}
    sums = {pair_id: prompt_sha256(prompt) for pair_id, prompt in prompts.items()}
    for (pair_id, _), record in done.items():
        if record["prompt_sha256"] != sums.get(pair_id):
            raise UserError(f"{directory.generations_path}: pair {pair_id}: its prompt changed; use a new --run-dir")
    sampling = plan.task.sampling
    requests = [
        Request(pair_id, prompts[pair_id], sampling, sampling.seed, samples)
        for pair_id, samples in wanted.items()
        if samples
    ]
    model = load_model(plan.settings.model, {pair.pair_id: pair for pair in plan.pairs}, cache_dir)
    try:
        facts = {"model_resolved": model.resolved, "examples": builder.describe()}
        yield Generation(directory, requests, model, facts)
    finally:
        model.close()


@dataclass(frozen=True)
class Generation:
    """What is still to be asked, and the model to ask (None when nothing is)."""

    directory: RunDirectory
    requests: Sequence[Request]
    model: Model | None
    facts: Mapping[str, Any]

    def completions(self) -> Iterator[Completion]:
        """The missing completions as they arrive, each kept in the run directory before it is yielded.

        Raises UserError when the model is no longer the one the run was begun with.
        """
        if self.model is None:
            return
        settle(self.directory, "generation", self.facts)
        sent = {request.pair_id: request for request in self.requests}
        for completion in self.model.generate(self.requests):
            request = sent[completion.pair_id]
            record = asdict(completion) | {
                "prompt_sha256": prompt_sha256(request.prompt),
                "seed": request.seed + completion.sample_index,
            }
            self.directory.append(self.directory.generations_path, record)
            yield completion


def prompt_builder(plan: Plan, cache_dir: Path) -> PromptBuilder:
    """The task's prompt builder over its training pairs (read only when the task shows examples)."""
    fewshot = plan.task.fewshot
    train = load_dataset(plan.dataset.name, fewshot.split, with_tests=False).pairs if fewshot.k else ()
    return PromptBuilder(plan.task, train, cache_dir)


def prompt_sha256(prompt: Prompt) -> str:
    """What a completion answered to: the sum over text and messages."""
    return hash_of(asdict(prompt))
