"""What each sandbox adds to the time of a short program, compared with a plain process with the same streams, in turns.

usage: python benchmarks/sandbox.py [--runs 200] [NAME ...]
Without names: every mechanism that works here, and once more as one sandbox that serves all runs where the mechanism
can. Milliseconds are medians of wall time.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from pie_bench.execution.environment import ToolchainSpec, load_environment_spec
from pie_bench.execution.sandbox.choose import MECHANISMS, choose_sandbox, probe_sandbox
from pie_bench.execution.sandbox.sandbox import SERVER, Command, File, NotServedError, Sandbox
from pie_bench.execution.sandbox.unsafe import UnsafeSandbox
from pie_bench.execution.toolchain import Toolchain

_PROGRAM = '#include <cstdio>\nint main() { int n; if (scanf("%d", &n) == 1) printf("%d\\n", n + 1); }'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--runs", type=int, default=200)
    arguments = parser.parse_args()
    spec = load_environment_spec("skylake")
    host = ToolchainSpec(compiler="g++", flags=("-std=c++17", "-O3"))
    toolchain = Toolchain(host, spec.compile_limits, choose_sandbox())
    binary, server = toolchain.compile(_PROGRAM).binary, toolchain.server()
    if binary is None or server is None:
        raise SystemExit("the program does not compile")
    command = Command(["/w/program"], b"41\n", {"/w/program": File(binary, True)}, spec.program_environment)

    def sandboxed(sandbox: Sandbox) -> Callable[[], bytes]:
        return lambda: sandbox.run(command, spec.native_limits, "payload").stdout

    def served(sandbox: Sandbox, stack: ExitStack) -> Callable[[], bytes]:
        files = {**command.files, SERVER: File(server, True)}
        serving = replace(command, argv=[SERVER, *command.argv], files=files)
        process = stack.enter_context(sandbox.serve(serving, spec.native_limits, "payload"))
        process.send(process.child_filter)
        return lambda: process.run(command.stdin).stdout

    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "program")
        program.write_bytes(binary)
        program.chmod(0o755)
        ways: dict[str, Callable[[], bytes]] = {
            "plain process": lambda: (
                subprocess.run(
                    [program], input=command.stdin, env=dict(command.environment), capture_output=True, check=False
                ).stdout
            ),
            "unsafe": sandboxed(UnsafeSandbox()),
        }
        for name in arguments.names or MECHANISMS:
            found = probe_sandbox(name)
            if isinstance(found, str):
                print(f"{name}: left out: {found}")
            else:
                ways[name] = sandboxed(found)
                with suppress(NotServedError):
                    ways[f"{name}, one for all"] = served(found, stack)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(arguments.runs):
            for name, run in ways.items():
                start = time.perf_counter()
                if run() != b"42\n":
                    raise SystemExit(f"{name}: the program did not run as it should")
                seconds[name].append(time.perf_counter() - start)
    plain = statistics.median(seconds["plain process"])
    print(f"{arguments.runs} runs each, in turns   median ms     added   90 % below")
    for name, times in seconds.items():
        median, high = statistics.median(times), statistics.quantiles(times, n=10)[-1]
        print(f"{name:25} {1000 * median:12.1f} {1000 * (median - plain):9.1f} {1000 * high:12.1f}")


if __name__ == "__main__":
    main()
