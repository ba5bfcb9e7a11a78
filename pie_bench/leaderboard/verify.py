"""Measures a bundle again, bit by bit: the programs that its score depends on, and a sample that nobody can predict."""

from __future__ import annotations

import math
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from pie_bench.errors import PieBenchError, UserError
from pie_bench.execution.executor import open_executor
from pie_bench.execution.integrity.guards import N_GUARD_INPUTS
from pie_bench.execution.pool import Pool
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.hashing import sha256
from pie_bench.leaderboard.bundle import Bundle
from pie_bench.leaderboard.entry import Entry, Verification, strict_json
from pie_bench.leaderboard.signing import Reviewer, check_signature
from pie_bench.leaderboard.validate import Checked
from pie_bench.metrics.best_at_k import OPTIMIZED_SPEEDUP
from pie_bench.plain import plain
from pie_bench.run.files import first_problem, write_json
from pie_bench.run.guard import GuardFinding
from pie_bench.run.run import Key
from pie_bench.run.verdict import Candidate, Verdict

_LARGEST = 10  # pairs
_NEAR = 0.02  # relative to a threshold


@dataclass(frozen=True)
class Chosen:
    """The programs to measure again, in order: those that the score depends on, then a random sample."""

    carrying: tuple[Candidate, ...]
    drawn: tuple[Candidate, ...]

    @property
    def programs(self) -> list[Candidate]:
        return sorted((*self.carrying, *self.drawn), key=lambda program: program.key)


def choose(checked: Checked, share: float, seed: str) -> Chosen:
    """The programs that the score depends on, and `share` (0 to 1) of the others, at least one."""
    needed = carrying(checked.verdicts) | carrying(checked.on_stress)
    others = [key for key in _all(checked) if key not in needed]
    draw = random.Random(sha256(f"{checked.bundle.sha256} {seed}".encode()))
    chosen = draw.sample(others, min(len(others), max(1, math.ceil(share * len(others)))))
    return Chosen(
        tuple(checked.programs[key] for key in _all(checked) if key in needed),
        tuple(checked.programs[key] for key in sorted(chosen)),
    )


def carrying(verdicts: Mapping[Key, Verdict]) -> set[Key]:
    """The programs that the score depends on, by whole process and without start-up: all of the ten pairs with the
    largest speedups, and any answer within 2 % of counting as optimized or of the human rewrite, with its pair's own
    two programs.
    """
    found: set[Key] = set()
    pairs = sorted({verdict.pair_id for verdict in verdicts.values()})
    for without_startup in (False, True):
        best: list[tuple[float, str]] = []
        for pair_id in pairs:
            own = {key: _time(v, without_startup) for key, v in verdicts.items() if key[0] == pair_id}
            source, target = own.get((pair_id, "source", 0)), own.get((pair_id, "target", 0))
            speedups = {key: source / time for key, time in own.items() if source and time and key[1] == "candidate"}
            best.append((max(speedups.values(), default=0.0), pair_id))
            thresholds = [OPTIMIZED_SPEEDUP, *([source / target] if source and target else [])]
            near = {key for key, value in speedups.items() if any(abs(value / t - 1) <= _NEAR for t in thresholds)}
            if near:
                found |= near | {(pair_id, "source", 0), (pair_id, "target", 0)}
        largest = {pair_id for speedup, pair_id in sorted(best, reverse=True)[:_LARGEST] if speedup > 1}
        found |= {key for key, verdict in verdicts.items() if key[0] in largest and verdict.code_sha256 is not None}
    return found


def _time(verdict: Verdict, without_startup: bool) -> float | None:
    if verdict.runtime_seconds is None:
        return None
    return verdict.runtime_seconds - (verdict.startup_seconds or 0.0 if without_startup else 0.0)


def new_seed() -> str:
    """A seed that nobody could have known before."""
    return secrets.token_hex(16)


