"""How well `pie-bench estimate` predicts CPU time: each case is predicted, then run, in a cache folder of its own.

usage: python -m benchmarks.estimate [CASE ...]

All cases but `mini` need PIE_DATA_DIR. `known` repeats `pie` where all its verdicts are known. `replay` answers each
pair with five programs: three right ones with binaries of their own, one that is wrong and one that does not compile.
`assumed` predicts for a model that was not asked yet, and runs right answers as costly as the human rewrites.

Taken is the CPU time of the whole command, its start included; cpu_seconds is the manifest's part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cost import run
from pie_bench.api import settings_of
from pie_bench.data.load import load_dataset
from pie_bench.data.pair import Pair
from pie_bench.execution.executor import open_executor
from pie_bench.paths import cache_dir, roots_dir
from pie_bench.run.run import Run
from pie_bench.stages.cost import Cost, cost
from pie_bench.stages.guard import guards_by_default
from pie_bench.stages.plan import make_plan


@dataclass(frozen=True)
class Case:
    """`model` is predicted for (None: the answers, replayed); `answers` are replayed (none: `model` is run). Few pairs
    are probed, because what is probed is no longer predicted."""

    dataset: str
    limit: int
    probed: int
    model: str | None = "reference"
    answers: tuple[str, ...] = ()
    after: str | None = None  # the case whose cache folder it shares

    def text(self, pair: Pair, index: int) -> str:
        code = {
            "right": f"{pair.tgt_code}\nint answer_{index} = {index + 1};\n",
            "slow": f"{pair.src_code}\nint answer_{index} = {index + 1};\n",
            "wrong": "#include <bits/stdc++.h>\nint main() {}\n",
            "broken": "#include <bits/stdc++.h>\nint main() { return x; }\n",
        }[self.answers[index]]
        return f"```cpp\n{code}```\n"


CASES = {
    "mini": Case("mini", 10, 4),
    "pie": Case("pie", 10, 4),
    "known": Case("pie", 10, 4, after="pie"),
    "replay": Case("pie", 8, 4, None, ("right", "right", "slow", "wrong", "broken")),
    "assumed": Case("pie", 8, 4, "gpt-4", ("right",) * 4),
    "all": Case("pie", 33, 8),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", default=list(CASES), help=f"default: {' '.join(CASES)}")
    arguments = parser.parse_args()
    print("case        pairs  probed   predicted  taken      ratio   cpu_seconds (predicted)")
    os.environ["PIE_BENCH_ROOTS"] = str(roots_dir())  # built once, not in each cache folder
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in arguments.cases:
            _measure(each, folder)


def _measure(name: str, folder: Path) -> None:
    case = CASES[name]
    os.environ["PIE_BENCH_CACHE"] = str(folder / f"cache-{case.after or name}")
    samples = len(case.answers) or 1
    answered = f"replay:{_recorded(case, folder / f'{name}.jsonl')}" if case.answers else "reference"
    found = _predicted(case, case.model or answered, samples, folder / f"estimate-{name}")
    options = ["--task", "pie_instruct", "--model", answered, "--dataset", case.dataset, "--limit", str(case.limit)]
    options += ["--samples", str(samples), "--run-dir", str(folder / name)]
    taken = run(options, cache_dir(), quiet=True)
    spent = json.loads((folder / name / "manifest.json").read_text())["cpu_seconds"]
    whole = f"{found.seconds:>8.1f} s  {taken:>6.1f} s  {found.seconds / taken:>6.2f}"
    part = f"{spent:.1f} s ({found.seconds - found.harness:.1f} s)"
    print(f"{name:<10}  {case.limit:>5}  {found.pairs:>6}  {whole}   {part}", flush=True)


def _recorded(case: Case, path: Path) -> Path:
    with path.open("w") as file:
        for pair in load_dataset(case.dataset).chosen(limit=case.limit):
            for index in range(len(case.answers)):
                line = {"pair_id": pair.pair_id, "sample_index": index, "text": case.text(pair, index)}
                file.write(json.dumps(line | {"finish_reason": "stop"}) + "\n")
    return path


def _predicted(case: Case, model: str, samples: int, run_dir: Path) -> Cost:
    settings = settings_of(
        "pie_instruct",
        model,
        dataset=case.dataset,
        environment="skylake",
        limit=case.limit,
        samples=samples,
        pairs=None,
        shard=None,
        encoder=None,
        model_args=None,
        context=None,
        include_path=None,
        answers_for_other_prompts=False,
    )
    plan = make_plan(settings)
    executor = open_executor("skylake", cache_dir())
    try:
        return cost(plan, Run(run_dir), executor, cache_dir(), guarded=guards_by_default(plan), pairs=case.probed)
    finally:
        executor.close()


if __name__ == "__main__":
    main()
