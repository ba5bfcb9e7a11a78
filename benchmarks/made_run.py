"""Makes a finished run without a model or a simulator: a dataset, answers and verdicts drawn at random.

usage: python benchmarks/made_run.py FOLDER [--pairs N] [--problems N] [--samples N] [--tests N]

FOLDER/data is a dataset (PIE_DATA_DIR), FOLDER/run the run. The default size is the paper's: 978 pairs of 41 problems,
8 samples, 104 tests. Nothing in it is measured; it serves to time and test what comes after a run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from dataclasses import replace
from pathlib import Path

from pie_bench.run.manifest import Settings
from pie_bench.run.run import Run
from pie_bench.run.verdict import Outcome, Role, TestResult, Verdict
from pie_bench.stages.plan import begin_run, make_plan

OUTCOMES: tuple[Outcome, ...] = ("ok", "wrong_output", "compile_error", "runtime_error", "no_code")
WEIGHTS = (62, 22, 12, 2, 2)


def program(seed: int, lines: int) -> str:
    """C++ of about 13 characters per line that differs with the seed."""
    draw = random.Random(seed)
    body = [f"    sum += {draw.randrange(10**6)} % (n + {draw.randrange(9)}); // step {i}" for i in range(lines)]
    head = ["#include <iostream>", "#include <vector>", "", f"const int LIMIT = {draw.randrange(10**5)};", ""]
    start = ["int main() {", "    long long n, sum = 0;", "    std::cin >> n;"]
    return "\n".join([*head, *start, *body, "    std::cout << sum << std::endl;", "}", ""])


def make_dataset(folder: Path, pairs: int, problems: int, tests: int) -> None:
    """Writes `test.jsonl` and its tests, for problems of unequal size."""
    draw = random.Random(0)
    weights = [1 / (1 + rank) for rank in range(problems)]
    owners = list(range(problems)) + draw.choices(range(problems), weights, k=pairs - problems)
    for problem in range(problems):
        cases = folder / "merged_test_cases" / f"p{problem:05}"
        cases.mkdir(parents=True, exist_ok=True)
        for test in range(tests):
            (cases / f"input.{test}.txt").write_text(f"{problem * 1000 + test}\n")
            (cases / f"output.{test}.txt").write_text(f"{test}\n")
    with (folder / "test.jsonl").open("w") as file:
        for number, problem in enumerate(sorted(owners)):
            lines = draw.randrange(10, 60)
            row = {
                "src_id": f"s{number:09}",
                "tgt_id": f"t{number:09}",
                "problem_id": f"p{problem:05}",
                "src_code": program(2 * number, lines),
                "tgt_code": program(2 * number, lines // 2) + program(2 * number + 1, lines // 2),
                "tests": [str(test) for test in range(tests)],
                "problem_date": 86_400 * problem,
            }
            file.write(json.dumps(row) + "\n")


def make_run(folder: Path, samples: int, seed: int = 0, *, limit: int | None = None) -> Run:
    """A run over the dataset in PIE_DATA_DIR, with all answers and verdicts."""
    settings = Settings(task="pie_instruct", model="reference", dataset="pie", samples=samples, limit=limit)
    plan = make_plan(settings)
    directory = Run(folder)
    folder.mkdir(parents=True, exist_ok=True)
    begin_run(plan, directory)
    directory.settle("generation", {"model_resolved": "made up", "examples": {}})
    execution = {"name": "skylake", "environment_id": "0" * 64, "facts": {}, "sandbox": "none"}
    directory.settle("execution", execution)
    draw = random.Random(seed)
    ability = {pair.problem_id: draw.gauss(0, 0.5) for pair in plan.pairs}
    with directory.generations_path.open("w") as answers, directory.verdicts_path.open("w") as verdicts:
        for number, pair in enumerate(plan.pairs):
            base = draw.lognormvariate(-5, 1)
            roles: list[tuple[Role, int, float]] = [("source", 0, 1.0), ("target", 0, draw.lognormvariate(1, 0.6))]
            roles += [("candidate", i, draw.lognormvariate(ability[pair.problem_id], 0.5)) for i in range(samples)]
            for role, index, speedup in roles:
                chosen = draw.choices(OUTCOMES, WEIGHTS)[0] if role == "candidate" else "ok"
                verdict = made_verdict(pair.pair_id, role, index, chosen, pair.tests, base / speedup, draw)
                verdicts.write(json.dumps(verdict.to_json()) + "\n")
                if role == "candidate":
                    text = "" if chosen == "no_code" else f"```cpp\n{program(2 * number, 12)}// {index}\n```"
                    record = {"pair_id": pair.pair_id, "sample_index": index, "text": text, "finish_reason": "stop"}
                    record |= {"prompt_tokens": 1, "completion_tokens": 1, "prompt_sha256": "", "seed": index}
                    answers.write(json.dumps(record) + "\n")
    return directory


def made_verdict(
    pair_id: str, role: Role, index: int, outcome: Outcome, tests: tuple[str, ...], seconds: float, draw: random.Random
) -> Verdict:
    """A verdict in which most tests have the time `seconds` / number of tests."""
    verdict = Verdict(pair_id, role, index, "0" * 64, outcome)
    if outcome in ("compile_error", "no_code"):
        return verdict
    if outcome != "ok":
        share = draw.random()
        results = [TestResult(test, outcome if draw.random() <= share else "ok") for test in tests]
        return replace(verdict, tests=(TestResult(tests[0], outcome), *results[1:]))
    startup = 0.0010 if draw.random() < 0.6 else 0.0002
    times = [startup + seconds * draw.uniform(0.2, 2) / len(tests) for _ in tests]
    results = [
        TestResult(test, "ok", time, startup, int(time / 2e-10)) for test, time in zip(tests, times, strict=True)
    ]
    total = sum(times)
    counters = {"instructions": total / 2e-10, "cycles": total / 286e-12}
    counters |= {"stall_memory": total / 1e-9, "stall_mispredict": total / 3e-9, "stall_fetch": 900.0 * len(tests)}
    early = {name: count * startup * len(tests) / total for name, count in counters.items()}
    return replace(
        verdict,
        runtime_seconds=total,
        startup_seconds=startup * len(tests),
        tests=tuple(results),
        counters={name: float(round(count)) for name, count in counters.items()},
        startup_counters={name: float(round(count)) for name, count in early.items()},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, value in (("pairs", 978), ("problems", 41), ("samples", 8), ("tests", 104)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    data = arguments.folder / "data"
    make_dataset(data, arguments.pairs, arguments.problems, arguments.tests)
    os.environ["PIE_DATA_DIR"] = str(data)
    print(make_run(arguments.folder / "run", arguments.samples).path)


if __name__ == "__main__":
    main()
