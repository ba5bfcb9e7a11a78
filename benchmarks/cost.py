"""What a run's judging costs, and how much of that is simulation.

python -m benchmarks.cost [--dataset pie] [--limit N] [--samples 8] [--answers FILE] [--extrapolate 978]

Runs `pie-bench run` three times, each as a process of its own on the same answers: with an empty cache; with only its
measurements known, so that all but simulation is done again; and with everything known. Answers to a pair are those
of benchmarks/guards.py (the human rewrite, ways of writing the pair's programs, and recorded answers of --answers),
no two alike. Prints CPU seconds of the command and of everything it starts.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from benchmarks.guards import KEEP_MEANING, answers_to, read_completions
from pie_bench.cpp import code_tokens
from pie_bench.data.load import load_dataset
from pie_bench.data.pair import Pair
from pie_bench.execution.pool import cpu_seconds_of_children
from pie_bench.run.files import append_jsonl


def programs(pair: Pair, completions: dict[str, list[tuple[str, str]]]) -> Iterator[str]:
    """Answers to a pair, no two alike: those of the benchmark of guards, models' first, then rewritten once more."""
    seen: set[tuple[str, ...]] = set()
    answers = [answer for answer in answers_to(pair, completions) if answer.code is not None]
    answers.sort(key=lambda answer: not answer.kind.startswith("model"))
    codes = [answer.code or "" for answer in answers]
    for code in [*codes, *(rewrite(code) for rewrite in KEEP_MEANING.values() for code in codes)]:
        key = tuple(code_tokens(code))
        if key not in seen:
            seen.add(key)
            yield code


def run(arguments: Sequence[str], cache: Path, *, quiet: bool = False) -> float:
    """CPU seconds of a `pie-bench run`, and of everything it starts; `quiet`: without its progress."""
    before = cpu_seconds_of_children()
    subprocess.run(
        [sys.executable, "-m", "pie_bench.cli", "run", *arguments],
        env={**os.environ, "PIE_BENCH_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
        check=True,
    )
    return cpu_seconds_of_children() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="pie")
    parser.add_argument("--limit", type=int, help="pairs, the first ones")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--answers", type=Path, help="JSON lines with src_id, tgt_id, kind and completion")
    parser.add_argument("--extrapolate", type=int, default=978, help="pairs of the whole dataset")
    arguments = parser.parse_args()
    completions = read_completions(arguments.answers)
    pairs = load_dataset(arguments.dataset).pairs[: arguments.limit]
    with tempfile.TemporaryDirectory(prefix="pie_bench-cost-") as folder:
        cache, answers = Path(folder, "cache"), Path(folder, "answers.jsonl")
        for pair in pairs:
            source, _, target = pair.pair_id.partition("-")
            for code in islice(programs(pair, completions), arguments.samples):
                text = f"```cpp\n{code}\n```"
                append_jsonl(answers, {"src_id": source, "tgt_id": target, "completion": text})
        told = ["--task", "pie_instruct", "--dataset", arguments.dataset, "--no-guard"]
        told += ["--model", f"replay:{answers}", "--limit", str(len(pairs)), "--samples", str(arguments.samples)]

        def cost(name: str) -> float:
            return run([*told, "--run-dir", str(Path(folder, name))], cache)

        first = cost("first")
        with closing(sqlite3.connect(cache / "measurements.sqlite")) as store, store:
            store.execute("DELETE FROM verdict")
        rest, again = cost("rest"), cost("again")
    simulation, programs_judged = first - rest, len(pairs) * (arguments.samples + 2)
    hours = first / len(pairs) * arguments.extrapolate / 3600
    print(
        f"{len(pairs)} pairs, {arguments.samples} answers each: {first:.0f} CPU s "
        f"({first / programs_judged:.2f} a program; {hours:.1f} core-hours for {arguments.extrapolate} pairs)\n"
        f"simulation {simulation:.0f} CPU s, everything else {rest:.0f} CPU s ({rest / simulation:.2f} of simulation)\n"
        f"with everything known {again:.1f} CPU s (1/{first / again:.0f})"
    )


if __name__ == "__main__":
    main()
