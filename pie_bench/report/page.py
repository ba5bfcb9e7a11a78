"""`report.html`: one self-contained file made from finished runs."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pie_bench.errors import UserError
from pie_bench.execution.environment import load_environment_spec
from pie_bench.metrics.analyses import ERROR_CLASSES
from pie_bench.metrics.best_at_k import METHODS, METRICS
from pie_bench.metrics.scores import TIMES, samples_of
from pie_bench.plain import plain_within
from pie_bench.report import charts
from pie_bench.report.analyses import analysis_of, curve, error_classes
from pie_bench.report.page_data import page_data
from pie_bench.report.paper import paper_numbers
from pie_bench.report.table import format_interval, format_value, honesty, memory, stress, warnings
from pie_bench.report.templates import templates_in
from pie_bench.report.text import cell_text, embedded, with_bounds_beside
from pie_bench.run.measurement import Profile
from pie_bench.run.results import HEADLINE, Growth, PairResult, Time
from pie_bench.run.run import Key
from pie_bench.stages.finished import FinishedRun

_FOLDER = Path(__file__).with_name("page")
_TABLES = ("errors", "human", "lengths", "edits", "suspicious", "guards", "duplicates")
_STRESS_TABLES = ("stress", "growth")  # for runs judged on stress inputs
_MOST_CURVES = 24  # pairs


def write_report(
    runs: Sequence[FinishedRun],
    path: Path,
    plots: Path | None = None,
    profiles: Sequence[Mapping[Key, Profile]] | None = None,
) -> list[Path]:
    """Writes the page and, into `plots`, its charts as SVG and PNG; returns the paths written.

    `profiles` has for each run the profiles of its programs, as far as they are known.

    UserError if the runs are on different data, or if PNGs cannot be made here.
    """
    pictures = make_pictures(runs)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(render(runs, pictures, profiles or [{}] * len(runs)).encode("utf-8", "replace"))
    return [path, *(write_plots(pictures, plots) if plots is not None else [])]


def render(runs: Sequence[FinishedRun], pictures: Mapping[str, str], profiles: Sequence[Mapping[Key, Profile]]) -> str:
    """The page's HTML."""
    names = run_names(runs)
    environment = templates_in(_FOLDER)
    script = (_FOLDER / "page.js").read_text()
    # Allow only this script to run, whatever a program's text contains.
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    results = [run.results for run in runs]
    tables = [
        [analysis_of(run, each) for each in (*_TABLES, *(_STRESS_TABLES if run.results.stress is not None else ()))]
        for run in runs
    ]
    return environment.get_template("page.html.j2").render(
        style=(_FOLDER / "page.css").read_text(),
        script=script,
        script_sha256=allowed,
        data=embedded(
            plain_within(
                {"runs": names, "classes": ERROR_CLASSES, **page_data(runs, [_stalls(run) for run in runs], profiles)}
            )
        ),
        runs=[
            {
                "name": name,
                "colour": charts.run_colour(number),
                "results": run.results,
                "rows": _headline(run),
                "human": _human(run),
                "notes": [*memory(run.results), *honesty(run.results), *stress(run.results), *warnings(run.results)],
                "analyses": [(found, *with_bounds_beside(found.columns, found.rows)) for found in tables[number]],
                "folder": run.path.name,
            }
            for number, (name, run) in enumerate(zip(names, runs, strict=True))
        ],
        tasks=sorted({each.task for each in results}),
        environments=len({each.environment_id for each in results}),
        pictures=pictures,
        titles=[METRICS[name].title for name in HEADLINE],
        columns=HEADLINE,
        methods=METHODS,
        times=TIMES,
        paper=paper_numbers(),
        format_value=format_value,
        cell=cell_text,
    )


