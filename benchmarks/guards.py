"""How often the guards flag honest answers, and what they cost beside judging.

python -m benchmarks.guards --results FILE [--dataset mini --split test] [--answers FILE] [--limit N] [--most-tests N]

Answers: each pair's human rewrite, both of its programs rewritten in ways that keep their meaning (line ends, buffers,
wider types, larger arrays, pragmas), and with --answers the completions of models, as JSON lines with `src_id`,
`tgt_id` and `completion`. Each is judged on the pair's tests, and every correct one is checked, not only the faster
ones as in a run. FILE takes a line of JSON an answer; a second call continues it and prints the table.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pie_bench.cpp import code_tokens
from pie_bench.data.load import PairDataset, load_dataset
from pie_bench.data.pair import Pair, TestCase
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.execution.executor import Executor, open_executor
from pie_bench.execution.integrity.guards import Guards
from pie_bench.execution.pool import cpu_seconds_of_children
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.metrics.best_at_k import OPTIMIZED_SPEEDUP
from pie_bench.prompting.extract import extract_code
from pie_bench.run.files import append_jsonl, iter_jsonl
from pie_bench.run.verdict import Candidate

_MAIN = re.compile(r"\bint\s+main\s*\([^()]*\)\s*\{")
_STDIO = re.compile(r"\b(?:scanf|printf|getchar\w*|putchar\w*|puts|gets|fgets|fread|fwrite|freopen)\b")
_ARRAY = re.compile(
    r"^(\s*(?:(?:static|const|unsigned)\s+)*(?:int|long long|ll|char|double|bool)\s+\w+\[)(\d{3,7})\]", re.M
)


def _in_main(code: str, line: str) -> str:
    return _MAIN.sub(lambda match: f"{match[0]} {line}", code, count=1)


def _newlines(code: str) -> str:
    return re.sub(r"<<\s*(?:std::)?endl\b", r"<< '\\n'", code)


def _streams(code: str) -> str:
    if _STDIO.search(code) or "cin" not in code:
        return code
    return _in_main(code, "std::ios::sync_with_stdio(false); std::cin.tie(nullptr);")


def _buffers(code: str) -> str:
    if not re.search(r"\bprintf\b", code) or "cout" in code:
        return code
    return "#include <cstdio>\n" + _in_main(
        code, "static char buffer_[1 << 16]; setvbuf(stdout, buffer_, _IOFBF, sizeof buffer_);"
    )


def _wider(code: str) -> str:
    if _STDIO.search(code) or re.search(r"\b(?:unsigned|short|long)\s+int\b|\boperator\b", code):
        return code
    before, include, rest = code.rpartition("#include")
    line, end, rest = rest.partition("\n")
    rest = _MAIN.sub(lambda match: match[0].replace("int", "signed", 1), rest)
    return f"{before}{include}{line}{end}#define int long long\n{rest}"


def _larger(code: str) -> str:
    return _ARRAY.sub(lambda match: f"{match[1]}{int(match[2]) + 64}]", code)


def _pragmas(code: str) -> str:
    return '#pragma GCC optimize("O3,unroll-loops")\n' + code


KEEP_MEANING: dict[str, Callable[[str], str]] = {
    "line ends for endl": _newlines,
    "streams untied": _streams,
    "a larger buffer for output": _buffers,
    "long long for int": _wider,
    "larger arrays": _larger,
    "pragmas": _pragmas,
}


@dataclass(frozen=True)
class Answer:
    """`kind`: whose it is, or what the model was asked; `name` tells it from its pair's others of that kind."""

    pair_id: str
    kind: str
    name: str
    code: str | None


@dataclass(frozen=True)
class Checked:
    """`speedup` over the slow program where the answer is correct; `finding` and the guard that had it, "" for none;
    CPU seconds of judging and of the guards (the pair's own programs are counted apart, as `kind` "pair")."""

    pair_id: str
    kind: str
    name: str
    outcome: str
    speedup: float | None = None
    guard: str = ""
    finding: str = ""
    guard_inputs: int = 0
    judge_seconds: float = 0.0
    guard_seconds: float = 0.0


def read_completions(path: Path | None) -> dict[str, list[tuple[str, str]]]:
    """Each pair's recorded answers, as (kind, completion), from JSON lines with `src_id`, `tgt_id`, `kind` and
    `completion`; none without a file."""
    completions: dict[str, list[tuple[str, str]]] = {}
    for row in iter_jsonl(path) if path else ():
        completions.setdefault(f"{row['src_id']}-{row['tgt_id']}", []).append((row["kind"], row["completion"]))
    return completions


def answers_to(pair: Pair, completions: dict[str, list[tuple[str, str]]]) -> Iterator[Answer]:
    """All answers to a pair; a way of rewriting that changes nothing gives none."""
    yield Answer(pair.pair_id, "human rewrite", "", pair.tgt_code)
    for role, code in (("slow", pair.src_code), ("human", pair.tgt_code)):
        for name, rewrite in KEEP_MEANING.items():
            if code_tokens(rewrite(code)) != code_tokens(code) or name == "pragmas":
                yield Answer(pair.pair_id, "rewritten, meaning kept", f"{role}: {name}", rewrite(code))
    for number, (kind, completion) in enumerate(completions.get(pair.pair_id, [])):
        yield Answer(pair.pair_id, f"model: {kind}", str(number), extract_code(completion, "stop").code)


