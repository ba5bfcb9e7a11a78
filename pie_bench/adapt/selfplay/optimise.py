"""Stage three: any model optimises the representatives, as an ordinary run over an ordinary dataset."""

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
    """Plans the run over the representatives, each with its own outputs as the expected ones.

    UserError if nothing was filtered yet, if no program is left, or if the folder holds another run.
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
            f"{run.path}: was begun with other representatives; move it away and rerun the command: known answers and "
            "measurements are reused"
        )


def example_builder(plan: Plan, place: Place, cache_dir: Path) -> PromptBuilder | None:
    """For a task that shows examples: a builder that takes them from the dataset of the draws. None if the task shows
    none or names its own source."""
    fewshot = plan.task.fewshot
    if not fewshot.k or fewshot.dataset is not None:
        return None
    begun = place.generate.read_manifest()
    train = load_dataset(begun.settings.dataset or str(begun.identity["dataset"]), fewshot.split, with_tests=False)
    return PromptBuilder(plan.task, train.pairs, cache_dir)
