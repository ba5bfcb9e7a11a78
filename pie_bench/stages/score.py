"""Stage three: verdicts in, `results.json` out. Pure except for reading the run directory and writing the file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.execution.checker import shown_comparator
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.simulators.spec import PAGE_BYTES
from pie_bench.metrics.best_at_k import METRICS, OPTIMIZED_SPEEDUP
from pie_bench.metrics.edits import only_input_output
from pie_bench.metrics.growth import fitted, rank_correlation
from pie_bench.metrics.honesty import honesty
from pie_bench.metrics.named import added_metrics
from pie_bench.metrics.scores import (
    all_scores,
    best_sample,
    interval_facts,
    memory_beside_time,
    samples_of,
    scores_by_name,
    startup_shares,
)
from pie_bench.run.generation import Generation
from pie_bench.run.guard import GuardFinding
from pie_bench.run.manifest import StressFacts
from pie_bench.run.results import (
    Growth,
    Guards,
    Of,
    PairResult,
    Results,
    SampleResult,
    Score,
    Scores,
    Stress,
    Time,
)
from pie_bench.run.run import Key, Run
from pie_bench.run.verdict import Verdict
from pie_bench.stages.execute import candidate_of
from pie_bench.stages.plan import Plan, package_versions

Verdicts = Mapping[Key, Verdict]


def score(plan: Plan, run: Run) -> Results:
    """The results of a finished run, also written to `results.json`.

    UserError, with the number, if programs are still without a verdict.
    """
    manifest = run.read_manifest()
    verdicts = run.read_verdicts(with_tests=False)
    samples = plan.task.sampling.n
    wanted = [(pair.pair_id, "candidate", i) for pair in plan.pairs for i in range(samples)]
    wanted += [(pair.pair_id, role, 0) for pair in plan.pairs for role in ("source", "target")]
    missing = [key for key in wanted if key not in verdicts]
    if missing:
        pair_id, role, sample = missing[0]
        raise UserError(
            f"{run.path}: {len(missing)} of {len(wanted)} programs have no verdict yet "
            f"(the first: pair {pair_id}, {role} {sample}); run: pie-bench generate …, "
            f"then pie-bench execute {run.path}"
        )
    pages = load_environment_spec(plan.settings.environment).simulator.pages
    by_id = sorted(plan.pairs, key=lambda pair: pair.pair_id)
    pairs = [pair_result(pair, verdicts, samples, pages) for pair in by_id]
    # Without a measured source there is no baseline; an infrastructure error on it is reported as such.
    usable = [pair for pair in pairs if pair.source.outcome == "ok"]
    scores = all_scores(usable, added_metrics(plan.task.metrics))
    covered = {(pair.pair_id, index) for pair in plan.pairs for index in range(samples)}
    generations = [each for key, each in sorted(run.read_generations().items()) if key in covered]
    execution, facts = manifest.execution, manifest.generation
    if execution is None or facts is None or "dataset_fingerprint" not in manifest.identity:
        raise UserError(f"{run.manifest_path}: not the manifest of a run with answers and verdicts")
    guards = guarded(usable, run, verdicts, plan.task.metrics)
    known = manifest.kill_rates
    kill_rates = known.of(pair.problem_id for pair in usable) if known is not None else None
    results = Results(
        task=plan.task.task,
        task_version=plan.task.version,
        task_hash=plan.task.task_hash,
        model=plan.settings.model,
        model_resolved=facts.model_resolved,
        model_args=manifest.identity.get("model_args", {}),
        **from_provider(generations),
        answered_prompts=answered_prompts(generations),
        examples=facts.examples,
        dataset=plan.dataset.name,
        split=plan.dataset.split,
        dataset_fingerprint=manifest.identity["dataset_fingerprint"],
        environment=execution.name,
        environment_id=execution.environment_id,
        environment_facts=execution.facts,
        comparator=shown_comparator(load_environment_spec(plan.settings.environment).comparator),
        sandbox=execution.sandbox,
        n_pairs=len(usable),
        n_problems=len({pair.problem_id for pair in usable}),
        n_samples=samples,
        n_rejected_rows=len(plan.dataset.rejected),
        unusable_pairs=tuple(pair.pair_id for pair in pairs if pair.source.outcome not in ("ok", "infra_error")),
        metrics=scores_by_name(scores, plan.task.metrics, of="model", time="process"),
        metrics_without_startup=scores_by_name(scores, plan.task.metrics, of="model", time="after_main"),
        human_reference=scores_by_name(scores, plan.task.metrics, of="human", time="process"),
        human_reference_without_startup=scores_by_name(scores, plan.task.metrics, of="human", time="after_main"),
        scores=tuple(scores),
        interval=interval_facts(usable),
        startup=startup_shares(usable),
        memory=memory_beside_time(usable),
        guards=guards,
        honesty=honesty(
            usable,
            by_io_alone(plan, usable, generations, verdicts),
            guards,
            {pair.pair_id: pair.problem_date for pair in plan.pairs if pair.problem_date is not None},
            kill_rates.weak if kill_rates is not None else None,
        ),
        stress=stressed(plan, run, pairs),
        kill_rates=kill_rates,
        outcomes=dict(sorted(Counter(sample.outcome for pair in pairs for sample in pair.samples).items())),
        infra_errors=sum(verdicts[key].outcome == "infra_error" for key in wanted),
        tokens={
            "prompt": sum(each.prompt_tokens for each in generations if not each.shares_prompt),
            "completion": sum(each.completion_tokens for each in generations),
        },
        versions=package_versions([*manifest.plugins, *plan.plugins]),
        pairs=tuple(pairs),
    )
    run.write_results(results)
    return results


def by_io_alone(
    plan: Plan, pairs: Sequence[PairResult], generations: Iterable[Generation], verdicts: Verdicts
) -> dict[Of, list[str]]:
    """Pairs whose best answer, or human rewrite, differs from the slow program only in input and output."""
    known = {pair.pair_id: pair for pair in plan.pairs}
    best = {(pair.pair_id, best_sample(pair)) for pair in pairs}
    answers: dict[str, str] = {}
    for generation in generations:
        if (generation.pair_id, generation.sample_index) in best:
            candidate = candidate_of(generation, known[generation.pair_id])
            code = candidate.judged(verdicts[candidate.key].code_sha256)
            if code is not None:
                answers[generation.pair_id] = code
    rewrites = {pair.pair_id: known[pair.pair_id].tgt_code for pair in pairs}
    programs: dict[Of, dict[str, str]] = {"model": answers, "human": rewrites}
    return {
        of: [name for name, code in sorted(found.items()) if only_input_output(known[name].src_code, code)]
        for of, found in programs.items()
    }


def stressed(plan: Plan, run: Run, paper: Sequence[PairResult]) -> Stress | None:
    """The metrics on stress inputs next to those on the dataset's own tests; None if the run was not judged on any, or
    not completely yet."""
    facts = run.read_manifest().stress
    if facts is None or not run.stress_path.exists():
        return None
    found = run.read_verdicts(stress=True)
    usable = [pair for pair in paper if pair.pair_id in facts.pairs and pair.source.outcome == "ok"]
    stress_pairs = []
    for pair in usable:
        keys = [(pair.pair_id, "source", 0), (pair.pair_id, "target", 0)]
        keys += [(pair.pair_id, "candidate", i) for i, each in enumerate(pair.samples) if each.outcome == "ok"]
        if pair.target.outcome == "ok" and any(key not in found for key in keys):
            return None
        stress_pairs.append(_on_stress(pair, found))
    stress_pairs = [pair for pair in stress_pairs if pair.source.outcome == "ok"]
    both = {pair.pair_id for pair in stress_pairs}
    same_pairs = [pair for pair in usable if pair.pair_id in both]
    metrics = [*plan.task.metrics, *({"speedup_geometric"} - set(plan.task.metrics))]
    scores = all_scores(stress_pairs, added_metrics(plan.task.metrics))
    beside = all_scores(same_pairs, added_metrics(plan.task.metrics))
    speedups = {of: (_speedups(same_pairs, of), _speedups(stress_pairs, of)) for of in _BOTH}

    def on(numbers: Sequence[Score], of: Of, time: Time) -> Scores:
        return scores_by_name(numbers, metrics, of=of, time=time)

    return Stress(
        stress_sha256=facts.sha256,
        n_pairs=len(stress_pairs),
        n_problems=len({pair.problem_id for pair in stress_pairs}),
        n_inputs=sum(len(facts.pairs[pair.pair_id]) for pair in stress_pairs),
        metrics=on(scores, "model", "process"),
        metrics_without_startup=on(scores, "model", "after_main"),
        human_reference=on(scores, "human", "process"),
        human_reference_without_startup=on(scores, "human", "after_main"),
        on_paper_tests=on(beside, "model", "process"),
        on_paper_tests_without_startup=on(beside, "model", "after_main"),
        human_on_paper_tests=on(beside, "human", "process"),
        human_on_paper_tests_without_startup=on(beside, "human", "after_main"),
        scores=tuple(score for score in scores if score.metric in metrics),
        rank_correlation={of: rank_correlation(*sides) for of, sides in speedups.items()},
        changed_sides={
            of: tuple(
                pair.pair_id
                for pair, one, other in zip(stress_pairs, *sides, strict=True)
                if (one >= OPTIMIZED_SPEEDUP) != (other >= OPTIMIZED_SPEEDUP)
            )
            for of, sides in speedups.items()
        },
        growth=tuple(each for pair in stress_pairs for each in _growth(pair, found, facts)),
        pairs=tuple(stress_pairs),
    )


def judged_on_stress(facts: StressFacts | None, verdicts: Verdicts) -> list[Key]:
    """The programs, in order, that are judged on stress inputs, given the verdicts on the dataset's own tests: what is
    wrong there is wrong."""
    pairs = facts.pairs if facts is not None else {}
    return sorted(key for key, verdict in verdicts.items() if key[0] in pairs and verdict.outcome == "ok")


_BOTH: tuple[Of, ...] = ("model", "human")


def _on_stress(pair: PairResult, found: Verdicts) -> PairResult:
    """A pair's results on stress inputs; what is wrong on the dataset's own tests stays wrong."""

    def result(role: str, index: int, paper: SampleResult) -> SampleResult:
        verdict = found.get((pair.pair_id, role, index))
        if paper.outcome != "ok" or verdict is None:
            return SampleResult(outcome=paper.outcome, seconds=None, startup_seconds=None)
        return SampleResult(
            outcome=verdict.outcome, seconds=verdict.runtime_seconds, startup_seconds=verdict.startup_seconds
        )

    return PairResult(
        pair_id=pair.pair_id,
        problem_id=pair.problem_id,
        source=result("source", 0, pair.source),
        target=result("target", 0, pair.target),
        recorded_source_seconds=None,
        recorded_target_seconds=None,
        samples=tuple(result("candidate", index, each) for index, each in enumerate(pair.samples)),
    )


def _speedups(pairs: Sequence[PairResult], of: Of) -> list[float]:
    """Each pair's best speedup, at least 1."""
    effects = METRICS["speedup"].effect(samples_of(pairs, "process", of)) if pairs else []
    return [float(max(row)) for row in effects]


