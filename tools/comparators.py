"""Compares the comparators natively on a dataset's programs and tests: the table in docs/methodology.md.

Every test is run by at least one program of its problem; each program runs `--tests-per-program` of them, different
ones from the previous program's.

    python tools/comparators.py mini
    PIE_DATA_DIR=… python tools/comparators.py pie
"""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pie_bench.data.load import load_dataset
from pie_bench.data.pair import TestCase
from pie_bench.execution.checker import COMPARATORS, same_output
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.pool import LocalPool
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.sandbox.sandbox import PROGRAM, Command, File
from pie_bench.execution.toolchain import Toolchain
from pie_bench.progress import Meter, shown

TESTS_PER_PROGRAM = 5


@dataclass(frozen=True)
class Program:
    """A program, and the tests to run it on."""

    problem_id: str
    code: str
    tests: Sequence[TestCase]


def shared_out(tests: Sequence[TestCase], codes: Sequence[str], each: int) -> Iterator[tuple[str, list[TestCase]]]:
    """A problem's programs, each with `each` tests in turn (0: all), or more if needed to cover all tests."""
    number = len(tests) if each == 0 else min(len(tests), max(each, math.ceil(len(tests) / len(codes))))
    for place, code in enumerate(codes):
        yield code, [tests[(place * number + at) % len(tests)] for at in range(number)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--environment", default="skylake")
    parser.add_argument(
        "--tests-per-program", type=int, default=TESTS_PER_PROGRAM, metavar="N", help="default: %(default)s; 0 for all"
    )
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.dataset, "test")
    sandbox, spec = choose_sandbox(), load_environment_spec(arguments.environment)
    build_roots(arguments.environment, sandbox)
    root = open_environment(spec, sandbox).root
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, root)
    tests: dict[str, Sequence[TestCase]] = {}
    codes: defaultdict[str, set[str]] = defaultdict(set)
    for pair in dataset.pairs:
        tests[pair.problem_id] = dataset.tests(pair)
        codes[pair.problem_id] |= {pair.src_code, pair.tgt_code}
    programs = [
        Program(problem, code, some)
        for problem in sorted(codes)
        for code, some in shared_out(tests[problem], sorted(codes[problem]), arguments.tests_per_program)
    ]

    def judge(program: Program) -> list[tuple[str, dict[str, bool]]]:
        """Each test's name, with every comparator's verdict on the program's output; none if it does not compile."""
        binary = toolchain.compile(program.code).binary
        if binary is None:
            return []
        said = []
        for test in program.tests:
            command = Command([PROGRAM], test.input, {PROGRAM: File(binary, True)}, spec.program_environment, root)
            written = sandbox.run(command, spec.native_limits, "payload").stdout
            name = f"{program.problem_id} test {test.test_id}"
            said.append((name, {name: same_output(name, written, test.expected_output) for name in COMPARATORS}))
        return said

    outputs: Counter[str] = Counter()
    right: Counter[str] = Counter()
    disagree: set[str] = set()
    meter = Meter("programs", len(programs), unit="program", timed=True)
    with shown(meter):
        for said in LocalPool(None).map_unordered(judge, iter(programs)):
            for test, by in said:
                outputs[test] += 1
                right.update(name for name, holds in by.items() if holds)
                if by["paper"] != by["standard"]:
                    disagree.add(test)
            meter.advance()
    shares = ", ".join(f"{name} {right[name]}" for name in COMPARATORS)
    of = sum(len(some) for some in tests.values())
    print(
        f"{dataset.name}: {len(programs)} programs, {outputs.total()} outputs of {len(outputs)} tests (of {of}); "
        f"right by {shares}"
    )
    named = f": {', '.join(sorted(disagree)[:10])}" if disagree else ""
    print(f"paper and standard disagree on {len(disagree)} tests{named}")


if __name__ == "__main__":
    main()
