"""The paper's analyses of a finished run: each a table with title, columns, rows and notes."""

from __future__ import annotations

import datetime
import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pie_bench.errors import UserError
from pie_bench.metrics.best_at_k import METHODS, METRICS, OPTIMIZED_SPEEDUP
from pie_bench.metrics.scores import TIMES, best_sample, samples_of, scores_of
from pie_bench.report.stress import GROWTH, SIDES, sides
from pie_bench.report.stress import growth as growth_rows
from pie_bench.report.table import stress as stress_said
from pie_bench.run.results import HEADLINE, Of, PairResult, Results, SampleResult, Score, Time
from pie_bench.run.verdict import Role
from pie_bench.stages.finished import FinishedRun

Cell = str | int | float | None


class Analysis(BaseModel):
    """A table. `columns` are the keys of every row; numbers are not rounded; `behind` names what was counted.

    `task` and `model` are the run's, filled in by `analysis_of`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    task: str = ""
    model: str = ""
    title: str
    paper: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    behind: Mapping[str, list[str]] = {}

    def records(self) -> list[dict[str, Cell]]:
        """One mapping per row, including the run's task and model."""
        names: dict[str, Cell] = {"task": self.task, "model": self.model}
        return [names | dict(zip(self.columns, row, strict=True)) for row in self.rows]


def errors(run: FinishedRun) -> Analysis:
    """Table 5: what is wrong with the answers."""
    from pie_bench.metrics.analyses import ERROR_CLASSES

    behind: defaultdict[str, list[str]] = defaultdict(list)
    for pair_id, names in error_classes(run).items():
        for index, name in enumerate(names):
            if name is not None:
                behind[name].append(f"{pair_id} sample {index}")
    found = Counter({name: len(answers) for name, answers in behind.items()})
    total = found.total()
    failed = total - found["optimized"]
    paper = paper_error_analysis()
    rows = tuple(
        (
            title,
            found[name],
            100 * found[name] / total if total else None,
            100 * found[name] / failed if failed and name != "optimized" else None,
            paper.get(name),
        )
        for name, title in ERROR_CLASSES.items()
    )
    return Analysis(
        name="errors",
        title="Outcomes of the answers",
        paper="Table 5",
        columns=("class", "answers", "% of all", "% of failed", "paper's %"),
        rows=rows,
        notes=(
            "same speed: within 1 % of the source's; failed: all but the optimized",
            "paper's: shares of the failed answers of its best model (GPT-3.5 after self-play)",
        ),
        behind={ERROR_CLASSES[name]: answers for name, answers in sorted(behind.items())},
    )


def error_classes(run: FinishedRun) -> dict[str, list[str | None]]:
    """Table 5's class for every answer, by pair; None for an error on our side."""
    from pie_bench.metrics.analyses import error_class, share_wrong

    classes = {}
    for pair in run.usable:
        assert pair.source.seconds is not None
        classes[pair.pair_id] = [
            error_class(
                sample.outcome,
                share_wrong([test.outcome for test in run.verdicts[pair.pair_id, "candidate", index].tests]),
                pair.source.seconds / sample.seconds if sample.seconds else None,
            )
            for index, sample in enumerate(pair.samples)
        ]
    return classes


def samples(run: FinishedRun) -> Analysis:
    """Figures 8 and 9: best@k and first@k against the number of samples, every k."""
    return Analysis(
        name="samples",
        title="best@k and first@k against the number of samples",
        paper="Figures 8 and 9",
        columns=("k", "method", *(f"{METRICS[name].title}{end}" for name in HEADLINE for end in ("", " low", " high"))),
        rows=tuple(
            (k, method, *(value for score in scores for value in (score.value, score.low, score.high)))
            for k, method, scores in curve(run.usable)
        ),
    )


