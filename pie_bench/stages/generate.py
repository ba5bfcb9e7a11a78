"""Stage one: prompts out, completions in, kept in `generations.jsonl` as they arrive."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
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
from pie_bench.prompting.fit import Prompts, fitting_prompts, room_of
from pie_bench.prompting.prompt import Prompt
from pie_bench.stages.plan import Plan, settle
from pie_bench.store import RunDirectory, read_jsonl


def read_generations(directory: RunDirectory) -> dict[tuple[str, int], Mapping[str, Any]]:
    """What has been generated, by pair and sample."""
    return {(r["pair_id"], r["sample_index"]): r for r in read_jsonl(directory.generations_path)}


@contextmanager
def prepared(plan: Plan, directory: RunDirectory, cache_dir: Path) -> Iterator[Generation]:
    """The stage made ready: model loaded, prompts rendered so that they fit; nothing is written or paid for until
    `completions`.

    Raises UserError for what stands in the way: an encoder or model that cannot be had, prompts that are too long, or
    no longer those the run was begun with.
    """
    done = read_generations(directory)
    n = plan.task.sampling.n
    if all((pair.pair_id, index) in done for pair in plan.pairs for index in range(n)):
        yield Generation(directory, [], None, {})
        return
    builder = prompt_builder(plan, cache_dir)
    model = load_model(plan.settings.model, {pair.pair_id: pair for pair in plan.pairs}, cache_dir)
    try:
        room = room_of(model, plan.task, plan.settings.context)
        prompts = fitting_prompts(plan.task, builder, plan.pairs, room)
        for (pair_id, index), record in done.items():
            prompt = prompts.by_sample.get((pair_id, index))
            if prompt is None or record["prompt_sha256"] != prompt_sha256(prompt):
                raise UserError(
                    f"{directory.generations_path}: pair {pair_id}: its prompt changed; use a new --run-dir"
                )
        facts = {"model_resolved": model.resolved, "examples": builder.describe() | prompts.describe()}
        yield Generation(directory, _requests(plan, prompts, done.keys()), model, facts, prompts)
    finally:
        model.close()


def _requests(plan: Plan, prompts: Prompts, done: Collection[tuple[str, int]]) -> list[Request]:
    """What is still to be asked: a request for each different prompt of a pair."""
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
class Generation:
    """What is still to be asked, and the model to ask (None when nothing is)."""

    directory: RunDirectory
    requests: Sequence[Request]
    model: Model | None
    facts: Mapping[str, Any]
    prompts: Prompts | None = None

    def completions(self) -> Iterator[Completion]:
        """The missing completions as they arrive, each kept in the run directory before it is yielded.

        Raises UserError when the model is no longer the one the run was begun with.
        """
        if self.model is None:
            return
        settle(self.directory, "generation", self.facts)
        sent = {(request.pair_id, index): request for request in self.requests for index in request.sample_indices}
        for completion in self.model.generate(self.requests):
            request = sent[completion.pair_id, completion.sample_index]
            record = asdict(completion) | {
                "prompt_sha256": prompt_sha256(request.prompt),
                "seed": request.seed + completion.sample_index,
            }
            self.directory.append(self.directory.generations_path, record)
            yield completion


def prompt_builder(plan: Plan, cache_dir: Path) -> PromptBuilder:
    """The task's prompt builder over its training pairs (read only when the task shows examples)."""
    fewshot = plan.task.fewshot
    source = fewshot.dataset or plan.dataset_name
    train = load_dataset(source, fewshot.split, with_tests=False).pairs if fewshot.k else ()
    return PromptBuilder(plan.task, train, cache_dir)


def prompt_sha256(prompt: Prompt) -> str:
    """What a completion answered to: the sum over text and messages."""
    return hash_of(asdict(prompt))
