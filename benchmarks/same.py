"""Checks that counts are the same, bit for bit, regardless of user, machine and load.

usage: python -m benchmarks.same record FILE [--environment skylake] [--sandbox NAME] [--load N] [--unforked]
                                             [--dataset D] [--programs N] [--inputs N] [--binaries FOLDER]
                                             [--answers FILE]
       python -m benchmarks.same compare FILE FILE...

`record` compiles the programs of mini, and of PIE's test split if PIE_DATA_DIR is set (or of one dataset's test split),
and measures each on its shortest inputs, one line of JSON each. `--answers` adds answers to the pairs, in `replay:`'s
format. Run it repeatedly, on different machines, as root and as an ordinary user, in each sandbox, with other programs
running (`--load` starts N loops). `--binaries` keeps compiled programs, so that the next recording compiles nothing.
`compare` reports in how many measurements the recordings agree, and names what differs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pie_bench.data.load import load_dataset
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.native import run_program
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.simulators.kind import open_simulator
from pie_bench.execution.toolchain import Toolchain
from pie_bench.hashing import sha256
from pie_bench.prompting.extract import extract_code


def programs(dataset: str | None, inputs: int, answers: Path | None) -> Iterator[tuple[str, str, list[bytes]]]:
    """Name, text and shortest inputs of every distinct program, including answers to these pairs."""
    said: dict[str, list[str]] = {}
    for row in map(json.loads, answers.read_text().splitlines() if answers is not None else ()):
        said.setdefault(f"{row['src_id']}-{row['tgt_id']}", []).append(
            extract_code(row["completion"], "stop").code or ""
        )
    seen: set[str] = set()
    sets = [("mini", "test"), ("mini", "train"), *([("pie", "test")] if os.environ.get("PIE_DATA_DIR") else [])]
    for name, split in sets if dataset is None else [(dataset, "test")]:
        loaded = load_dataset(name, split, with_tests=True)
        for pair in loaded.pairs:
            data = sorted({test.input for test in loaded.tests(pair)}, key=lambda each: (len(each), each))
            texts = [("source", pair.src_code), ("target", pair.tgt_code)]
            texts += [(f"answer {number}", code) for number, code in enumerate(said.get(pair.pair_id, []))]
            for role, code in texts:
                if code and code not in seen:
                    seen.add(code)
                    yield f"{pair.pair_id} {role}", code, data[:inputs]


@contextmanager
def load(loops: int) -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def record(arguments: argparse.Namespace) -> None:
    sandbox = choose_sandbox(arguments.sandbox)
    build_roots(arguments.environment, sandbox)
    environment = open_environment(load_environment_spec(arguments.environment), sandbox)
    toolchain = Toolchain(environment.spec.toolchain, environment.spec.compile_limits, sandbox, environment.root)
    simulator = open_simulator(environment, sandbox)
    where = {"sandbox": sandbox.name, "uid": os.geteuid(), "load": arguments.load, "forked": not arguments.unforked}
    where |= {"kernel": platform.release(), "processor": platform.machine()}
    with load(arguments.load), arguments.file.open("w") as file:
        file.write(json.dumps({"environment_id": environment.environment_id} | where) + "\n")
        for number, (name, code, inputs) in enumerate(programs(arguments.dataset, arguments.inputs, arguments.answers)):
            if number == arguments.programs:
                break
            kept = arguments.binaries / sha256(code.encode()) if arguments.binaries is not None else None
            binary = kept.read_bytes() if kept is not None and kept.is_file() else toolchain.compile(code).binary
            if binary is None:
                continue
            if kept is not None and not kept.is_file():
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(binary)
            ended = {data: run_program(binary, data, environment, sandbox) for data in inputs}
            right = [data for data in inputs if ended[data].exit_code == 0]  # others may never end
            for group in [[data] for data in right] if arguments.unforked else [right]:
                for data, measurement in zip(group, simulator.measure(binary, group), strict=True):
                    seconds = simulator.seconds(measurement.counters)
                    line = {"program": name, "native": ended[data].user_seconds, "seconds": seconds}
                    file.write(json.dumps(line | asdict(measurement)) + "\n")
            file.flush()


def compare(paths: list[Path]) -> int:
    """Prints how many measurements are the same in all recordings that have them; returns 1 if any differs."""
    recordings = [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for header, *lines in recordings:
        header_text = ", ".join(f"{name} {value}" for name, value in header.items() if name != "environment_id")
        print(f"{len(lines):5} measurements of {len({x['program'] for x in lines})} programs: {header_text}")
        for line in lines:
            found.setdefault((line["program"], line["input_sha256"]), []).append(line)
    several = {key: lines for key, lines in found.items() if len(lines) > 1}
    told = Counter(len(lines) for lines in several.values())
    different = 0
    for (program, _), lines in sorted(several.items()):
        first, *others = ({k: v for k, v in line.items() if k != "native"} for line in lines)
        unlike = sorted({name for other in others for name in first if first[name] != other.get(name)})
        if unlike:
            different += 1
            print(f"{program}: {', '.join(unlike)}")
    print(f"measured several times: {', '.join(f'{n} × {times}' for times, n in sorted(told.items()))}")
    print(f"the same, bit for bit: {len(several) - different} of {len(several)}")
    every = [
        line for lines in found.values() for line in lines if line["native"] is not None and line["outcome"] == "ok"
    ]
    if every:
        worst = max(every, key=lambda line: line["native"] - 50 * line["seconds"])
        print(
            f"native CPU time outside the kernel: at most {max(line['native'] for line in every):.2f} s; most above "
            f"simulated time: {worst['native']:.2f} s beside {worst['seconds'] * 1e3:.2f} ms ({worst['program']})"
        )
    return int(different > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    recorder = verbs.add_parser("record")
    recorder.add_argument("file", type=Path)
    recorder.add_argument("--environment", default="skylake")
    recorder.add_argument("--sandbox")
    recorder.add_argument("--load", type=int, default=0)
    recorder.add_argument("--unforked", action="store_true")
    recorder.add_argument("--dataset")
    recorder.add_argument("--programs", type=int)
    recorder.add_argument("--inputs", type=int, default=2)
    recorder.add_argument("--binaries", type=Path)
    recorder.add_argument("--answers", type=Path)
    comparer = verbs.add_parser("compare")
    comparer.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.verb == "compare":
        return compare(arguments.files)
    record(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
