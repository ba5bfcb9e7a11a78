#!/usr/bin/env python3
"""What forking at the entry point saves: CPU seconds of gem5 for one program's tests, forked and one process per test.

usage: PIE_GEM5_BINARY=… python benchmarks/gem5_fork.py [--dataset D] [--pair N] [--alone N]

Both sides use the same gem5 binary on the same program in one run. One process per test is how the published evaluator
works; it is measured on a seeded sample of the tests and extrapolated to all of them. Every test run both ways must
take the same ticks. gem5 runs without the sandbox here, so that its CPU time can be read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pie_bench.data.load import load_dataset
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.sandbox.sandbox import Connected, Limits
from pie_bench.execution.simulators.gem5.launch import _FLAGS, MACHINE
from pie_bench.execution.simulators.gem5.simulator import Gem5Simulator, Session
from pie_bench.execution.simulators.gem5.spec import Gem5Spec
from pie_bench.execution.toolchain import Toolchain


class DirectGem5:
    """gem5 as a plain child process, whose CPU seconds this process can read once it has ended."""

    description = "gem5 without a sandbox"
    accounts_cpu = True

    def __init__(self, binary: Path):
        self._binary = binary

    @contextmanager
    def serve(
        self, job: Mapping[str, Any], files: Mapping[str, bytes], root: Path, limits: Limits
    ) -> Iterator[Connected]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "w").mkdir()
            for path, content in files.items():
                (folder / path.lstrip("/")).write_bytes(content)
                (folder / path.lstrip("/")).chmod(0o755)
            places = {path: str(folder / path.lstrip("/")) for path in files}
            moved = {k: places.get(v, v) if isinstance(v, str) else v for k, v in job.items()}
            (folder / "job.json").write_text(json.dumps({**moved, "root": f"{root}/"}))
            flags = [*(flag for flag in _FLAGS if "outdir" not in flag), f"--outdir={folder / 'm5out'}"]
            ours, theirs = socket.socketpair()
            with ours, (folder / "stderr").open("wb") as stderr:
                process = subprocess.Popen(
                    [self._binary, *flags, str(MACHINE), str(folder / "job.json"), str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stderr=stderr,
                )
                theirs.close()
                try:
                    yield Connected(ours, lambda: (folder / "stderr").read_bytes())
                finally:
                    ours.close()  # it exits by itself, which makes its CPU time known
                    process.wait()


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", default="gem5-skylake")
    parser.add_argument("--dataset", default="mini")
    parser.add_argument("--pair", type=int, default=0, metavar="N", help="the N-th pair of the test split")
    parser.add_argument("--role", choices=["source", "target"], default="source")
    parser.add_argument("--tests", type=int, metavar="N", help="only the first N tests")
    parser.add_argument("--alone", type=int, default=3, metavar="N", help="tests to run in separate processes")
    options = parser.parse_args()
    sandbox = choose_sandbox()
    spec = load_environment_spec(options.environment)
    assert isinstance(spec.simulator, Gem5Spec)
    environment = open_environment(spec, sandbox)
    root = environment.root
    assert root is not None
    dataset = load_dataset(options.dataset, "test", with_tests=True)
    pair = dataset.pairs[options.pair]
    code = pair.src_code if options.role == "source" else pair.tgt_code
    binary = Toolchain(spec.toolchain, spec.compile_limits, sandbox, root).compile(code).binary
    assert binary is not None
    inputs = [test.input for test in dataset.tests(pair)][: options.tests]
    gem5 = DirectGem5(Path(os.environ["PIE_GEM5_BINARY"].split(os.pathsep)[0]))

    before = cpu_seconds()
    simulator = Gem5Simulator(environment, gem5, sandbox)
    with simulator._session(binary, fork=True) as session:
        simulator._startup(session)
        forked = [ran for _, ran in simulator._all(session, inputs)]
    forked_cpu = cpu_seconds() - before
    sample = random.Random(0).sample(range(len(inputs)), min(options.alone, len(inputs)))
    alone_cpu = 0.0
    same = 0
    for number in sample:
        before = cpu_seconds()
        with Session(gem5, binary, {}, root, spec) as session:
            session.send(0, inputs[number])
            _, ran = session.next_done()
        alone_cpu += cpu_seconds() - before
        same += (ran.counters, ran.stdout, ran.ended) == (
            forked[number].counters,
            forked[number].stdout,
            forked[number].ended,
        )
    all_alone = alone_cpu / len(sample) * len(inputs)
    print(f"{pair.pair_id} ({options.role}), gem5 {environment.facts['gem5']}, {len(inputs)} tests")
    print(f"forked, start-up and its measurement included: {forked_cpu:9.1f} CPU s")
    print(f"one process a test: {alone_cpu:.1f} CPU s for {len(sample)}, so {all_alone:9.1f} CPU s for all")
    print(f"ratio: 1/{all_alone / forked_cpu:.1f}; same ticks, counters and output: {same} of {len(sample)}")
    if same != len(sample):
        sys.exit(1)


if __name__ == "__main__":
    main()
