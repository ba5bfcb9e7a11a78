"""The human rewrites of a dataset on several processors: are they right everywhere, and as fast?

python -m benchmarks.processors FOLDER [--dataset pie] [--tests 10] [--environments skylake boom neoverse]

Each pair keeps N of its tests, evenly spread by the size of the input. FOLDER gets that dataset and a run in each
environment, made as `pie-bench run --model reference` makes it, so that a second call resumes and `pie-bench compare`
reads them. Prints a table of speedups in Markdown, the rank correlation of every two processors, and how many pairs are
1.1× or more on one only; for whole processes, which ones, with counters that may say why.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pie_bench
from benchmarks.work import spread
from pie_bench.data.load import load_dataset
from pie_bench.metrics.scores import seconds_of
from pie_bench.report.processors import FASTER, OnBoth, across_processors
from pie_bench.run.results import PairResult, Results, Time
from pie_bench.run.run import Run

_TIMES: dict[Time, str] = {"process": "whole processes", "after_main": "without start-up"}


def write_dataset(name: str, n_tests: int, file: Path) -> None:
    """Writes the dataset's pairs, each with at most `n_tests` of its tests, as a file of rows."""
    dataset = load_dataset(name, with_tests=True)
    rows = []
    for pair in dataset.pairs:
        tests = sorted(dataset.tests(pair), key=lambda test: (len(test.input), test.input))
        kept = [
            {"input": test.input.decode(), "output": test.expected_output.decode()} for test in spread(tests, n_tests)
        ]
        programs = {"src_code": pair.src_code, "tgt_code": pair.tgt_code}
        rows.append({"pair_id": pair.pair_id, "problem_id": pair.problem_id, **programs, "tests": kept})
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def _speedup(pair: PairResult, time: Time) -> float | None:
    """The human rewrite's; None unless both programs are right."""
    if (pair.source.outcome, pair.target.outcome) != ("ok", "ok"):
        return None
    return seconds_of(pair.source, time) / seconds_of(pair.target, time)


def table(results: Sequence[Results]) -> str:
    """Speedups by pair and processor in Markdown, in brackets those without start-up."""
    titles = " | ".join(f"`{run.environment}`" for run in results)
    lines = [f"| pair | {titles} |", "| --- |" + " ---: |" * len(results)]
    by_id = [{pair.pair_id: pair for pair in run.pairs} for run in results]
    for pair in results[0].pairs:
        cells = []
        for pairs in by_id:
            whole, rest = (_speedup(pairs[pair.pair_id], time) for time in _TIMES)
            wrong = f"{pairs[pair.pair_id].source.outcome}, {pairs[pair.pair_id].target.outcome}"
            cells.append(wrong if whole is None else f"{whole:.2f} ({rest:.2f})")
        lines.append(f"| {pair.pair_id} ({pair.problem_id}) | {' | '.join(cells)} |")
    return "\n".join(lines)


def _summary(run: Results, time: Time) -> str:
    speedups = [speedup for pair in run.pairs if (speedup := _speedup(pair, time)) is not None]
    mean, faster = sum(speedups) / len(speedups), sum(speedup >= FASTER for speedup in speedups)
    return f"{run.environment} {mean:.2f} ({faster} of {len(speedups)} are {FASTER}× or more)"


def _why(program: OnBoth) -> str:
    counters = ", ".join(f"{name} {a:.2f}, {b:.2f}" for name, (a, b) in program.counters.items())
    return f"  {program.pair_id}: {program.a:.2f}, {program.b:.2f}; slow by fast: {counters}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dataset", default="pie")
    parser.add_argument("--tests", type=int, default=10, metavar="N")
    parser.add_argument("--environments", nargs="+", default=["skylake", "boom", "neoverse"], metavar="E")
    parser.add_argument("--workers", type=int)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    file = arguments.folder / "pairs.jsonl"
    write_dataset(arguments.dataset, arguments.tests, file)
    runs = {}
    for name in arguments.environments:
        runs[name] = Run(arguments.folder / name)
        options = {"environment": name, "samples": 1, "guard": False, "workers": arguments.workers}
        pie_bench.evaluate("pie_instruct", "reference", dataset=file, run_dir=runs[name].path, **options)
    results = {name: run.read_results() for name, run in runs.items()}
    verdicts = {name: run.read_verdicts(with_tests=False) for name, run in runs.items()}
    print(table(list(results.values())))
    for time, title in _TIMES.items():
        print(f"\n{title}: mean speedup " + ", ".join(_summary(run, time) for run in results.values()))
        for a, b in combinations(results, 2):
            found = across_processors(results[a], results[b], a, b, (verdicts[a], verdicts[b]), time)
            changed = [each for each in found.changed if each.role == "target"]
            print(f"{a} and {b}: rank correlation {found.rank_correlation:.3f}, {len(changed)} pairs change sides")
            if time == "process":
                print("".join(f"{_why(each)}\n" for each in changed), end="")


if __name__ == "__main__":
    main()
