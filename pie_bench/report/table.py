"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO

from pie_bench.report.results import Results, Scores

_TITLES = {"percent_optimized": "%Opt", "speedup": "Speedup", "percent_correct": "%Correct"}


def print_results(results: Results, file: IO[str] | None = None) -> None:
    """The scores at every k beside the human reference, what became of the answers, and what the numbers rest on."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(file=file, highlight=False, width=None if file is None else 100)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in results.metrics:
        table.add_column(_title(name), justify="right")
    for name in _timed(results.metrics):
        table.add_column(f"{_title(name)}*", justify="right", style="dim")
    for key in _in_order(results.metrics):
        cells = _cells(results.metrics, results.metrics_without_startup, key)
        table.add_row(key.replace("best@", "Best@"), *cells)
    human = _cells(results.human_reference, results.human_reference_without_startup, "best@1")
    table.add_row("human", *human, style="italic")
    samples = "1 sample" if results.n_samples == 1 else f"{results.n_samples} samples"
    console.print(
        f"[bold]{results.task}[/] · [bold]{results.model}[/] · {results.dataset}/{results.split}: "
        f"{results.n_pairs} pairs of {results.n_problems} problems, {samples} a pair"
    )
    console.print(table)
    counted = ", ".join(f"{count} {name}" for name, count in sorted(results.outcomes.items(), key=lambda x: -x[1]))
    console.print(f"answers: {counted}")
    console.print(f"measured in {results.environment} ({results.environment_id[:12]}); * without process start-up")
    for warning in warnings(results):
        console.print(f"[yellow]note:[/] {warning}")


def warnings(results: Results) -> list[str]:
    """What a reader of the numbers must know, each with its remedy."""
    found = []
    if results.infra_errors:
        found.append(
            f"{results.infra_errors} executions failed on our side (infra_error) and are in no metric; "
            "run the same command again"
        )
    if results.unusable_pairs:
        found.append(
            f"{len(results.unusable_pairs)} pairs are left out because their source program fails its tests here "
            f"({', '.join(results.unusable_pairs[:3])}{', …' if len(results.unusable_pairs) > 3 else ''})"
        )
    if results.n_rejected_rows:
        found.append(
            f"{results.n_rejected_rows} rows of the dataset lack something and are left out: see manifest.json"
        )
    return found


def _in_order(scores: Scores) -> list[str]:
    keys = {key for values in scores.values() for key in values}
    return sorted(keys, key=lambda key: int(key.partition("@")[2]))


def _title(name: str) -> str:
    return _TITLES.get(name, name)


def _timed(names: Iterable[str]) -> list[str]:
    """The metrics that depend on time: without start-up they are another number."""
    return [name for name in names if name != "percent_correct"]


def _cells(whole: Scores, without: Scores, key: str) -> list[str]:
    cells = [_cell(name, whole[name], key) for name in whole]
    return cells + [_cell(name, without[name], key) for name in _timed(whole)]


def _cell(name: str, values: Mapping[str, float | None], key: str) -> str:
    value = values.get(key)
    if value is None:
        return "–"
    return f"{value:.2f}×" if name == "speedup" else f"{value:.1f} %"
