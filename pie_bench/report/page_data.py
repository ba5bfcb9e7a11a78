"""The report page's data on each pair: texts stored once, times and counts of every program, line differences."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pie_bench.errors import UserError
from pie_bench.execution.environment import load_environment_spec
from pie_bench.metrics.analyses import shrunk_constants
from pie_bench.metrics.best_at_k import OPTIMIZED_SPEEDUP
from pie_bench.metrics.edits import kind_of_edit
from pie_bench.metrics.scores import best_sample, seconds_of
from pie_bench.report.analyses import error_classes
from pie_bench.report.table import shown_kills
from pie_bench.run.measurement import Profile
from pie_bench.run.results import PairResult
from pie_bench.run.run import Key
from pie_bench.run.verdict import Verdict
from pie_bench.stages.finished import FinishedRun
from pie_bench.stages.profile import dearest_test

_LOG_CHARACTERS = 1_500
_ANSWER_CHARACTERS = 12_000


def page_data(
    runs: Sequence[FinishedRun],
    stalls: Sequence[Mapping[str, float]],
    profiles: Sequence[Mapping[Key, Profile]],
) -> dict[str, Any]:
    """`{"counters", "stalls", "pages", "pairs"}`: JSON for the page. By run, `stalls` has the seconds per stall cycle
    by counter, and `profiles` where cycles go; empty if unknown."""
    by_run = [{pair.pair_id: pair for pair in run.results.pairs} for run in runs]
    classes = [error_classes(run) for run in runs]
    ids = sorted({pair_id for pairs in by_run for pair_id in pairs})
    return {
        "counters": _labels(runs),
        "stalls": [dict(each) for each in stalls],
        "pages": _pages(runs),
        "pairs": [_pair(pair_id, runs, by_run, classes, profiles) for pair_id in ids],
    }


def _pages(runs: Sequence[FinishedRun]) -> str | None:
    """The counter of memory pages, if the runs' simulators have one."""
    for run in runs:
        try:
            return load_environment_spec(run.plan.settings.environment).simulator.pages
        except UserError:
            continue
    return None


def _labels(runs: Sequence[FinishedRun]) -> dict[str, str]:
    """The simulators' labels for their counters; counters without a label appear under their own name."""
    labels: dict[str, str] = {}
    for run in runs:
        try:
            labels |= load_environment_spec(run.plan.settings.environment).simulator.labels
        except UserError:  # an environment or a plug-in that no longer exists
            continue
    return labels


def _pair(
    pair_id: str,
    runs: Sequence[FinishedRun],
    by_run: Sequence[dict[str, PairResult]],
    classes: Any,
    profiles: Sequence[Mapping[Key, Profile]],
) -> Any:
    owner = next(run for run, pairs in zip(runs, by_run, strict=True) if pair_id in pairs)
    pair = owner.pairs[pair_id]
    return {
        "id": pair_id,
        "problem": pair.problem_id,
        "src": pair.src_code,
        "tgt": pair.tgt_code,
        "human": matching_lines(pair.src_code, pair.tgt_code),
        "humanKind": kind_of_edit(pair.src_code, pair.tgt_code),
        "tests": list(pair.tests),
        "runs": [
            _in_run(run, pairs[pair_id], found.get(pair_id), known) if pair_id in pairs else None
            for run, pairs, found, known in zip(runs, by_run, classes, profiles, strict=True)
        ],
    }