def curve(pairs: list[PairResult], time: Time = "process") -> list[tuple[int, str, list[Score]]]:
    """(k, method, scores of %Opt, Speedup and %Correct) for every k from 1 to the number of samples."""
    if not pairs:
        return []
    every = range(1, max(len(pair.samples) for pair in pairs) + 1)
    scores = scores_of([METRICS[name] for name in HEADLINE], pairs, every, "model")
    by_key: dict[tuple[str, int, str, str], Score] = {(s.metric, s.k, s.method, s.time): s for s in scores}
    return [(k, method, [by_key[name, k, method, time] for name in HEADLINE]) for method in METHODS for k in every]


def lengths(run: FinishedRun) -> Analysis:
    """Appendix A.4: how the source's length correlates with correctness and speedup."""
    import numpy as np

    from pie_bench.cpp import code_tokens
    from pie_bench.metrics.analyses import correlation
    from pie_bench.metrics.statistics import clusters_of

    columns = ("length against", "pairs", *(f"{x}{y}" for x in ("pearson", "spearman") for y in ("", " low", " high")))
    rows = []
    if run.usable:
        tokens = np.array([len(code_tokens(run.pairs[pair.pair_id].src_code)) for pair in run.usable], dtype=float)
        clusters = clusters_of([pair.problem_id for pair in run.usable])
        n = run.results.n_samples
        for title, name, k in (
            ("share of answers correct", "percent_correct", 1),
            (f"log speedup, best of {n}", "speedup", n),
            (f"optimized, best of {n}", "percent_optimized", n),
        ):
            values = METRICS[name].of_pairs(samples_of(run.usable, "process"), k)
            known = ~np.isnan(values)
            values = np.log(values) if name == "speedup" else values
            if known.any():
                clusters_known = np.unique(clusters[known], return_inverse=True)[1]
                found = correlation(tokens[known], values[known], clusters_known)
                rows.append((title, *(None if x != x else x for x in vars(found).values())))
    return Analysis(
        name="lengths",
        title="Length of the source (tokens) against outcome",
        paper="Appendix A.4",
        columns=columns,
        rows=tuple(rows),
    )


def edits(run: FinishedRun) -> Analysis:
    """Appendix A.1: which kinds of edit made programs faster, compared with the human's."""
    from pie_bench.metrics.edits import KINDS, kind_of_edit

    speedups: dict[str, defaultdict[str, list[float]]] = {"model": defaultdict(list), "human": defaultdict(list)}
    behind: defaultdict[str, list[str]] = defaultdict(list)
    for of, role, pair, index in _optimized(run):
        sample = pair.target if of == "human" else pair.samples[index]
        kind = kind_of_edit(run.pairs[pair.pair_id].src_code, run.code(pair.pair_id, role, index) or "")
        assert pair.source.seconds and sample.seconds
        speedups[of][kind].append(pair.source.seconds / sample.seconds)
        behind[f"{of}: {kind}"].append(pair.pair_id)
    totals = {of: sum(map(len, kinds.values())) for of, kinds in speedups.items()}

    def cells(of: str, kind: str) -> tuple[Cell, ...]:
        found = speedups[of][kind]
        return (
            len(found),
            100 * len(found) / totals[of] if totals[of] else None,
            statistics.geometric_mean(found) if found else None,
        )

    return Analysis(
        name="edits",
        title="Kind of edit of the optimized programs",
        paper="Appendix A.1",
        columns=("kind", "answers", "answers %", "answers speedup", "human", "human %", "human speedup"),
        rows=tuple((kind, *cells("model", kind), *cells("human", kind)) for kind in KINDS),
        notes=(
            "a heuristic on the two texts; how often it agrees with hand-made labels: docs/statistics.md",
            "speedups are geometric means",
        ),
        behind=dict(behind),
    )


