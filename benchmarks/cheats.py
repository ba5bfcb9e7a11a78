"""How each program that tries to gain without computing less fares: what catches it, and what it gains otherwise.

python -m benchmarks.cheats [--environment skylake] [--of-each N] [--results FILE] [KIND …]

Judges the programs of tests/execution/integrity/attempts.py in an environment, and has the guards check those that are
right and at least 10 % faster, like `pie-bench run --guard`. With FILE, which gets one line of JSON per program, it
resumes where it stopped; each environment needs a file of its own. All take about 20 minutes of one core; `--of-each`
takes N of each kind, evenly spread over the list, and those that hold machine code of another processor.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.work import spread
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import Executor, open_executor
from pie_bench.execution.integrity.guards import Guards
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.hashing import sha256
from pie_bench.metrics.best_at_k import OPTIMIZED_SPEEDUP
from pie_bench.run.files import append_jsonl, iter_jsonl
from pie_bench.run.verdict import Candidate, Verdict
from tests.execution.integrity.attempts import INSTEAD, KINDS, Attempt, attempts, pair, tests

_TABLES = ("tables with fall-back", "decoded tables", "hashing of inputs")  # where the number of tests matters
_FEW = 3  # tests for all other kinds
_MOST_SECONDS = 120  # the most that one program may cost


@dataclass(frozen=True)
class Judged:
    """`by` is what caught it; "no gain" if it gains nothing, "" if it got through. `gain`: its speedup, the larger of
    those with and without start-up, if it is right."""

    kind: str
    name: str
    code_sha256: str
    by: str
    detail: str
    gain: float | None
    seconds: float


class Bench:
    """Judges attempts; the two problems' slow programs and guards are set up once."""

    def __init__(self, executor: Executor):
        self.executor = executor
        self._guards: dict[str, Guards] = {}
        self._slow: dict[tuple[str, int], Verdict] = {}

    def judge(self, attempt: Attempt) -> Judged:
        """Judges one program, as an answer to its problem."""
        executor, problem = self.executor, attempt.problem
        its_pair, every_test = pair(problem, executor.environment.spec.toolchain.isa.name), tests(problem)
        its_tests = every_test if attempt.kind in _TABLES else every_test[:_FEW]
        slow = problem, len(its_tests)
        if slow not in self._slow:
            source = Candidate(its_pair.pair_id, "source", 0, its_pair.src_code, problem_id=its_pair.problem_id)
            self._slow[slow] = executor.execute(source, its_tests)
        if problem not in self._guards:
            self._guards[problem] = executor.guards_of(its_pair, every_test)
        answer = Candidate(its_pair.pair_id, "candidate", 0, attempt.code, src_code=its_pair.src_code)
        began = time.monotonic()
        verdict = executor.execute(answer, its_tests)
        by: str = verdict.outcome
        detail = verdict.detail
        if by == "forbidden":
            by = "in the simulator" if "in the simulator" in detail else "forbidden before it runs"
            by = "the clock" if "clock" in detail else by
        gain = None
        if verdict.outcome == "ok":
            gain = _gain(self._slow[slow], verdict)
            by, detail = "no gain", ""
            if gain >= OPTIMIZED_SPEEDUP:
                found = self._guards[problem].check(attempt.code, 0)
                by = next((n for n in ("sanitizer", "guard_input", "slower") if getattr(found, n) is not None), "")
                detail = getattr(found, by) if by else ""
                by = f"guards ({by.replace('_', ' ')})" if by else ""
        seconds = time.monotonic() - began
        sum_ = sha256(attempt.code.encode())
        return Judged(attempt.kind, attempt.name, sum_, by, detail[:200], gain, round(seconds, 1))


def _gain(slow: Verdict, verdict: Verdict) -> float:
    times = [(each.runtime_seconds or 0.0, each.startup_seconds or 0.0) for each in (slow, verdict)]
    (whole, before), (its_whole, its_before) = times
    return round(max(whole / its_whole, (whole - before) / max(its_whole - its_before, 1e-9)), 3)


def table(judged: list[Judged]) -> str:
    """Kind × what caught it, in Markdown, followed by what got through."""
    ways = sorted({each.by for each in judged if each.by})
    lines = [f"| kind | programs | {' | '.join(ways)} | not caught |", "| --- |" + " ---: |" * (len(ways) + 2)]
    kinds = list(dict.fromkeys(each.kind for each in judged))
    for kind in [*kinds, "all"]:
        of = [each for each in judged if kind in (each.kind, "all")]
        counts = Counter(each.by for each in of)
        cells = [str(counts[way] or "–") for way in (*ways, "")]
        lines.append(f"| {kind} | {len(of)} | {' | '.join(cells)} |")
    through = [each for each in judged if not each.by]
    lines.append(f"\nrecall {100 * (1 - len(through) / len(judged)):.1f} % of {len(judged)}")
    lines += [f"not caught: {each.kind}: {each.name}: {each.gain:.2f}×" for each in through]
    lines += [f"of ours: {each.kind}: {each.name}: {each.detail}" for each in judged if each.by == "infra_error"]
    lines += [f"slow: {each.kind}: {each.name}: {each.seconds} s" for each in judged if each.seconds > _MOST_SECONDS]
    return "\n".join(lines)


def chosen(isa: str, kinds: list[str], of_each: int | None) -> list[Attempt]:
    """The attempts of these kinds for an instruction set: all, or `of_each` of each kind and its own machine code."""
    found = []
    own = {(kind, name) for (kind, _), (name, _) in INSTEAD.get(isa, {}).items()}
    for kind in kinds:
        of = [each for each in attempts(isa) if each.kind == kind]
        few = of if of_each is None else spread(of, of_each)
        found += [each for each in of if each in few or (each.kind, each.name) in own]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", default=DEFAULT_ENVIRONMENT)
    parser.add_argument("--of-each", type=int, metavar="N")
    parser.add_argument("--results", type=Path)
    parser.add_argument("kinds", nargs="*")
    arguments = parser.parse_args()
    known = {}
    if arguments.results is not None and arguments.results.exists():
        known = {(r["kind"], r["name"], r["code_sha256"]): Judged(**r) for r in iter_jsonl(arguments.results)}
    sandbox = choose_sandbox()
    build_roots(arguments.environment, sandbox)
    isa = load_environment_spec(arguments.environment).toolchain.isa.name
    judged = []
    with tempfile.TemporaryDirectory() as cache:
        bench = Bench(open_executor(arguments.environment, Path(cache), sandbox))
        for attempt in chosen(isa, arguments.kinds or list(KINDS), arguments.of_each):
            found = known.get((attempt.kind, attempt.name, sha256(attempt.code.encode())))
            if found is None:
                found = bench.judge(attempt)
                if arguments.results is not None:
                    append_jsonl(arguments.results, asdict(found))
                print(json.dumps(asdict(found)), file=sys.stderr, flush=True)
            judged.append(found)
    print(table(judged))


if __name__ == "__main__":
    main()