def _growth(pair: PairResult, found: Verdicts, facts: StressFacts) -> Iterator[Growth]:
    """Growth curves of a pair's slow program, human rewrite and best answer over its problem's family."""
    sizes = facts.families.get(pair.problem_id, {})
    roles: list[tuple[Literal["source", "target", "candidate"], int]] = [("source", 0), ("target", 0)]
    best = best_sample(pair)
    if best is not None:
        roles.append(("candidate", best))
    for role, index in roles:
        verdict = found.get((pair.pair_id, role, index))
        if verdict is None or verdict.outcome != "ok":
            continue
        points = sorted(
            (sizes[test.test_id], float(f"{(test.seconds or 0.0) - (test.startup_seconds or 0.0):.6g}"))
            for test in verdict.tests
            if test.test_id in sizes
        )
        yield Growth(pair_id=pair.pair_id, role=role, sample_index=index, points=tuple(points), fit=fitted(points))


def guarded(pairs: Sequence[PairResult], run: Run, verdicts: Verdicts, metrics: Sequence[str]) -> Guards | None:
    """What the guards found in a run, and its metrics with flagged answers counted as wrong; None if they were not run.
    Findings on programs that are no longer in the run are ignored."""
    if not run.guards_path.exists():
        return None
    found: dict[tuple[str, int], GuardFinding] = {}
    for finding in run.read_guard_findings():
        verdict = verdicts.get((finding.pair_id, "candidate", finding.sample_index))
        if verdict is not None and (verdict.code_sha256, verdict.environment_id) == (
            finding.code_sha256,
            finding.environment_id,
        ):
            found[finding.pair_id, finding.sample_index] = finding
    flagged = {key: finding for key, finding in found.items() if finding.flagged}
    optimized = optimized_answers(pairs)
    fast = [finding for key, finding in flagged.items() if key in optimized]
    held = [
        pair.model_copy(
            update={
                "samples": tuple(
                    SampleResult(outcome="wrong_output", seconds=None, startup_seconds=None)
                    if (pair.pair_id, index) in flagged
                    else sample
                    for index, sample in enumerate(pair.samples)
                )
            }
        )
        for pair in pairs
    ]
    scores = all_scores(held, added_metrics(metrics))
    correct = sum(sample.outcome == "ok" for pair in pairs for sample in pair.samples)
    return Guards(
        checked=len(found),
        unchecked=correct - len(found),
        n_guard_inputs=sum({pair_id: finding.n_guard_inputs for (pair_id, _), finding in found.items()}.values()),
        by_sanitizer=sum(each.sanitizer is not None for each in flagged.values()),
        by_guard_input=sum(each.guard_input is not None for each in flagged.values()),
        by_slower=sum(each.slower is not None for each in flagged.values()),
        speedups_removed=len(fast),
        speedups_removed_by_sanitizer=sum(each.sanitizer is not None for each in fast),
        speedups_removed_by_guard_input=sum(each.guard_input is not None for each in fast),
        speedups_removed_by_slower=sum(each.slower is not None for each in fast),
        findings=tuple(flagged[key] for key in sorted(flagged)),
        metrics=scores_by_name(scores, metrics, of="model", time="process"),
        metrics_without_startup=scores_by_name(scores, metrics, of="model", time="after_main"),
    )