class Bench:
    """Judges and checks answers; `cpu` is what this process and its children have used."""

    def __init__(self, executor: Executor, dataset: PairDataset, most_tests: int | None):
        self.executor, self.dataset, self._most = executor, dataset, most_tests

    def check(self, pair: Pair, answers: list[Answer]) -> Iterator[Checked]:
        """The pair's own programs first, then each answer."""
        tests = list(self.dataset.tests(pair))[: self._most]
        began = cpu()
        slow = self.executor.execute(
            Candidate(pair.pair_id, "source", 0, pair.src_code, problem_id=pair.problem_id), tests
        )
        judged = cpu()
        guards = self.executor.guards_of(pair, tests)
        n_inputs = len(guards.prepared().answers)
        costs = round(judged - began, 2), round(cpu() - judged, 2)
        yield Checked(pair.pair_id, "pair", "", slow.outcome, None, "", "", n_inputs, *costs)
        for answer in answers:
            yield self._check(pair, tests, slow.runtime_seconds, guards, answer)

    def _check(self, pair: Pair, tests: list[TestCase], slow: float | None, guards: Guards, answer: Answer) -> Checked:
        if answer.code is None:
            return Checked(pair.pair_id, answer.kind, answer.name, "no_code")
        began = cpu()
        candidate = Candidate(
            pair.pair_id, "candidate", 0, answer.code, problem_id=pair.problem_id, src_code=pair.src_code
        )
        verdict = self.executor.execute(candidate, tests)
        judged = cpu()
        if verdict.outcome != "ok" or verdict.runtime_seconds is None or slow is None:
            return Checked(
                pair.pair_id,
                answer.kind,
                answer.name,
                verdict.outcome,
                finding=verdict.detail[:200] if verdict.outcome == "forbidden" else "",
                judge_seconds=round(judged - began, 2),
            )
        found = guards.check(answer.code, 0)
        by = next((name for name in ("sanitizer", "guard_input", "slower") if getattr(found, name) is not None), "")
        return Checked(
            pair.pair_id,
            answer.kind,
            answer.name,
            verdict.outcome,
            round(slow / verdict.runtime_seconds, 3),
            by,
            getattr(found, by) if by else "",
            found.n_guard_inputs,
            round(judged - began, 2),
            round(cpu() - judged, 2),
        )


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return time.process_time() + cpu_seconds_of_children()


def table(checked: list[Checked]) -> str:
    """By kind: answers, correct ones, what the guards say of them; each finding; the cost."""
    lines = [
        "| answers | all | forbidden | correct | flagged | of these at least 10 % faster | flagged |",
        "|---|" + "---:|" * 6,
    ]
    answers = [each for each in checked if each.kind != "pair"]
    for kind in [*dict.fromkeys(each.kind for each in answers), "all"]:
        of = [each for each in answers if kind in (each.kind, "all")]
        right = [each for each in of if each.outcome == "ok"]
        faster = [each for each in right if (each.speedup or 0.0) >= OPTIMIZED_SPEEDUP]
        counts = len(of), sum(e.outcome == "forbidden" for e in of), len(right), sum(bool(e.guard) for e in right)
        lines.append(
            "| " + " | ".join(map(str, (kind, *counts, len(faster), sum(bool(e.guard) for e in faster)))) + " |"
        )
    for each in answers:
        if each.guard or each.outcome == "forbidden":
            lines.append(f"{each.pair_id}, {each.kind} {each.name}: {each.guard or 'forbidden'}: {each.finding}")
    pairs = [each for each in checked if each.kind == "pair"]
    judging = sum(each.judge_seconds for each in checked)
    faster = [each for each in answers if (each.speedup or 0.0) >= OPTIMIZED_SPEEDUP]
    guarding = sum(each.guard_seconds for each in [*pairs, *faster])
    lines.append(
        f"{len(pairs)} pairs, {len(answers)} answers: {judging:.0f} CPU s to judge them and the slow programs, "
        f"{guarding:.0f} CPU s ({100 * guarding / judging:.0f} %) to guard the {len(faster)} at least 10 % faster"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--dataset", default="mini")
    parser.add_argument("--split", default="test")
    parser.add_argument("--answers", type=Path)
    parser.add_argument("--limit", type=int, help="pairs, the first ones")
    parser.add_argument("--most-tests", type=int, help="of each pair, the first ones; all of them by default")
    arguments = parser.parse_args()
    completions = read_completions(arguments.answers)
    checked = [Checked(**row) for row in iter_jsonl(arguments.results)] if arguments.results.exists() else []
    known = {each.pair_id for each in checked}
    sandbox = choose_sandbox()
    build_roots(DEFAULT_ENVIRONMENT, sandbox)
    dataset = load_dataset(arguments.dataset, arguments.split, with_tests=True)
    with tempfile.TemporaryDirectory() as cache:
        executor = open_executor(DEFAULT_ENVIRONMENT, Path(cache), sandbox)
        bench = Bench(executor, dataset, arguments.most_tests)
        for pair in dataset.pairs[: arguments.limit]:
            if pair.pair_id in known:
                continue
            found = list(bench.check(pair, list(answers_to(pair, completions))))
            for each in found:
                append_jsonl(arguments.results, asdict(each))
            checked += found
            print(f"{pair.pair_id}: {len(found) - 1} answers", file=sys.stderr, flush=True)
    print(table(checked))


if __name__ == "__main__":
    main()
