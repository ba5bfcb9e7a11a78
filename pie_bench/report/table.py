"""The table at the end of a run."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Literal

from pie_bench.metrics.best_at_k import METRICS
from pie_bench.plain import plain, shown_name
from pie_bench.run.kills import WEAK, Kills
from pie_bench.run.results import HEADLINE, Guards, Honesty, Results, Score, Scores, Stress

if TYPE_CHECKING:
    from rich.table import Table


def print_results(results: Results, file: IO[str] | None = None) -> None:
    """Prints the scores at every k next to the human reference, the outcomes, and what the numbers are based on."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(file=file, highlight=False, width=None if file is None else 100)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in HEADLINE:
        table.add_column(METRICS[name].title, justify="right", no_wrap=True)
    for name in HEADLINE:
        if METRICS[name].uses_time:
            table.add_column(f"{METRICS[name].title}*", justify="right", no_wrap=True)
    wanted = sorted({score.k for score in results.scores if score.of == "model"})
    for k in wanted:
        table.add_row(f"best@{k}", *_cells(results, k, "best", "model"))
        if results.guards is not None:
            table.add_row("  guarded", *_guarded_cells(results.guards, k))
    if len(wanted) > 1:
        table.add_section()
    for k in wanted[:-1]:  # with all samples the two are equal
        table.add_row(f"first@{k}", *_cells(results, k, "first", "model", bounds=False))
    if results.scores:
        table.add_section()
        table.add_row("human", *_cells(results, 1, "best", "human"), style="italic")
    samples = "1 sample" if results.n_samples == 1 else f"{results.n_samples} samples"
    console.print(
        f"[bold]{escape(shown_name(results.task))}[/] · [bold]{escape(results.model_shown)}[/] · "
        f"{escape(shown_name(results.dataset))}/{escape(shown_name(results.split))}: "
        f"{results.size}, {samples} a pair"
    )
    console.print(table)
    counted = ", ".join(f"{count} {name}" for name, count in sorted(results.outcomes.items(), key=lambda x: -x[1]))
    console.print(f"answers: {counted}", soft_wrap=True)
    if results.stress is not None:
        console.print(_stress_table(results.stress))
    for line in [*memory(results), *honesty(results), *stress(results), *legend(results)]:
        console.print(plain(line), soft_wrap=True, markup=False)
    for warning in warnings(results):
        console.print(f"[yellow]note:[/] {escape(plain(warning))}", soft_wrap=True)
    print_findings(results, console.file)


def print_guards(results: Results, file: IO[str] | None = None) -> None:
    """Prints the guards' findings, and the metrics with flagged answers counted as wrong; nothing without guards."""
    if results.guards is None:
        return
    print_findings(results, file)
    for name in HEADLINE:
        for k, value in results.guards.metrics.get(name, {}).items():
            raw = results.metrics[name][k]
            if value is not None and raw is not None and k.startswith("best@"):
                shown = (format_value(name, each) for each in (raw, value))
                print(f"  {METRICS[name].title} {k}: {' → '.join(shown)}", file=file or sys.stdout)


def print_findings(results: Results, file: IO[str] | None = None) -> None:
    """Prints the guards' findings, one line per answer, or that they were not run."""
    guards, out = results.guards, file or sys.stdout
    if guards is None:
        print("guards: not run (pie-bench guard RUN_DIR, or run --guard)", file=out)
        return
    print(
        f"guards: {guards.checked} answers checked, {len(guards.findings)} flagged "
        f"({guards.by_sanitizer} by sanitizers, {guards.by_guard_input} on {guards.n_guard_inputs} guard inputs"
        f"{f', {guards.by_slower} slower there' if guards.by_slower else ''}); "
        f"{guards.speedups_removed} speedups removed",
        file=out,
    )
    for finding in guards.findings:
        for said in finding.evidence.values():
            print(plain(f"  {finding.pair_id}, sample {finding.sample_index}: {said}"), file=out)


def memory(results: Results) -> list[str]:
    """Peak memory relative to the slow programs, in one line; none if the environment does not report it."""
    said = []
    for of, name in (("model", "the fastest answers"), ("human", "the human rewrites")):
        found = (results.memory or {}).get(of)  # type: ignore[call-overload]
        if found is not None and found.ratio is not None:
            said.append(
                f"{name} {found.ratio:.2f}× (less in {found.less}, more in {found.more} of {found.n_pairs} pairs)"
            )
    return [f"peak memory against the slow programs: {'; '.join(said)}"] if said else []


