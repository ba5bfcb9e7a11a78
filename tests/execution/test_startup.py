"""Start-up, what a program does before `main`, separated from its work."""

from __future__ import annotations

import pytest

from pie_bench.execution.environment import Environment
from pie_bench.execution.isa import X86_64
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.gem5.startup import stopped_at_main
from pie_bench.execution.simulators.kind import open_simulator
from pie_bench.execution.toolchain import Toolchain


def test_work_is_what_main_does_and_startup_what_comes_before(
    environment: Environment, sandbox: Sandbox, toolchain: Toolchain
) -> None:
    simulator = open_simulator(environment, sandbox)
    counted = []
    for code in (
        "int main(){}",
        "int main(){ for (volatile int i = 0; i < 1000000; i++); }",
        "int f(){ for (volatile int i = 0; i < 1000000; i++); return 0; }\nint x = f();\nint main(){}",
    ):
        (measurement,) = simulator.measure(toolchain.compile(code).binary or b"", [b""])
        counted.append(measurement)
    nothing, in_main, before = counted
    work = [m.counters["instructions"] - m.startup_counters["instructions"] for m in counted]
    assert 0 < work[0] < 20_000  # leaving main and the process
    assert work[1] > 3_000_000
    assert work[2] == pytest.approx(work[0], abs=200)
    assert before.startup_counters["instructions"] > 3_000_000
    startup = nothing.startup_counters
    assert simulator.seconds(startup) < 0.0003 < simulator.seconds(in_main.counters)


def test_a_copy_that_stops_at_main_needs_a_symbol_main(toolchain: Toolchain) -> None:
    binary = toolchain.compile("int main(){}").binary
    assert binary is not None
    stopped = stopped_at_main(binary, X86_64)
    assert stopped is not None
    assert len(stopped) == len(binary)
    assert 0 < sum(a != b for a, b in zip(stopped, binary, strict=True)) <= 12
    assert stopped_at_main(b"no program", X86_64) is None
    assert stopped_at_main(binary.replace(b"main\0", b"niam\0"), X86_64) is None