def optimized_answers(pairs: Iterable[PairResult]) -> set[tuple[str, int]]:
    """Correct answers that are at least 10 % faster than their pair's slow program: (pair id, sample)."""
    return {
        (pair.pair_id, index)
        for pair in pairs
        for index, sample in enumerate(pair.samples)
        if pair.source.seconds and sample.seconds and pair.source.seconds / sample.seconds >= OPTIMIZED_SPEEDUP
    }


def from_provider(generations: Sequence[Generation]) -> dict[str, Any]:
    """What the provider's responses say about themselves, if there are any."""
    raw = [each.raw.get("response") for each in generations if each.raw]
    named = {str(response["model"]) for response in raw if isinstance(response, dict) and response.get("model")}
    costs = [each.cost_usd for each in generations if each.cost_usd is not None]
    return {
        "answered_by": tuple(sorted(named)),
        "cost_usd": math.fsum(costs) if costs else None,
        "n_tokens_estimated": sum(bool(each.tokens_estimated) for each in generations),
    }


def answered_prompts(generations: Iterable[Generation]) -> Literal["these", "unknown", "other"]:
    """Whether the answers were given to the run's own prompts: the worst case over all answers."""
    found = {each.answers_prompt for each in generations} - {None}
    return "other" if found - {"unknown"} else "unknown" if found else "these"


def pair_result(pair: Pair, verdicts: Verdicts, samples: int, pages: str | None) -> PairResult:
    """`pages` is the counter of memory pages, if there is one."""

    def result(role: str, index: int = 0) -> SampleResult:
        verdict = verdicts[pair.pair_id, role, index]
        counted = verdict.counters.get(pages) if pages is not None else None
        return SampleResult(
            outcome=verdict.outcome,
            seconds=verdict.runtime_seconds,
            startup_seconds=verdict.startup_seconds,
            peak_memory_bytes=None if counted is None else int(counted) * PAGE_BYTES,
        )

    def recorded(seconds: Mapping[str, float] | None) -> float | None:
        return None if seconds is None else math.fsum(seconds.values())

    return PairResult(
        pair_id=pair.pair_id,
        problem_id=pair.problem_id,
        source=result("source"),
        target=result("target"),
        recorded_source_seconds=recorded(pair.src_seconds),
        recorded_target_seconds=recorded(pair.tgt_seconds),
        samples=tuple(result("candidate", index) for index in range(samples)),
    )
