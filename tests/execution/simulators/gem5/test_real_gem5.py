"""gem5 itself, if there is one: whatever the program, forked and separate simulations end alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pie_bench.errors import PieBenchError
from pie_bench.execution.environment import Environment, load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.gem5.simulator import Gem5Simulator
from pie_bench.execution.simulators.kind import open_simulator
from pie_bench.execution.toolchain import Toolchain

pytestmark = pytest.mark.gem5

Compile = Callable[[str], bytes]


def opened(name: str, sandbox: Sandbox) -> Environment:
    if not os.environ.get("PIE_GEM5_BINARY") and not os.environ.get("PIE_GEM5_IMAGE"):
        pytest.skip("needs gem5: set PIE_GEM5_BINARY or PIE_GEM5_IMAGE")
    try:
        return open_environment(load_environment_spec(name), sandbox)
    except PieBenchError as error:
        pytest.skip(str(error))


def simulator_of(environment: Environment, sandbox: Sandbox) -> Gem5Simulator:
    simulator = open_simulator(environment, sandbox)
    assert isinstance(simulator, Gem5Simulator)
    return simulator


@pytest.fixture(scope="module")
def environment(pinned_root: Path, sandbox: Sandbox) -> Environment:
    return opened("gem5-skylake", sandbox)


@pytest.fixture(scope="module")
def simulator(environment: Environment, sandbox: Sandbox) -> Gem5Simulator:
    return simulator_of(environment, sandbox)


@pytest.fixture(scope="module")
def compile_(environment: Environment, sandbox: Sandbox) -> Compile:
    return compiler_of(environment, sandbox)


def compiler_of(environment: Environment, sandbox: Sandbox) -> Compile:
    spec = environment.spec
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, environment.root)

    def compile_(code: str) -> bytes:
        binary = toolchain.compile(code).binary
        assert binary is not None
        return binary

    return compile_


# Each of these could tell a forked simulation from a separate one if the fork came too late or left a trace.
PROGRAMS = {
    "reads with scanf": '#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d", n * 2); }',
    "reads nothing": '#include <cstdio>\nint main() { puts("x"); }',
    "reads with read(2)": (
        '#include <cstdio>\n#include <unistd.h>\nint main() { char b[99]; printf("%zd", read(0, b, 99)); }'
    ),
    "asks for the size before it reads": (
        "#include <cstdio>\n#include <sys/stat.h>\nint main() { struct stat s; fstat(0, &s);"
        'long x = 0; for (long i = 0; i < s.st_size * 100; i++) x += i * x + 1; printf("%ld", x); }'
    ),
    "reads in a constructor": (
        '#include <cstdio>\nstruct A { int n; A() { scanf("%d", &n); } } a;\nint main() { printf("%d", a.n * 3); }'
    ),
    "asks for the size in a constructor": (
        "#include <cstdio>\n#include <sys/stat.h>\n"
        "struct A { long n; A() { struct stat s; fstat(0, &s); n = s.st_size; } } a;\n"
        'int main() { long x = 0; for (long i = 0; i < a.n * 100; i++) x += i; printf("%ld", x); }'
    ),
    "seeks": '#include <cstdio>\n#include <unistd.h>\nint main() { printf("%ld", (long)lseek(0, 0, SEEK_END)); }',
    "allocates": (
        '#include <cstdio>\n#include <vector>\nint main() { int n; scanf("%d", &n);'
        'std::vector<int> v(n, 1); printf("%zu", v.size()); }'
    ),
}
DEEP = (
    "int f(int n) { volatile int a[1000]; a[0] = n; return n ? f(n - 1) + a[0] : 0; }\n"
    "int main() { return f(100000) & 1; }"
)
INPUTS = [b"7\n", b"12345 and more that is not read\n"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_forked_and_separate_runs_are_the_same(name: str, simulator: Gem5Simulator, compile_: Compile) -> None:
    assert_forks(simulator, compile_(PROGRAMS[name]))


@pytest.mark.parametrize("name", ["gem5-boom", "gem5-neoverse"])
def test_a_cpp_program_reads_its_own_input_on_other_processors(name: str, sandbox: Sandbox) -> None:
    environment = opened(name, sandbox)
    # It does nothing before it reads, after a start-up that is libstdc++'s.
    code = (
        "#include <iostream>\n#include <unistd.h>\nint main() { char b[99]; auto n = read(0, b, 99); std::cout << n; }"
    )
    assert_forks(simulator_of(environment, sandbox), compiler_of(environment, sandbox)(code))


def assert_forks(simulator: Gem5Simulator, binary: bytes) -> None:
    with simulator._session(binary, fork=True) as session:
        forked = [ran for _, ran in simulator._all(session, INPUTS)]
        assert session.ready["fork"]["instructions"] > 50_000
    alone = simulator._alone(binary, INPUTS)
    assert [(ran.ended, ran.counters, ran.stdout) for ran in forked] == [
        (ran.ended, ran.counters, ran.stdout) for ran in alone
    ]
    assert all(ran.counters["ticks"] > 50_000_000 for ran in alone)


@pytest.mark.parametrize(
    ("code", "outcome", "detail"),
    [
        ("int main() { return 3; }", "runtime_error", "exit code 3"),
        (DEEP, "runtime_error", "unmapped address"),
        ('int main() { asm volatile(".byte 0x0f, 0x04, 0x21, 0x00"); }', "forbidden", "m5_exit"),
        ('int main() { asm volatile(".byte 0x0f, 0xff, 0xff"); }', "unsupported", "invalid instruction executed: {"),
    ],
)
def test_failures_are_named(code: str, outcome: str, detail: str, simulator: Gem5Simulator, compile_: Compile) -> None:
    (measurement,) = simulator.measure(compile_(code), [b""])
    assert (measurement.outcome, detail in measurement.detail) == (outcome, True), measurement.detail


def test_the_simulated_program_sees_the_pinned_root_and_not_the_host(
    simulator: Gem5Simulator, compile_: Compile
) -> None:
    code = (
        "#include <cstdio>\n#include <initializer_list>\n#include <fcntl.h>\n#include <unistd.h>\n"
        'int main() { for (const char* p : {"/etc/shadow", "/etc/ld.so.cache", "/proc/self/environ", "/w/job.json", '
        '"/tmp/m5out/stats.txt", "/etc/hostname"}) printf("%d", open(p, O_RDONLY) >= 0);'
        'char b[400]; int n = read(open("/etc/passwd", O_RDONLY), b, 400); printf(" %.*s", n < 0 ? 0 : n, b); }'
    )
    binary = compile_(code)
    with simulator._session(binary, fork=True) as session:
        ((_, ran),) = simulator._all(session, [b""])
    opened, _, users = ran.stdout.partition(b" ")
    assert opened == b"010000"
    assert users in (b"", b"gem5-user:x:1000:1000:gem5-user,,,:/:/bin/bash\n"), "gem5 24 makes one up"


def limited(environment: Environment, sandbox: Sandbox, **limits: int) -> Gem5Simulator:
    assert environment.found.handle is not None
    ruler = environment.spec.simulator.model_copy(update=limits)
    spec = environment.spec.model_copy(update={"simulator": ruler})
    return Gem5Simulator(replace(environment, spec=spec), environment.found.handle, sandbox)


ENDLESS = "int main() { for (volatile int i = 0;; i++); }"


def test_limits_are_ticks(environment: Environment, sandbox: Sandbox, compile_: Compile) -> None:
    (measurement,) = limited(environment, sandbox, max_ticks=200_000_000).measure(compile_(ENDLESS), [b""])
    assert measurement.outcome == "instruction_limit"
    assert measurement.counters["ticks"] == 200_000_000


def test_the_host_seconds_of_the_paper_can_be_the_limit(
    environment: Environment, sandbox: Sandbox, compile_: Compile
) -> None:
    (measurement,) = limited(environment, sandbox, max_host_seconds=3).measure(compile_(ENDLESS), [b""])
    assert measurement.outcome == "instruction_limit"
    assert 0 < measurement.counters["ticks"] < environment.spec.simulator.max_ticks