def honesty(results: Results) -> list[str]:
    """What the numbers are made of, one line each, without unknown ones; none for results from older versions."""
    model, human = results.honesty.get("model"), results.honesty.get("human")
    if model is None or human is None:
        return []
    lines = [
        f"won by start-up alone: {model.by_startup_alone} of {model.optimized} optimised pairs; by input/output alone: "
        f"{model.by_io_alone} (human rewrites: {human.by_startup_alone} and {human.by_io_alone} of {human.optimized})"
    ]
    if model.speedup_without_heaviest is not None and human.speedup_without_heaviest is not None:
        lines.append(
            f"share of the ten heaviest pairs in Speedup: {_heaviest(model)}; human rewrites: {_heaviest(human)}"
        )
    if model.speedup_guarded is not None:
        lines.append(f"Speedup with what the guards flag counted as wrong: {model.speedup_guarded:.2f}×")
    near = []
    if model.percent_near_human is not None:
        near.append(f"{model.percent_near_human:.1f} % of pairs reach 95 % of the human's speed (Opt₀.₉₅)")
    if model.over_fastest is not None:
        near.append(f"{model.over_fastest:.2f}× the speed of the fastest program known")
    if model.percentile is not None:
        near.append(f"percentile {model.percentile:.0f} among accepted programs ({model.n_ranked} pairs)")
    lines += ["; ".join(near)] if near else []
    lines += _weak(results, model)
    two_way = (
        f"{METRICS[name].title} {format_value(name, found.low, unit=False)}–{format_value(name, found.high)}"
        for name, found in model.two_way.items()
    )
    if model.two_way:
        lines.append(f"95 % intervals over problems and samples, best@1: {', '.join(two_way)}")
    ages = [
        f"{name} {group.speedup:.2f}× ({group.n_pairs} pairs)"
        for name, group in zip(("older", "newer"), model.ages or (), strict=False)
        if group.speedup is not None
    ]
    return [*lines, f"Speedup by the problem's age: {', '.join(ages)}"] if ages else lines


def _weak(results: Results, model: Honesty) -> list[str]:
    rates, weak = results.kill_rates, model.weak_problems
    if rates is None or weak is None:
        return []
    named = ", ".join(f"{name} ({shown_kills(rates.problems[name])})" for name in weak) or "none"
    rated = f"{len(weak)} of {len(rates.problems)} problems rated"
    line = f"weak tests (they find less than {100 * WEAK:.0f} % of mutants): {named}; {rated}"
    if weak:
        line += f", {model.optimized_in_weak} of {model.optimized} optimised pairs"
    if weak and model.speedup_without_weak is not None:
        line += f"; Speedup of the other pairs {model.speedup_without_weak:.2f}×"
    return [line]


def shown_kills(kills: Kills) -> str:
    """`9 of 12`: the mutants that a problem's tests find."""
    return f"{kills.tests or 0} of {kills.mutants}"


def _heaviest(found: Honesty) -> str:
    with_them, without = found.speedup, found.speedup_without_heaviest
    return f"{found.percent_of_heaviest:.0f} % ({with_them:.2f}×, without them {without:.2f}×)"


def stress(results: Results) -> list[str]:
    """What stress inputs change, in one line; none if the run was not judged on any."""
    found = results.stress
    if found is None:
        return []

    def of(name: Literal["model", "human"]) -> str:
        rank = found.rank_correlation.get(name)
        changed = len(found.changed_sides.get(name, ()))
        said = "–" if rank is None else f"{rank:.2f}"
        return f"rank correlation {said}, {changed} optimised on one kind of tests only"

    return [
        f"stress: {found.n_inputs} inputs in all, pairs: {found.n_pairs}, problems: {found.n_problems} (the second "
        f"table, of all samples); speedups on both kinds of tests: {of('model')}; human: {of('human')}"
    ]


def stress_rows(found: Stress) -> list[tuple[str, list[str]]]:
    """The same pairs on both kinds of tests: a name, and STRESS_COLUMNS."""
    k = max((name for name in found.metrics.get("speedup", {}) if name.startswith("best@")), key=_k_of, default=None)
    rows: list[tuple[str, Scores, Scores, str | None]] = [
        ("tests", found.on_paper_tests, found.on_paper_tests_without_startup, k),
        ("stress", found.metrics, found.metrics_without_startup, k),
        ("human, tests", found.human_on_paper_tests, found.human_on_paper_tests_without_startup, "best@1"),
        ("human, stress", found.human_reference, found.human_reference_without_startup, "best@1"),
    ]
    shown = []
    for name, whole, after, at in rows:
        values = [
            *(whole.get(metric, {}).get(at or "") for metric in ("percent_optimized", "speedup", "speedup_geometric")),
            *(after.get(metric, {}).get(at or "") for metric in ("speedup", "speedup_geometric")),
            whole.get("percent_correct", {}).get(at or ""),
        ]
        shown.append((name, [format_value(m, value) for m, value in zip(_STRESS_METRICS, values, strict=True)]))
    return shown


