"""The last stage: selects the pairs worth training on, as a dataset in PIE's columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pie_bench.adapt.selfplay.funnel import Step, write_funnel
from pie_bench.adapt.selfplay.place import NewProgram, Place, ProgramClass, read_tests, write_dataset
from pie_bench.adapt.selfplay.problems import encodable
from pie_bench.cpp import text_sum
from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.hashing import sha256
from pie_bench.plain import public_model
from pie_bench.run.manifest import Manifest
from pie_bench.run.verdict import Verdict
from pie_bench.stages.execute import candidate_of
from pie_bench.stages.plan import plan_of

MIN_SPEEDUP, PER_CLASS = 5.0, 3  # the paper, Section 3.2 and A.6


@dataclass(frozen=True)
class _Faster:
    """A correct and faster version of a representative. `speedup` is a ratio of simulated times."""

    pair: Pair
    sample_index: int
    code: str
    speedup: float
    source: Verdict
    verdict: Verdict

    @property
    def order(self) -> tuple[float, str, int]:
        return -self.speedup, self.pair.pair_id, self.sample_index


def select(place: Place, *, min_speedup: float = MIN_SPEEDUP, per_class: int = PER_CLASS) -> list[Step]:
    """Writes the `per_class` fastest distinct answers of each class with a speedup of at least `min_speedup` to
    `dataset`. Answers flagged by the guards are dropped.

    UserError if the run `optimise` is not finished.
    """
    classes, programs = place.classes(), {program.code_sha256: program for program in place.programs()}
    run = place.optimise
    if not run.begun:
        raise UserError(f"{place.folder}: nothing was optimised yet; run pie-bench adapt selfplay optimise")
    plan = plan_of(run)
    verdicts, generations = run.read_verdicts(), run.read_generations()
    flagged = {(found.pair_id, found.sample_index) for found in run.read_guard_findings() if found.flagged}
    lost = {"not right": 0, "flagged by the guards": 0, f"less than {min_speedup:g} times as fast": 0}
    faster: dict[str, list[_Faster]] = {}
    of_class = {pair_id: each for each in classes for pair_id in each.representatives}
    answers = 0
    for pair in plan.pairs:
        source = verdicts.get((pair.pair_id, "source", 0))
        for index in range(plan.task.sampling.n):
            verdict = verdicts.get((pair.pair_id, "candidate", index))
            if source is None or verdict is None or verdict.outcome == "infra_error":
                raise UserError(
                    f"{run.path}: pair {pair.pair_id} is not judged yet; rerun pie-bench adapt selfplay optimise"
                )
            answers += 1
            candidate = candidate_of(generations[pair.pair_id, index], pair)
            code = candidate.judged(verdict.code_sha256)
            if code is None or not (source.runtime_seconds and verdict.runtime_seconds):
                lost["not right"] += 1
            elif (pair.pair_id, index) in flagged:
                lost["flagged by the guards"] += 1
            elif source.runtime_seconds / verdict.runtime_seconds < min_speedup:
                lost[f"less than {min_speedup:g} times as fast"] += 1
            else:
                speedup = source.runtime_seconds / verdict.runtime_seconds
                faster.setdefault(of_class[pair.pair_id].class_id, []).append(
                    _Faster(pair, index, encodable(code), speedup, source, verdict)
                )
    kept = {class_id: _best(each, per_class) for class_id, each in sorted(faster.items())}
    found = sum(map(len, faster.values()))
    n_kept = sum(map(len, kept.values()))
    steps = [
        Step("answers that optimise", answers),
        Step("right and fast enough", found, {why: count for why, count in lost.items() if count}),
        Step(
            "pairs kept", n_kept, {f"the same, or beyond {per_class} a class": found - n_kept} if found > n_kept else {}
        ),
    ]
    place.funnel_path("dataset").unlink(missing_ok=True)
    _write(place, kept, programs, of_class, run.read_manifest(), min_speedup)
    write_funnel(place.funnel_path("dataset"), steps)
    return steps


def _best(faster: list[_Faster], per_class: int) -> list[_Faster]:
    """Fastest first; identical answers to one program count once."""
    found: dict[tuple[str, str], _Faster] = {}
    for each in sorted(faster, key=lambda each: each.order):
        found.setdefault((each.pair.pair_id, text_sum(each.code)), each)
    return list(found.values())[:per_class]


def _write(
    place: Place,
    kept: Mapping[str, list[_Faster]],
    programs: Mapping[str, NewProgram],
    of_class: Mapping[str, ProgramClass],
    optimised: Manifest,
    min_speedup: float,
) -> None:
    generated = place.generate.read_manifest()
    rows = []
    tests = {}
    for each in (faster for found in kept.values() for faster in found):
        pair_id = each.pair.pair_id
        its_class = of_class[pair_id]
        program = programs[its_class.members[its_class.representatives.index(pair_id)]]
        tests[each.pair.problem_id] = read_tests(place.representatives, each.pair.problem_id)
        rows.append(
            {
                "problem_id": each.pair.problem_id,
                "language": "cpp",
                "kind": "synthetic",
                "src_id": sha256(each.pair.src_code.encode())[:16],
                "tgt_id": sha256(each.code.encode())[:16],
                "src_code": each.pair.src_code,
                "tgt_code": each.code,
                "tests": list(each.pair.tests),
                "src_agg_runtime": each.source.runtime_seconds,
                "tgt_agg_runtime": each.verdict.runtime_seconds,
                "src_code_tc2time": {test.test_id: test.seconds for test in each.source.tests},
                "tgt_code_tc2time": {test.test_id: test.seconds for test in each.verdict.tests},
                "speedup": each.speedup,
                "provenance": {
                    "class": its_class.class_id,
                    "class_members": len(its_class.members),
                    "class_inputs": its_class.inputs,
                    "draw": program.pair_id,
                    "sample": program.sample_index,
                    "of_problem": program.problem_id,
                    "on_problem": program.on_problem,
                    "on_all": program.on_all,
                    "environment_id": each.verdict.environment_id,
                    "min_speedup": min_speedup,
                    "generated_by": _by(generated),
                    "optimised_by": _by(optimised) | {"sample": each.sample_index},
                },
            }
        )
    write_dataset(place.dataset, "train", rows, tests)


def _by(manifest: Manifest) -> dict[str, str]:
    """Which model (without local folders), its exact identity, and the task."""
    resolved = manifest.generation.model_resolved if manifest.generation is not None else ""
    return {
        "model": public_model(manifest.settings.model, resolved, is_path=resolved.startswith(("sha256:", "replay:"))),
        "resolved": resolved,
        "task": manifest.settings.task,
        "task_hash": manifest.identity["task_hash"],
    }