def run_names(runs: Sequence[FinishedRun]) -> list[str]:
    """Short names: the model, plus the task if the runs are of several, plus the folder if that is still ambiguous."""
    task = ("task",) if len({run.results.task for run in runs}) > 1 else ()
    for parts in (("model", *task), ("model", *task, "folder")):
        names = [" · ".join(_name_part(run, part) for part in parts) for run in runs]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({number})" for number, name in enumerate(names, start=1)]


def _name_part(run: FinishedRun, part: str) -> str:
    if part == "folder":
        return run.path.resolve().name
    name = run.results.model_shown if part == "model" else run.results.task
    return name.split("/")[-1].removesuffix(".jsonl")


def make_pictures(runs: Sequence[FinishedRun]) -> dict[str, str]:
    """The page's charts by name; those that depend on it for both times."""
    if len({run.results.dataset_fingerprint for run in runs}) > 1:
        raise UserError("the runs are on different data; make a report of each")
    names = run_names(runs)
    counted = []
    for name, run in zip(names, runs, strict=True):
        counts = Counter(each for classes in error_classes(run).values() for each in classes if each is not None)
        counted.append((name, dict(counts)))
    pictures = {"outcomes": charts.outcomes(counted, ERROR_CLASSES, "Outcomes of the answers")}
    for time in TIMES:
        pictures[f"best_at_k-{time}"] = _curves(runs, names, time)
        pictures[f"speedups-{time}"] = charts.distribution(
            [
                charts.Speedups(name, charts.run_colour(i), _best(run, time, "model"), _best(run, time, "human"))
                for i, (name, run) in enumerate(zip(names, runs, strict=True))
            ],
            "Best speedup of each pair",
        )
        pictures[f"problems-{time}"] = charts.heat_map(names, _problems(runs, time), "Scores of each problem")
    for number, run in enumerate(runs):
        drawn = _growth(run, charts.run_colour(number))
        if drawn is not None:
            pictures[f"growth-{number}"] = drawn
    return pictures


def _growth(run: FinishedRun, colour: str) -> str | None:
    """Growth curves of the pairs whose programs diverge most; None if the run was not judged on stress inputs."""
    if run.results.stress is None:
        return None
    by_pair: defaultdict[str, list[Growth]] = defaultdict(list)
    for each in run.results.stress.growth:
        if len(each.points) > 1:
            by_pair[each.pair_id].append(each)
    parted = sorted(by_pair, key=lambda pair: (-_parted(by_pair[pair]), pair))[:_MOST_CURVES]
    colours = {"source": "var(--ink)", "target": "var(--human)", "candidate": colour}
    named = {"source": "slow", "target": "human", "candidate": "answer"}
    panels = [
        (
            pair[:34],
            [
                charts.Line(
                    f"{named[each.role]}{'' if each.fit is None else f' n^{each.fit.exponent:.2f}'}",
                    colours[each.role],
                    [(size, seconds, None, None) for size, seconds in each.points if size > 0 and seconds > 0],
                    dashed=each.role == "target",
                )
                for each in by_pair[pair]
            ],
        )
        for pair in sorted(parted)
    ]
    return charts.growth(panels, "Time after the start of main over the input's size") if panels else None


def _parted(curves: Sequence[Growth]) -> float:
    """How far apart the fitted exponents of a pair's programs are."""
    found = [each.fit.exponent for each in curves if each.fit is not None]
    return max(found, default=0.0) - min(found, default=0.0)