STRESS_COLUMNS = ("%Opt", "Speedup", "(geo.)", "Speedup*", "(geo.)*", "%Correct")
_STRESS_METRICS = (
    *("percent_optimized", "speedup", "speedup_geometric", "speedup", "speedup_geometric", "percent_correct"),
)


def _k_of(name: str) -> int:
    return int(name.partition("@")[2])


def _stress_table(found: Stress) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for title in STRESS_COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    for name, cells in stress_rows(found):
        table.add_row(name, *cells)
    return table


def legend(results: Results) -> list[str]:
    """How to read the numbers, and in which environment they were measured."""
    lines = [
        f"measured in {results.environment} ({results.environment_id[:12]}){_compared(results)}; "
        "* without process start-up"
    ]
    if results.n_samples > 1:
        lines.append("best@k: expected best of k answers; first@k: of the first k, as the paper reports it")
    if results.interval and results.interval["problems"] > 1:  # a single problem gives none
        how, problems = results.interval["method"], results.interval["problems"]
        lines.append(f"below each number its 95 % interval ({how} over {problems} problems)")
    return lines


def warnings(results: Results) -> list[str]:
    """Caveats about the numbers, each with its remedy."""
    found = []
    if results.sandbox == "unsafe":
        found.append(
            "UNSAFE: programs ran without a sandbox; what they did on this machine and to these results is unknown"
        )
    if results.answered_prompts != "these":
        said = "were given to other prompts" if results.answered_prompts == "other" else "do not say what they answered"
        found.append(f"replayed answers {said}: the numbers need not be the task's; the leaderboard refuses them")
    if results.infra_errors:
        found.append(
            f"{results.infra_errors} executions failed on our side (infra_error) and are in no metric; "
            "rerun the same command"
        )
    if results.unusable_pairs:
        found.append(
            f"{len(results.unusable_pairs)} pairs are left out because their source program fails its tests here "
            f"({', '.join(results.unusable_pairs[:3])}{', …' if len(results.unusable_pairs) > 3 else ''})"
        )
    if results.n_rejected_rows:
        found.append(f"{results.n_rejected_rows} rows of the dataset are incomplete and left out: see manifest.json")
    share = results.startup.get("model")
    if share is not None and share.by_startup_alone:
        found.append(
            f"{len(share.by_startup_alone)} of {share.optimized} optimised pairs are so by process start-up alone; "
            "the columns with * leave it out"
        )
    return found


def format_value(metric: str, value: float | None, *, unit: bool = True) -> str:
    """`12.5 %`, `1.06×` or a dash."""
    if value is None:
        return "–"
    if METRICS[metric].unit == "×":
        return f"{value:.2f}×" if unit else f"{value:.2f}"
    return f"{value:.1f} %" if unit else f"{value:.1f}"


def format_interval(score: Score) -> str:
    """`0.0–12.5`; empty if there is no interval."""
    if score.low is None or score.high is None:
        return ""
    low, high = (format_value(score.metric, bound, unit=False) for bound in (score.low, score.high))
    return f"{low}–{high}"


def _cells(results: Results, k: int, method: str, of: str, *, bounds: bool = True) -> list[str]:
    cells = []
    for time in ("process", "after_main"):
        for name in HEADLINE:
            if time == "process" or METRICS[name].uses_time:
                score = results.score(name, k, method=method, time=time, of=of)
                interval = format_interval(score) if bounds else ""
                cell = format_value(name, score.value)
                cells.append(f"{cell}\n[dim]{interval}[/]" if interval else cell)
    return cells


def _guarded_cells(guards: Guards, k: int) -> list[str]:
    timed = [name for name in HEADLINE if METRICS[name].uses_time]
    shown = [
        *((guards.metrics, name) for name in HEADLINE),
        *((guards.metrics_without_startup, name) for name in timed),
    ]
    return [format_value(name, metrics.get(name, {}).get(f"best@{k}")) for metrics, name in shown]


def _compared(results: Results) -> str:
    return f", outputs compared by {results.comparator}" if results.comparator else ""
