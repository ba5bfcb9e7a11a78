"""Builds the bundled "mini" dataset (pie_bench/data/mini) from tools/mini/problems.

Each problem is a folder with problem.py (inputs() and the oracle solve()), pairs.yaml and its C++ programs; ids m0xx
are the split "test", m1xx "train". Every program must give the oracle's output on every input, or nothing is written.

usage: python tools/mini/build.py [--check | [--only m101,m102] [--measure]]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml
from tqdm import tqdm

from pie_bench.data.pair import TestCase
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import Executor, open_environment
from pie_bench.execution.pool import LocalPool
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.paths import cache_dir
from pie_bench.run.verdict import Candidate, Verdict
from pie_bench.store import MeasurementStore

HERE = Path(__file__).resolve().parent
PROBLEMS = HERE / "problems"
TARGET = HERE.parents[1] / "pie_bench" / "data" / "mini"
SPLITS = {"m0": "test", "m1": "train"}
KINDS = ("algorithm", "input_output", "data_structure", "other")
TIMEOUT_S = 20  # one native run
MIN_SPEEDUP, MIN_LARGE_TESTS, LARGE_INSTRUCTIONS, MAX_INSTRUCTIONS = 1.25, 4, 8_000_000, 60_000_000
MAX_INPUT_BYTES, MAX_PROBLEM_BYTES, TEST_COUNT = 60_000, 150_000, range(8, 11)


@dataclass
class Problem:
    name: str
    inputs: list[str]
    outputs: list[str]
    programs: dict[str, str]  # file name -> code
    pairs: list[dict[str, str]]  # src, tgt, kind; for training pairs also rationale: why the target is faster

    @property
    def tests(self) -> list[tuple[str, str]]:
        """(input, expected output)."""
        return list(zip(self.inputs, self.outputs, strict=True))


def load(folder: Path) -> Problem:
    spec = importlib.util.spec_from_file_location(f"mini_{folder.name}", folder / "problem.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    inputs: list[str] = module.inputs()
    pairs = yaml.safe_load((folder / "pairs.yaml").read_text(encoding="utf-8"))
    programs = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.cpp"))}
    return Problem(folder.name, inputs, [module.solve(text) for text in inputs], programs, pairs)


def faults_of_form(problem: Problem) -> list[str]:
    faults = []
    for pair in problem.pairs:
        keys = {"src", "tgt", "kind"} | ({"rationale"} if SPLITS[problem.name[:2]] == "train" else set())
        if set(pair) != keys or pair["kind"] not in KINDS:
            faults.append(f"{problem.name}: bad pair {pair}")
    named = {pair.get(side, "") for pair in problem.pairs for side in ("src", "tgt")}
    faults += [f"{problem.name}: {name}: only in pairs.yaml" for name in sorted(named - set(problem.programs))]
    faults += [f"{problem.name}: {name}: not in pairs.yaml" for name in sorted(set(problem.programs) - named)]
    if len(problem.inputs) not in TEST_COUNT:
        faults.append(f"{problem.name}: {len(problem.inputs)} tests")
    for test, text in enumerate(problem.inputs):
        if not text.endswith("\n") or len(text.encode()) > MAX_INPUT_BYTES:
            faults.append(f"{problem.name}: test {test}: input of {len(text.encode())} bytes, ending {text[-1:]!r}")
    total = sum(len(text.encode()) for text in problem.inputs + problem.outputs)
    if total > MAX_PROBLEM_BYTES:
        faults.append(f"{problem.name}: {total} bytes of tests")
    return faults


def lines(output: bytes) -> list[bytes]:
    return [line.rstrip() for line in output.rstrip().split(b"\n")]


def faults_of_programs(problem: Problem, work: Path) -> list[str]:
    """Compiles every program to work/<problem>_<stem> and runs it on every input."""
    faults = []
    for name, code in problem.programs.items():
        binary = work / row_id(problem, name)
        command = ["g++", "-std=c++17", "-O3", "-x", "c++", "-", "-o", str(binary)]
        compiled = subprocess.run(command, input=code, capture_output=True, text=True)
        if compiled.returncode:
            first = next((line for line in compiled.stderr.splitlines() if "error" in line), "g++ failed")
            faults.append(f"{problem.name}: {name}: {first}")
            continue
        for test, (text, expected) in enumerate(problem.tests):
            where = f"{problem.name}: {name}: test {test}"
            try:
                done = subprocess.run([binary], input=text.encode(), capture_output=True, timeout=TIMEOUT_S)
                if done.returncode:
                    faults.append(f"{where}: exit status {done.returncode}")
                elif lines(done.stdout) != lines(expected.encode()):
                    faults.append(f"{where}: wrong output")
            except subprocess.TimeoutExpired:
                faults.append(f"{where}: over {TIMEOUT_S} s")
    return faults


def measure(problems: list[Problem]) -> bool:
    """Prints a line per pair, measured as pie_bench does; False if one is out of bounds."""
    executor, fine = open_executor(), True

    def verdict_of(program: tuple[Problem, str]) -> tuple[str, Verdict]:
        problem, name = program
        tests = [TestCase(str(i), text.encode(), out.encode()) for i, (text, out) in enumerate(problem.tests)]
        candidate = Candidate(row_id(problem, name), "source", 0, problem.programs[name])
        return candidate.pair_id, executor.execute(candidate, tests)

    programs = [(problem, name) for problem in problems for name in problem.programs]
    verdicts = dict(tqdm(LocalPool().map_unordered(verdict_of, programs), total=len(programs), unit="program"))
    for problem, pair in ((each, pair) for each in problems for pair in each.pairs):
        src, tgt = (verdicts[row_id(problem, pair[side])] for side in ("src", "tgt"))
        if src.runtime_seconds is None or tgt.runtime_seconds is None:
            print(f"{row_id(problem, pair['src'])}: {src.outcome} {src.detail}, target: {tgt.outcome} {tgt.detail}")
            fine = False
            continue
        counts = [[test.instructions or 0 for test in verdict.tests] for verdict in (src, tgt)]
        speedup = src.runtime_seconds / tgt.runtime_seconds
        large = [count for count in counts[0] if count >= LARGE_INSTRUCTIONS]
        flags = "  speedup too low" if speedup < MIN_SPEEDUP else ""
        flags += f"  {len(large)} large tests" if len(large) < MIN_LARGE_TESTS else ""
        flags += "  src too long" if max(counts[0]) > MAX_INSTRUCTIONS else ""
        name = f"{row_id(problem, pair['src'])} -> {row_id(problem, pair['tgt'])}"
        most = " ".join(f"{max(side) / 1e6:8.2f} M" for side in counts)
        print(f"{name:<44} {pair['kind']:<15} {most} {speedup:7.2f}x{flags}")
        fine = fine and not flags
    return fine


def open_executor() -> Executor:
    """pie_bench's executor in its default environment; it caches measurements."""
    sandbox = choose_sandbox()
    environment = open_environment(load_environment_spec("skylake"), sandbox)
    return Executor(environment, sandbox, MeasurementStore(cache_dir() / "measurements.sqlite"))


