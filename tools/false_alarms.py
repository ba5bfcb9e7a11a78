#!/usr/bin/env python3
"""Runs the cheating checks on a dataset's own programs, which do not cheat: every finding is a false alarm.

usage: [PIE_DATA_DIR=…] python tools/false_alarms.py DATASET SPLIT [DATASET SPLIT …]

Checks each program as if it answered a pair that it shares nothing with. Compiles programs, but runs none.
"""

from __future__ import annotations

import sys
import time

from pie_bench.data.load import load_dataset
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.integrity.forbidden import CLOCKS, find, read_program
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.toolchain import Toolchain


class _Toolchain(Toolchain):
    count = 0  # programs that had to be disassembled

    def disassemble(self, binary: bytes) -> str:
        self.count += 1
        return super().disassemble(binary)


def main(arguments: list[str]) -> None:
    spec = load_environment_spec("skylake")
    sandbox = choose_sandbox()
    toolchain = _Toolchain(
        spec.toolchain, spec.compile_limits, sandbox, build_roots("skylake", sandbox)[spec.root or ""]
    )
    programs = alarms = clocks = 0
    seconds = 0.0
    for name, split in zip(arguments[::2], arguments[1::2], strict=True):
        dataset = load_dataset(name, split, with_tests=True)
        for pair in dataset.pairs:
            for role, code in (("source", pair.src_code), ("target", pair.tgt_code)):
                binary = toolchain.compile(code).binary
                if binary is None:
                    print(f"{name} {pair.pair_id} {role}: does not compile")
                    continue
                tests = dataset.tests(pair)
                start = time.monotonic()
                program = read_program(code, binary)
                evidence = find(program, "", tests, toolchain)
                seconds += time.monotonic() - start
                programs += 1
                clocks += bool(program.imports & CLOCKS)
                if evidence is not None:
                    alarms += 1
                    print(f"{name} {pair.pair_id} {role}: {evidence}")
    print(f"{programs} programs, {alarms} false alarms; {1e3 * seconds / programs:.0f} ms a program")
    print(f"disassembled: {toolchain.count}; look at a clock: {clocks}")


if __name__ == "__main__":
    main(sys.argv[1:])
