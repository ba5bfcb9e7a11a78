"""The third stage: representatives made faster by any model, as an ordinary run over an ordinary dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pie_bench.adapt.selfplay.place import Place
from pie_bench.api import settings_of
from pie_bench.data.load import load_dataset
from pie_bench.errors import UserError
from pie_bench.prompting.build import PromptBuilder
from pie_bench.stages.plan import Plan, check_run, make_plan


def plan_optimisation(
    place: Place,
    task: str,
    model: str,
    *,
    samples: int | None = None,
    limit: int | None = None,
    model_args: Mapping[str, str] | None = None,
    context: int | None = None,
    include_path: str | Path | None = None,
    encoder: str | None = None,
) -> Plan:
    """The run over the representatives, each with its own outputs as the expected ones.

    UserError where nothing was filtered yet, where no program is left, and where the folder holds another run.
    """
    if not place.classes():
        raise UserError(f"{place.folder}: the filter left no program; generate more: --draws, --samples, another model")
    begun = place.generate.read_manifest().settings
    settings = settings_of(
        task,
        model,
        dataset=place.representatives,
        environment=begun.environment,
        limit=limit,
        samples=samples,
        pairs=None,
        shard=None,
        encoder=encoder,
        model_args=model_args,
        context=context,
        include_path=include_path,
        answers_for_other_prompts=False,
    )
    plan = make_plan(settings)
    _refuse_other_representatives(plan, place)
    check_run(plan, place.optimise)
    return plan


def _refuse_other_representatives(plan: Plan, place: Place) -> None:
    run = place.optimise
    key = "dataset_fingerprint"
    if run.begun and run.read_manifest().identity.get(key) != plan.identity[key]:
        raise UserError(
            f"{run.path}: was begun with other representatives; move it away and repeat the command: answers and "
            "measurements that are known are not paid for again"
        )


def example_builder(plan: Plan, place: Place, cache_dir: Path) -> PromptBuilder | None:
    """Of a task that shows examples: the builder that shows those of the dataset that programs were drawn from; None
    of one that shows none, or says itself where they come from."""
    fewshot = plan.task.fewshot
    if not fewshot.k or fewshot.dataset is not None:
        return None
    begun = place.generate.read_manifest()
    train = load_dataset(begun.settings.dataset or str(begun.identity["dataset"]), fewshot.split, with_tests=False)
    return PromptBuilder(plan.task, train.pairs, cache_dir)
