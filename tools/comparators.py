"""Do the comparators agree? Every program of a dataset's pairs on every of its tests, natively: the table of
docs/methodology.md.

    python tools/comparators.py mini
    PIE_DATA_DIR=… python tools/comparators.py pie
"""

from __future__ import annotations

import argparse
from collections import Counter

from pie_bench.data.load import load_dataset
from pie_bench.data.pair import TestCase
from pie_bench.execution.checker import COMPARATORS, same_output
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.sandbox.sandbox import PROGRAM, Command, File
from pie_bench.execution.toolchain import Toolchain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--environment", default="skylake")
    parser.add_argument("--tests-per-program", type=int, metavar="N", help="only the first N; default: all")
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.dataset, "test")
    sandbox, spec = choose_sandbox(), load_environment_spec(arguments.environment)
    build_roots(arguments.environment, sandbox)
    root = open_environment(spec, sandbox).root
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, root)
    programs: dict[tuple[str, str], tuple[TestCase, ...]] = {}
    for pair in dataset.pairs:
        for code in (pair.src_code, pair.tgt_code):
            programs.setdefault((pair.problem_id, code), tuple(dataset.tests(pair))[: arguments.tests_per_program])
    right: Counter[str] = Counter()
    outputs = 0
    disagree = []
    for (problem, code), tests in sorted(programs.items()):
        binary = toolchain.compile(code).binary
        for test in tests if binary is not None else ():
            files = {PROGRAM: File(binary or b"", True)}
            command = Command([PROGRAM], test.input, files, spec.program_environment, root)
            written = sandbox.run(command, spec.native_limits, "payload").stdout
            outputs += 1
            said = {name: same_output(name, written, test.expected_output) for name in COMPARATORS}
            right.update(name for name, holds in said.items() if holds)
            if said["paper"] != said["standard"]:
                disagree.append(f"{problem} test {test.test_id}")
    shares = ", ".join(f"{name} {right[name]}" for name in COMPARATORS)
    print(f"{dataset.name}: {len(programs)} programs, {outputs} outputs; right by {shares}")
    print(f"paper and standard disagree on {len(disagree)}{': ' + ', '.join(disagree[:10]) if disagree else ''}")


if __name__ == "__main__":
    main()
