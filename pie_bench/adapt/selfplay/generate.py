"""Stage one: asks a model for new programs, like any run: with any model, within a budget, resumable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pie_bench.adapt.selfplay.draws import Drawing, DrawPrompts, drawn_pairs
from pie_bench.adapt.selfplay.place import Place
from pie_bench.adapt.selfplay.problems import Problems, read_descriptions
from pie_bench.adapt.selfplay.task import load_preset
from pie_bench.execution.environment import load_environment_spec
from pie_bench.models.registry import find_model
from pie_bench.run.files import write_jsonl
from pie_bench.run.manifest import Settings
from pie_bench.stages.generate import PendingAnswers, prepared
from pie_bench.stages.plan import Plan, begin_run, check_run


@dataclass(frozen=True)
class GenerationPlan:
    """What to generate: a run's plan over the draws, and how to render its prompts."""

    plan: Plan
    prompts: DrawPrompts
    drawing: Drawing


def plan_generation(settings: Settings, descriptions: Path | None = None) -> GenerationPlan:
    """Resolves all settings; `settings.task` is a preset, `settings.limit` the number of draws.

    Raises UserError for unknown names and unusable data, before anything is written or paid for.
    """
    load_environment_spec(settings.environment)
    model = find_model(settings.model, settings.model_args)
    task = load_preset(settings.task, None if settings.include_path is None else Path(settings.include_path))
    count = settings.limit or task.draws.count
    settings = settings.model_copy(update={"limit": count})
    samples = task.sampling.n
    if settings.samples is not None:
        task = task.model_copy(update={"sampling": task.sampling.model_copy(update={"n": settings.samples})})
    problems = Problems(settings.dataset or task.dataset)
    described = read_descriptions(descriptions, problems.ids)
    drawing = Drawing(task, problems, described)
    dataset = drawn_pairs(drawing, count)
    prompts = DrawPrompts(task, drawing.draws(count), described)
    return GenerationPlan(Plan(settings, model, task, dataset, dataset.pairs, samples), prompts, drawing)


@contextmanager
def generation(
    planned: GenerationPlan, place: Place, cache_dir: Path, max_cost: float | None
) -> Iterator[PendingAnswers]:
    """The answers still to be generated, in a folder locked against other processes. UserError as for `prepared`."""
    plan, run = planned.plan, place.generate
    check_run(plan, run)
    with prepared(plan, run, cache_dir, max_cost, planned.prompts) as pending:
        yield pending


def begin(planned: GenerationPlan, place: Place) -> None:
    """Writes the run's manifest and the draws."""
    begin_run(planned.plan, place.generate)
    count = planned.plan.settings.limit or 0
    write_jsonl(place.draws_path, (draw.to_json() for draw in planned.drawing.draws(count)))