def _optimized(run: FinishedRun) -> Iterator[tuple[str, Role, PairResult, int]]:
    """(of, role, pair, sample) for every pair's best answer and human rewrite that is at least 10 % faster."""
    for pair in run.usable:
        index = best_sample(pair)
        chosen: list[tuple[str, Role, SampleResult, int]] = [("human", "target", pair.target, 0)]
        if index is not None:
            chosen.append(("model", "candidate", pair.samples[index], index))
        for of, role, sample, number in chosen:
            if sample.seconds and pair.source.seconds and pair.source.seconds / sample.seconds >= OPTIMIZED_SPEEDUP:
                yield of, role, pair, number


def suspicious(run: FinishedRun) -> Analysis:
    """Answers that are faster because a constant or array was made smaller."""
    from pie_bench.metrics.analyses import shrunk_constants

    rows = []
    for pair in run.usable:
        source = run.pairs[pair.pair_id].src_code
        for index, sample in enumerate(pair.samples):
            if sample.seconds and pair.source.seconds and pair.source.seconds / sample.seconds >= OPTIMIZED_SPEEDUP:
                code = run.code(pair.pair_id, "candidate", index) or ""
                for shrunk in shrunk_constants(source, code):
                    speedup = pair.source.seconds / sample.seconds
                    rows.append((pair.pair_id, index, speedup, shrunk.name, shrunk.before, shrunk.after))
    return Analysis(
        name="suspicious",
        title="Optimized answers that shrink a constant or an array",
        paper="",
        columns=("pair", "sample", "speedup", "name", "before", "after"),
        rows=tuple(rows),
        notes=("they pass the tests there are; larger inputs may break them",) if rows else (),
    )