def _in_run(
    run: FinishedRun, result: PairResult, classes: Sequence[str | None] | None, profiles: Mapping[Key, Profile]
) -> dict[str, Any]:
    """One run's part of a pair: shows the fastest correct answer, else the first that contains a program."""
    pair = run.pairs[result.pair_id]
    best = best_sample(result)
    shown = best
    if shown is None:
        codes = (
            index for index in range(len(result.samples)) if run.code(pair.pair_id, "candidate", index) is not None
        )
        shown = next(codes, 0)
    code = run.code(pair.pair_id, "candidate", shown)
    verdict = run.verdicts[pair.pair_id, "candidate", shown]
    samples: list[list[Any]] = []
    for index, sample in enumerate(result.samples):
        speedups = [_speedup(result, sample, time) for time in ("process", "after_main")]
        samples.append([sample.outcome, classes[index] if classes else None, *speedups])
    dearest = dearest_test(run, pair.pair_id) if result.source.outcome == "ok" else None
    optimized = best is not None and (samples[best][2] or 0) >= OPTIMIZED_SPEEDUP
    shrunk = shrunk_constants(pair.src_code, code) if optimized and code is not None else []
    rates = run.results.kill_rates
    kills = rates.problems.get(pair.problem_id) if rates is not None else None
    return {
        "samples": samples,
        "best": best,
        "shown": shown,
        "code": code,
        "lines": matching_lines(pair.src_code, code) if code is not None else None,
        "kind": kind_of_edit(pair.src_code, code) if optimized and code is not None else None,
        "shrunk": [[each.name, each.before, each.after] for each in shrunk],
        "detail": verdict.detail,
        "readings": [_reading(run.verdicts[pair.pair_id, "candidate", index]) for index in range(len(result.samples))],
        "texts": _texts(run, result, shown),
        "log": verdict.compile_log[:_LOG_CHARACTERS] if verdict.outcome.startswith("compile") else "",
        "failed": [test.test_id for test in verdict.tests if test.outcome != "ok"][:40],
        "wrong": sum(test.outcome != "ok" for test in verdict.tests),
        "human": [_speedup(result, result.target, time) for time in ("process", "after_main")],
        "programs": [
            _program(run.verdicts.get(key), pair.tests, profiles.get(key), dearest)
            for key in _keys(pair.pair_id, shown)
        ],
        "profiled": dearest,
        "usable": result.source.outcome == "ok",
        "weak": shown_kills(kills) if kills is not None and kills.weak else None,
    }


def _reading(verdict: Verdict) -> list[Any] | None:
    """The rule that found a program in its answer, what was passed over, and whether a reader should look; None in runs
    from older versions."""
    reading = verdict.reading
    return None if reading is None else [reading.rule, list(reading.passed_over), reading.doubtful]


def _texts(run: FinishedRun, result: PairResult, shown: int) -> dict[int, str]:
    """The answers that a reader may want in full: the one shown, and those read doubtfully."""

    def doubtful(index: int) -> bool:
        reading = run.verdicts[result.pair_id, "candidate", index].reading
        return reading is not None and reading.doubtful

    wanted = [index for index in range(len(result.samples)) if index == shown or doubtful(index)]
    return {index: run.generations[result.pair_id, index].text[:_ANSWER_CHARACTERS] for index in wanted}


def _speedup(result: PairResult, sample: Any, time: Any) -> float | None:
    seconds, source = seconds_of(sample, time), seconds_of(result.source, time)
    return float(f"{source / seconds:.5g}") if seconds > 0 and source == source else None


def _keys(pair_id: str, shown: int) -> tuple[Key, Key, Key]:
    return (pair_id, "source", 0), (pair_id, "target", 0), (pair_id, "candidate", shown)


def _program(
    verdict: Verdict | None, tests: Sequence[str], profile: Profile | None, profiled: str | None
) -> dict[str, Any] | None:
    """Seconds and counts of a measured program; `times` are microseconds per test, in the pair's order. `lines` are
    microseconds by source line on the test `profiled`, null if unknown."""
    if verdict is None or verdict.outcome != "ok":
        return None
    times = {test.test_id: 1e6 * (test.seconds or 0.0) for test in verdict.tests}
    lines = None
    if profile is not None and profiled is not None:
        lines = {str(line): float(f"{times[profiled] * n / profile.cycles:.4g}") for line, n in profile.lines}
    return {
        "seconds": verdict.runtime_seconds,
        "startup": verdict.startup_seconds,
        "times": [float(f"{times[test]:.4g}") for test in tests],
        "counters": dict(verdict.counters),
        "startupCounters": dict(verdict.startup_counters),
        "lines": lines,
    }


def matching_lines(before: str, after: str) -> list[list[int]]:
    """Runs of equal lines as [first line before, first line after, count]; everything else was changed.

    Ignores blank lines (CodeNet's programs are full of them) and trailing whitespace; lines are numbered from 0 without
    the blank ones, as in the page.
    """
    matcher = difflib.SequenceMatcher(None, _lines(before), _lines(after), autojunk=False)
    return [[*block] for block in matcher.get_matching_blocks() if block.size]


def _lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line.rstrip(" \t\v\f") for line in lines if line.strip(" \t\v\f")]