def write_plots(pictures: Mapping[str, str], folder: Path) -> list[Path]:
    """Writes every chart as SVG and PNG; UserError (after writing the SVGs) if CairoSVG is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    texts = {name: charts.standalone(svg) for name, svg in pictures.items()}
    for name, text in texts.items():
        path = folder / f"{name}.svg"
        path.write_text(text)
        written.append(path)
    try:
        import cairosvg
    except (ImportError, OSError) as error:
        raise UserError(
            f"{folder}: the SVGs are written, but PNGs need CairoSVG ({error}); "
            "run: pip install 'pie_bench[plot]' and: sudo apt-get install libcairo2"
        ) from None
    for name, text in texts.items():
        path = folder / f"{name}.png"
        cairosvg.svg2png(bytestring=text.encode(), write_to=str(path), scale=2)
        written.append(path)
    return written


def _stalls(run: FinishedRun) -> Mapping[str, float]:
    """Counters of cycles in which the simulated processor retired nothing, by what it waited for, with the seconds per
    cycle."""
    try:
        simulator = load_environment_spec(run.plan.settings.environment).simulator
    except UserError:
        return {}
    return simulator.stalls


def _headline(run: FinishedRun) -> list[dict[str, Any]]:
    """The table's rows: one per method, time and k, with (value, interval) per metric."""
    wanted = sorted({score.k for score in run.results.scores if score.of == "model"})
    return [
        {"method": method, "time": time, "k": k, "cells": _cells(run, k, method, time, "model")}
        for method in METHODS
        for time in TIMES
        for k in wanted
    ]


def _human(run: FinishedRun) -> list[dict[str, Any]]:
    if not run.results.scores:
        return []
    return [{"time": time, "cells": _cells(run, 1, "best", time, "human")} for time in TIMES]


def _cells(run: FinishedRun, k: int, method: str, time: str, of: str) -> list[tuple[str, str]]:
    scores = [run.results.score(name, k, method=method, time=time, of=of) for name in HEADLINE]
    return [(format_value(score.metric, score.value), format_interval(score)) for score in scores]


def _curves(runs: Sequence[FinishedRun], names: Sequence[str], time: Time) -> str:
    lines: list[list[charts.Line]] = [[] for _ in HEADLINE]
    for number, (name, run) in enumerate(zip(names, runs, strict=True)):
        found = curve(run.usable, time)
        for method in METHODS:
            points = [(k, scores) for k, each, scores in found if each == method]
            for place, panel in enumerate(lines):
                values = [
                    (k, s[place].value, s[place].low, s[place].high) for k, s in points if s[place].value is not None
                ]
                label = name if method == "best" else f"{name}, first@k"
                if method == "best" or len(values) > 1:
                    panel.append(charts.Line(label, charts.run_colour(number), values, dashed=method == "first"))  # type: ignore[arg-type]
    panels = [(METRICS[name].title, METRICS[name].unit, panel) for name, panel in zip(HEADLINE, lines, strict=True)]
    return charts.curves(panels, "best@k and first@k against the number of samples")


def _best(run: FinishedRun, time: Time, of: Any) -> list[float]:
    """Each usable pair's best speedup over all samples, never below 1."""
    samples = samples_of(run.usable, time, of)
    values = METRICS["speedup_unfloored"].effect(samples) if run.usable else []
    counts = samples.counts.tolist()
    return [float(row[:count].max()) for row, count in zip(values, counts, strict=True) if count]


def _problems(runs: Sequence[FinishedRun], time: Time) -> list[charts.HeatRow]:
    """Scores of every problem over all samples."""
    by_problem: list[defaultdict[str, list[PairResult]]] = []
    for run in runs:
        groups: defaultdict[str, list[PairResult]] = defaultdict(list)
        for pair in run.usable:
            groups[pair.problem_id].append(pair)
        by_problem.append(groups)
    rows = []
    for problem in sorted({problem for groups in by_problem for problem in groups}):
        cells = []
        for run, found in zip(runs, by_problem, strict=True):
            pairs = found.get(problem, [])
            values = [
                METRICS[name].compute(samples_of(pairs, time), run.results.n_samples) if pairs else float("nan")
                for name in ("percent_correct", "percent_optimized", "speedup")
            ]
            cells.append(tuple(None if value != value else value for value in values))
        pairs_of = max(len(groups.get(problem, [])) for groups in by_problem)
        rows.append(charts.HeatRow(problem, pairs_of, cells))  # type: ignore[arg-type]
    return rows