def guards(run: FinishedRun) -> Analysis:
    """What `pie-bench guard` found, and the metrics without the flagged answers."""
    found, rows, notes = run.results.guards, [], []
    if found is None:
        notes.append("the guards were not run: pie-bench guard RUN_DIR")
    else:
        pairs = {pair.pair_id: pair for pair in run.usable}
        for finding in found.findings:
            pair = pairs[finding.pair_id]
            seconds = pair.samples[finding.sample_index].seconds
            speedup = pair.source.seconds / seconds if pair.source.seconds and seconds else None
            rows += [(finding.pair_id, finding.sample_index, speedup, *found) for found in finding.evidence.items()]
        notes.append(
            f"{found.checked} correct answers checked, on {found.n_guard_inputs} guard inputs; {found.unchecked} not"
        )
        for name, k, raw, guarded in changed_by_guards(run.results):
            notes.append(f"{METRICS[name].title} {k}: {raw:.3g} → {guarded:.3g}")
    return Analysis(
        name="guards",
        title="Answers that are right on the tests for the wrong reason",
        paper="",
        columns=("pair", "sample", "speedup", "found by", "evidence"),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def changed_by_guards(results: Results) -> Iterator[tuple[str, str, float, float]]:
    """(metric, its `best@k`, raw, guarded) for the headline metrics that the guards change."""
    for name in HEADLINE:
        for k, value in results.guards.metrics.get(name, {}).items() if results.guards is not None else ():
            raw = results.metrics[name][k]
            if k.startswith("best@") and value is not None and raw is not None and value != raw:
                yield name, k, raw, value


def human(run: FinishedRun) -> Analysis:
    """The model's answers compared with the human rewrites."""
    names = ("percent_optimized", "speedup", "speedup_geometric", "percent_correct", "fastest_over_human")
    n = run.results.n_samples
    rows = []
    for name in (*names, "percent_faster_than_human"):
        found: dict[tuple[str, int, str], Score] = {
            (s.of, s.k, s.time): s for s in run.results.scores if s.metric == name and s.method == "best"
        }
        row: list[Cell] = [METRICS[name].title]
        for time in TIMES:
            for of, k in (("model", n), ("human", 1)):
                row.append(found[of, k, time].value if (of, k, time) in found else None)
        rows.append(tuple(row))
    return Analysis(
        name="human",
        title="Model beside human rewrites",
        paper="Table 1",
        columns=("metric", f"best@{n}", "human", f"best@{n}, no start-up", "human, no start-up"),
        rows=tuple(rows),
    )


def duplicate_code(run: FinishedRun) -> Analysis:
    """Appendix A.9: equal code with different times, both as measured here and as recorded in the dataset."""
    from pie_bench.metrics.analyses import TimedProgram, duplicates

    measured, recorded = [], []
    for pair in run.usable:
        known = run.pairs[pair.pair_id]
        programs: list[tuple[str, str | None, float | None]] = [
            ("source", known.src_code, pair.source.seconds),
            ("target", known.tgt_code, pair.target.seconds),
        ]
        for index, sample in enumerate(pair.samples):
            code = run.code(pair.pair_id, "candidate", index) if sample.seconds else None
            programs.append((f"answer {index}", code, sample.seconds))
        for where, code, seconds in programs:
            if code and seconds:
                measured.append(TimedProgram(f"{pair.pair_id} {where}", pair.problem_id, code, known.tests, seconds))
        for role, text, total in (
            ("source", known.src_code, pair.recorded_source_seconds),
            ("target", known.tgt_code, pair.recorded_target_seconds),
        ):
            if total:
                recorded.append(TimedProgram(f"{pair.pair_id} {role}", pair.problem_id, text, known.tests, total))
    rows: list[tuple[Cell, ...]] = []
    notes = []
    behind: dict[str, list[str]] = {}
    for times, programs_of in (("measured", measured), ("recorded", recorded)):
        groups = duplicates(programs_of)
        different = [group for group in groups if group.ratio > 1]
        rows += [
            (times, g.problem_id, len(g.programs), g.fastest_seconds, g.slowest_seconds, g.ratio, "; ".join(g.programs))
            for g in different
        ]
        for number, group in enumerate(groups, start=1):
            behind[f"{times}, group {number}"] = list(group.programs)
        if programs_of:
            notes.append(f"{times}: {len(groups)} groups of equal programs, {len(different)} with different times")
    return Analysis(
        name="duplicates",
        title="The same code with different times",
        paper="Appendix A.9",
        columns=("times", "problem", "programs", "fastest s", "slowest s", "ratio", "where"),
        rows=tuple(rows),
        notes=tuple(notes),
        behind=behind,
    )


def contamination(run: FinishedRun, since: datetime.date | None = None, *others: FinishedRun) -> Analysis:
    """The model on problems older than a date, which it may have seen in training, and on newer ones, which it cannot
    have.

    `others` are runs of the same task, model and environment on other problems. The default date is the one in the
    dataset's recipe. UserError for runs that cannot be combined and, if a date was given, for pairs without dates.
    """
    from pie_bench.metrics.statistics import clusters_of, difference, intervals

    for other in others:
        for field in ("task_hash", "model", "environment_id", "n_samples"):
            if getattr(other.results, field) != getattr(run.results, field):
                raise UserError(f"{other.path}: its {field} differs from {run.path}'s: the two cannot be compared")
    asked = since is not None
    since = since or _date_of_recipe(run)
    dated: dict[bool, list[PairResult]] = {False: [], True: []}
    undated = 0
    if since is not None:
        first = datetime.datetime.combine(since, datetime.time(), datetime.timezone.utc).timestamp()
        for each in (run, *others):
            for pair in each.usable:
                date = each.pairs[pair.pair_id].problem_date
                if date is None:
                    undated += 1
                else:
                    dated[date >= first].append(pair)
    old, new = dated[False], dated[True]
    if asked and not old + new:
        raise UserError(f"{run.path}: no pair has a problem_date; datasets made by pie-bench dataset build have them")
    rows: list[tuple[Cell, ...]] = []
    notes = [f"new: problems first solved on {since} or later; difference: new less old"] if since else []
    wanted: list[tuple[Of, int]] = [("model", 1), ("model", run.results.n_samples), ("human", 1)]
    for of, k in dict.fromkeys(wanted) if old and new else ():
        for name in HEADLINE:
            values = [METRICS[name].of_pairs(samples_of(pairs, "process", of), k) for pairs in (old, new)]
            clusters = [clusters_of([pair.problem_id for pair in pairs]) for pairs in (old, new)]
            sides: list[Cell] = []
            for side, problems in zip(values, clusters, strict=True):
                found = intervals(side[:, None], problems)
                sides += [_number(found.mean[0]), _number(found.low[0]), _number(found.high[0])]
            between = difference(values[0], clusters[0], values[1], clusters[1])
            label = f"{METRICS[name].title}, {'human' if of == 'human' else f'best@{k}'}"
            bounds = (_number(value) for value in (between.value, between.low, between.high, between.detectable))
            rows.append((label, *sides, *bounds))
    sizes = [f"{len(pairs)} pairs of {len({pair.problem_id for pair in pairs})} problems" for pairs in (old, new)]
    if since is None:
        notes.append("no date: say --since DATE, or build the dataset with splits.since")
    else:
        notes.append(f"old: {sizes[0]}; new: {sizes[1]}; without a date: {undated}")
    if rows:
        notes.append(
            "the human rewrites' row says how far the problems themselves differ; intervals are Welch's, by problem"
        )
    return Analysis(
        name="contamination",
        title="Old problems and new ones",
        paper="",
        columns=(
            *("metric", "old", "old low", "old high", "new", "new low", "new high"),
            *("difference", "difference low", "difference high", "would be found"),
        ),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.12g}")


def _date_of_recipe(run: FinishedRun) -> datetime.date | None:
    """The date at which the dataset's recipe divides problems; None if it was not built here, or has no date."""
    folder = run.plan.dataset.folder
    try:
        manifest = json.loads(((folder or Path()) / "manifest.json").read_text(encoding="utf-8"))
        since = manifest["recipe"]["splits"]["since"]
        return datetime.date.fromisoformat(since) if folder is not None else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def paper_error_analysis() -> dict[str, float]:
    """Table 5, in percent, by class."""
    from pie_bench.report.paper import paper_numbers

    return dict(paper_numbers()["error_analysis"]["shares"])


def stress_sides(run: FinishedRun) -> Analysis:
    """The same pairs on the dataset's own tests and on stress inputs."""
    rows = sides(run.results)
    return Analysis(
        name="stress",
        title="On stress inputs",
        paper="",
        columns=SIDES,
        rows=tuple(rows),
        notes=tuple(stress_said(run.results)) or (NOT_JUDGED,),
    )


def growth(run: FinishedRun) -> Analysis:
    """How programs' times grow on the same input at several sizes."""
    return Analysis(
        name="growth",
        title="How time grows with the input",
        paper="",
        columns=GROWTH,
        rows=tuple(growth_rows(run.results)),
        notes=(
            "time after the start of main ∝ size^exponent; least squares over logarithms, 95 % interval of the slope",
        )
        if run.results.stress is not None
        else (NOT_JUDGED,),
    )


NOT_JUDGED = "not judged on stress inputs: pie-bench run --tests both"

ANALYSES: dict[str, Callable[[FinishedRun], Analysis]] = {
    "errors": errors,
    "samples": samples,
    "lengths": lengths,
    "edits": edits,
    "suspicious": suspicious,
    "guards": guards,
    "human": human,
    "duplicates": duplicate_code,
    "contamination": contamination,
    "stress": stress_sides,
    "growth": growth,
}


def analysis_of(run: FinishedRun, name: str) -> Analysis:
    """One of `ANALYSES`, with the run's task and model filled in; KeyError for another name."""
    return _of_run(ANALYSES[name](run), run)


def _of_run(analysis: Analysis, run: FinishedRun) -> Analysis:
    return analysis.model_copy(update={"task": run.results.task, "model": run.results.model_shown})


def contamination_of(run: FinishedRun, since: datetime.date | None, others: Sequence[FinishedRun]) -> Analysis:
    """`contamination` with the run's task and model filled in."""
    return _of_run(contamination(run, since, *others), run)
