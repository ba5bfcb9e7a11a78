"""A bundle measured again: a sample of its programs, drawn so that nobody can know it beforehand, bit by bit."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from pie_bench.errors import PieBenchError, UserError
from pie_bench.execution.executor import open_executor
from pie_bench.execution.pool import Pool
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.hashing import sha256
from pie_bench.leaderboard.bundle import Bundle
from pie_bench.leaderboard.entry import Entry, Verification, strict_json
from pie_bench.leaderboard.validate import Checked
from pie_bench.run.files import write_json
from pie_bench.run.verdict import Candidate, Verdict


def drawn(checked: Checked, share: float, seed: str) -> list[Candidate]:
    """The programs to measure again: `share` (0 to 1) of those that there are, one at least, in order."""
    programs = _all(checked)
    draw = random.Random(sha256(f"{checked.bundle.sha256} {seed}".encode()))
    chosen = draw.sample(range(len(programs)), min(len(programs), max(1, math.ceil(share * len(programs)))))
    return [programs[index] for index in sorted(chosen)]


def verify(
    checked: Checked,
    share: float,
    seed: str,
    by: str,
    pool: Pool,
    sandbox: Sandbox | None = None,
    *,
    progress: Callable[[int], object] = lambda _: None,
) -> Verification:
    """Compiles, runs and measures a sample of the bundle's programs here, from nothing; `progress` is called once a
    program, with how many there are.

    UserError when this machine's environment is another one, or when anything comes out differently: it names the
    program and the field.
    """
    bundle, plan = checked.bundle, checked.plan
    pairs = {pair.pair_id: pair for pair in plan.pairs}
    programs = drawn(checked, share, seed)
    with TemporaryDirectory(prefix="pie_bench-verify-") as cache:  # nothing that was measured before counts
        executor = open_executor(plan.settings.environment, Path(cache), sandbox)
        if executor.environment.environment_id != bundle.entry.environment_id:
            theirs, ours = bundle.entry.environment_facts, executor.environment.facts
            fact = next((name for name in sorted({*theirs, *ours}) if theirs.get(name) != ours.get(name)), "its YAML")
            raise UserError(
                f"{bundle.path}: environment {bundle.entry.environment}: another one here ({fact}: "
                f"{ours.get(fact, 'differs')!r:.80}, theirs {theirs.get(fact, 'differs')!r:.80}); "
                "verify it where that is the same"
            )

        def judge(program: Candidate) -> Verdict:
            verdict = executor.execute(program, plan.dataset.tests(pairs[program.pair_id]))
            progress(len(programs))
            return verdict

        for verdict in pool.map_unordered(judge, programs):
            _compare(bundle, checked.verdicts[verdict.key], verdict)
    return Verification(
        by=by,
        date=datetime.now(timezone.utc).date().isoformat(),
        bundle_sha256=bundle.sha256,
        seed=seed,
        of=len(_all(checked)),
        programs=tuple(f"{p.pair_id} {p.role} {p.sample_index}" for p in programs),
        environment_facts=dict(bundle.entry.environment_facts),
    )


def verification_path(bundle: Path) -> Path:
    """Where a bundle's verification lies: beside it."""
    return bundle.with_name(f"{bundle.name}.verified.json")


def sign(bundle: Bundle, verification: Verification) -> Path:
    """Writes the verification beside the bundle; returns its path."""
    path = verification_path(bundle.path)
    write_json(path, verification.model_dump(mode="json"))
    return path


def verified_entry(bundle: Bundle) -> Entry:
    """The bundle's entry: verified if its verification lies beside it. UserError when that is another bundle's."""
    path = verification_path(bundle.path)
    if not path.exists():
        return bundle.entry
    data = path.read_bytes()
    strict_json(data, str(path))
    try:
        verification = Verification.model_validate_json(data, strict=True)
    except ValueError as error:
        raise UserError(f"{path}: not a verification: {str(error).splitlines()[0]}") from None
    if verification.bundle_sha256 != bundle.sha256:
        raise UserError(f"{path}: bundle_sha256: of another bundle; run: pie-bench leaderboard verify {bundle.path}")
    return bundle.entry.model_copy(update={"status": "verified", "verification": verification})


def _all(checked: Checked) -> list[Candidate]:
    """The programs that there are: an answer may hold none."""
    return [checked.programs[key] for key in sorted(checked.programs) if checked.programs[key].code is not None]


def _compare(bundle: Bundle, theirs: Verdict, ours: Verdict) -> None:
    if ours.outcome == "infra_error":
        raise PieBenchError(f"{bundle.path}: pair {ours.pair_id}, {ours.role} {ours.sample_index}: {ours.detail}")
    one, other = theirs.to_json(), ours.to_json()
    for field in one:
        if field != "reading" and one[field] != other[field]:  # (how the program was found is not measured)
            raise UserError(
                f"{bundle.path}: pair {ours.pair_id}, {ours.role} {ours.sample_index}: {field}: "
                f"it says {one[field]!r:.80}, here it is {other[field]!r:.80}; not verified"
            )
