"""The third stage: representatives made faster by any model, as an ordinary run over an ordinary dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pie_bench.adapt.selfplay.place import Place
from pie_bench.api import settings_of
from pie_bench.errors import UserError
from pie_bench.stages.plan import Plan, check_run, make_plan

if TYPE_CHECKING:
    from pathlib import Path


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

    Tasks that show examples show those of the dataset that self-play was begun with. UserError where nothing was
    filtered yet, where no program is left, and for what the run in the folder is not.
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