def verify(
    checked: Checked,
    share: float,
    pool: Pool,
    sandbox: Sandbox | None = None,
    *,
    seed: str | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:
    """Compiles, runs and measures the programs that the score depends on and a random sample of the others, from
    scratch, on stress inputs too if the bundle has verdicts on them; the guards check the faster answers among them,
    with the bundle's inputs and with new ones. `progress` is called once per program, with the total number.

    Returns the fields of a `Verification` except the signature. UserError if this machine's environment differs, or if
    any result differs, naming the program and the field.
    """
    bundle, plan = checked.bundle, checked.plan
    pairs = {pair.pair_id: pair for pair in plan.pairs}
    seed = seed or new_seed()
    chosen = choose(checked, share, seed)
    programs = chosen.programs
    with TemporaryDirectory(prefix="pie_bench-verify-") as cache:  # reuse no earlier measurement
        executor = open_executor(plan.settings.environment, Path(cache), sandbox)
        if executor.environment.environment_id != bundle.entry.environment_id:
            theirs, ours = bundle.entry.environment_facts, executor.environment.facts
            fact = next((name for name in sorted({*theirs, *ours}) if theirs.get(name) != ours.get(name)), "its YAML")
            raise UserError(
                f"{bundle.path}: environment {bundle.entry.environment}: it differs here ({fact}: "
                f"{ours.get(fact, 'differs')!r:.80}, theirs {theirs.get(fact, 'differs')!r:.80}); "
                "verify on a machine where it is the same"
            )

        def judge(program: Candidate) -> list[Verdict]:
            """On the dataset's tests, and on its stress inputs where the bundle has that."""
            found = [executor.execute(program, plan.dataset.tests(pairs[program.pair_id]))]
            if program.key in checked.on_stress and checked.stress is not None:
                inputs = checked.stress.tests(checked.stress.pair(program.pair_id))
                found.append(executor.execute(program, inputs))
            progress(len(programs))
            return found

        for judged in pool.map_unordered(judge, programs):
            for claims, verdict in zip((checked.verdicts, checked.on_stress), judged, strict=False):
                _compare(bundle, claims[verdict.key], verdict)
        fast = _faster(programs, checked.verdicts)
        told = {(f.pair_id, f.sample_index): f for f in bundle.run.read_guard_findings()}

        def guard(pair_id: str) -> list[GuardFinding]:
            pair, found = pairs[pair_id], []
            tests = plan.dataset.tests(pair)
            again, before = executor.guards_of(pair, tests, seed=seed), executor.guards_of(pair, tests)
            for program in fast[pair_id]:
                code = program.judged(checked.verdicts[program.key].code_sha256) or ""
                claimed = told.get((pair_id, program.sample_index))
                if claimed is not None and claimed.n_guard_inputs <= N_GUARD_INPUTS:
                    _compare_findings(bundle, claimed, before.check(code, program.sample_index))
                found.append(again.check(code, program.sample_index))
            return found

        findings = [finding for found in pool.map_unordered(guard, fast) for finding in found]
    flagged = sorted((f for f in findings if f.flagged), key=lambda f: (f.pair_id, f.sample_index))
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "bundle_sha256": bundle.sha256,
        "environment_id": bundle.entry.environment_id,
        "seed": seed,
        "of": len(_all(checked)),
        "carrying": len(chosen.carrying),
        "programs": tuple(f"{p.pair_id} {p.role} {p.sample_index}" for p in programs),
        "guards_checked": len(findings),
        "guards_flagged": tuple(
            plain(f"{f.pair_id} {f.sample_index}: {next(iter(f.evidence.values()))}")[:300] for f in flagged
        ),
        "environment_facts": dict(bundle.entry.environment_facts),
    }


def _faster(programs: Sequence[Candidate], verdicts: Mapping[Key, Verdict]) -> dict[str, list[Candidate]]:
    """The answers that are at least 10 % faster than their pair's slow program, by pair."""
    found: dict[str, list[Candidate]] = {}
    for program in programs:
        ours, source = (verdicts[key].runtime_seconds for key in (program.key, (program.pair_id, "source", 0)))
        if program.role == "candidate" and ours and source and source / ours >= OPTIMIZED_SPEEDUP:
            found.setdefault(program.pair_id, []).append(program)
    return found


def verification_path(bundle: Path) -> Path:
    """The path of a bundle's verification: next to it."""
    return bundle.with_name(f"{bundle.name}.verified.json")


def write_verification(bundle: Bundle, verification: Verification) -> Path:
    """Writes the verification next to the bundle; returns its path."""
    path = verification_path(bundle.path)
    write_json(path, verification.model_dump(mode="json"))
    return path


def verified_entry(bundle: Bundle, reviewers: Mapping[str, Reviewer]) -> Entry:
    """The bundle's entry, verified if its verification lies next to it. UserError if that belongs to another bundle or
    is not signed by a reviewer."""
    path = verification_path(bundle.path)
    if not path.exists():
        return bundle.entry
    data = path.read_bytes()
    strict_json(data, str(path))
    try:
        verification = Verification.model_validate_json(data, strict=True)
    except ValidationError as error:
        raise UserError(f"{path}: not a verification: {first_problem(error)}") from None
    if verification.bundle_sha256 != bundle.sha256:
        raise UserError(f"{path}: bundle_sha256: of another bundle; run: pie-bench leaderboard verify {bundle.path}")
    entry = bundle.entry.model_copy(update={"status": "verified", "verification": verification})
    check_signature(entry, reviewers, str(path))
    return entry


def _all(checked: Checked) -> list[Key]:
    """The existing programs: an answer may contain none."""
    return [key for key in sorted(checked.programs) if checked.programs[key].code is not None]


def _compare_findings(bundle: Bundle, theirs: GuardFinding, ours: GuardFinding) -> None:
    for field, value in ours.to_json().items():
        if getattr(theirs, field) != value:
            raise UserError(
                f"{bundle.path}: guards.jsonl: pair {ours.pair_id}, sample {ours.sample_index}: {field}: "
                f"it says {getattr(theirs, field)!r:.80}, here it is {value!r:.80}; not verified"
            )


def _compare(bundle: Bundle, theirs: Verdict, ours: Verdict) -> None:
    if ours.outcome == "infra_error":
        raise PieBenchError(f"{bundle.path}: pair {ours.pair_id}, {ours.role} {ours.sample_index}: {ours.detail}")
    one, other = theirs.to_json(), ours.to_json()
    for field in one:
        if field != "reading" and one[field] != other[field]:  # (how the program was found is not a measurement)
            raise UserError(
                f"{bundle.path}: pair {ours.pair_id}, {ours.role} {ours.sample_index}: {field}: "
                f"it says {one[field]!r:.80}, here it is {other[field]!r:.80}; not verified"
            )