def row_id(problem: Problem, name: str) -> str:
    return f"{problem.name}_{Path(name).stem}"


def dataset(problems: list[Problem]) -> dict[str, str]:
    """Every file of the dataset: path under TARGET -> text."""
    files = {f"{split}.jsonl": "" for split in SPLITS.values()}
    for problem in problems:
        tests = [str(test) for test in range(len(problem.inputs))]
        for test, text, expected in zip(tests, problem.inputs, problem.outputs, strict=True):
            files[f"merged_test_cases/{problem.name}/input.{test}.txt"] = text
            files[f"merged_test_cases/{problem.name}/output.{test}.txt"] = expected
        for pair in problem.pairs:
            row: dict[str, object] = {"problem_id": problem.name, "kind": pair["kind"], "tests": tests}
            row["language"] = "cpp"
            if "rationale" in pair:
                row["rationale"] = pair["rationale"]
            for side in ("src", "tgt"):
                row |= {f"{side}_id": row_id(problem, pair[side]), f"{side}_code": problem.programs[pair[side]]}
            files[f"{SPLITS[problem.name[:2]]}.jsonl"] += json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n"
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--check", action="store_true", help="only compare with the committed files: compile and write nothing"
    )
    mode.add_argument("--only", metavar="IDS", help="verify these problems (comma-separated), write nothing")
    parser.add_argument("--measure", action="store_true", help="also measure every pair as pie_bench does")
    args = parser.parse_args()
    if args.check and args.measure:
        parser.error("--measure needs the programs, which --check does not compile")

    folders = sorted(path.parent for path in PROBLEMS.glob("*/problem.py"))
    if args.only:
        folders = [PROBLEMS / name for name in args.only.split(",")]
    problems = [load(folder) for folder in folders]
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        faults = [fault for problem in problems for fault in faults_of_form(problem)]
        if not args.check:
            faults += [fault for problem in problems for fault in faults_of_programs(problem, work)]
        print("\n".join(faults) or f"{len(problems)} problems are in order", flush=True)
        if faults or (args.measure and not measure(problems)):
            return 1
    if args.only:
        return 0

    wanted = {TARGET / path: text.encode() for path, text in dataset(problems).items()}
    stale = sorted({p for p in TARGET.glob("merged_test_cases/**/*") if p.is_file()} - set(wanted))
    if args.check:
        differing = stale + sorted(p for p, data in wanted.items() if not p.is_file() or p.read_bytes() != data)
        print("\n".join(f"differs: {path}" for path in differing) or "the committed dataset is up to date")
        return int(bool(differing))
    for path in stale:
        path.unlink()
    for path, data in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"wrote {len(wanted)} files to {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
