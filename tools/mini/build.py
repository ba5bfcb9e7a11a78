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

HERE = Path(__file__).resolve().parent
PROBLEMS = HERE / "problems"
TARGET = HERE.parents[1] / "pie_bench" / "data" / "mini"
SPLITS = {"m0": "test", "m1": "train"}
KINDS = ("algorithm", "input_output", "data_structure", "other")
TIMEOUT_S = 20  # one native run
MIN_SPEEDUP, MIN_LARGE_TESTS, LARGE_IR, MAX_IR = 1.25, 4, 8_000_000, 60_000_000
MAX_INPUT_BYTES, MAX_PROBLEM_BYTES, TEST_COUNT = 60_000, 150_000, range(8, 11)
COST_NS = {"Ir": 0.163, "ILmr": 61.5, "DLmr": 61.5, "DLmw": 55.1, "Bcm": 3.75, "Bim": 27.9}
CACHEGRIND = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", "--branch-sim=yes"]
CACHEGRIND += ["--I1=32768,16,64", "--D1=32768,16,64", "--LL=2097152,16,64"]


@dataclass
class Problem:
    name: str
    inputs: list[str]
    outputs: list[str]
    programs: dict[str, str]  # file name -> code
    pairs: list[dict[str, str]]  # src, tgt, kind


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
        if set(pair) != {"src", "tgt", "kind"} or pair["kind"] not in KINDS:
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
        for test, (text, expected) in enumerate(zip(problem.inputs, problem.outputs, strict=True)):
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


def simulate(binary: Path, text: str, work: Path) -> tuple[int, float]:
    """Instructions and simulated seconds of one run under cachegrind."""
    report = work / "cachegrind.out"
    command = [*CACHEGRIND, f"--cachegrind-out-file={report}", str(binary)]
    subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    fields = {line.split(":")[0]: line.split()[1:] for line in report.read_text().splitlines() if ":" in line}
    counts = dict(zip(fields["events"], map(int, fields["summary"]), strict=True))
    return counts["Ir"], sum(cost * counts[event] for event, cost in COST_NS.items()) * 1e-9


def measure(problem: Problem, work: Path) -> bool:
    """Prints a line a pair; False if one is out of bounds."""
    runs, fine = {}, True
    for name in problem.programs:
        runs[name] = [simulate(work / row_id(problem, name), text, work) for text in problem.inputs]
    for pair in problem.pairs:
        src, tgt = runs[pair["src"]], runs[pair["tgt"]]
        speedup = sum(seconds for _, seconds in src) / sum(seconds for _, seconds in tgt)
        large = [ir for ir, _ in src if ir >= LARGE_IR]
        flags = "  speedup too low" if speedup < MIN_SPEEDUP else ""
        flags += f"  {len(large)} large tests" if len(large) < MIN_LARGE_TESTS else ""
        flags += "  src too long" if max(ir for ir, _ in src) > MAX_IR else ""
        name = f"{row_id(problem, pair['src'])} -> {row_id(problem, pair['tgt'])}"
        most = " ".join(f"{max(ir for ir, _ in side) / 1e6:8.2f} M" for side in (src, tgt))
        print(f"{name:<44} {pair['kind']:<15} {most} {speedup:7.2f}x{flags}", flush=True)
        fine = fine and not flags
    return fine


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
            for side in ("src", "tgt"):
                row |= {f"{side}_id": row_id(problem, pair[side]), f"{side}_code": problem.programs[pair[side]]}
            files[f"{SPLITS[problem.name[:2]]}.jsonl"] += json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n"
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--check", action="store_true", help="only compare with what is committed: compile and write nothing"
    )
    mode.add_argument("--only", metavar="IDS", help="verify these problems (comma-separated), write nothing")
    parser.add_argument("--measure", action="store_true", help="also run every pair under cachegrind, one at a time")
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
        if faults or (args.measure and [problem for problem in problems if not measure(problem, work)]):
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
