"""Which start-ups are the same for every input, judged by the system calls that QEMU lists."""

from __future__ import annotations

import pytest

from pie_bench.execution.environment import Environment, load_environment_spec
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.gem5.simulator import Gem5Simulator
from pie_bench.execution.simulators.gem5.spec import Gem5Spec
from pie_bench.execution.simulators.gem5.startup import stopped_at_main
from pie_bench.execution.simulators.gem5.unseeing import starts_unseeing
from pie_bench.execution.simulators.simulator import Found
from pie_bench.execution.toolchain import Toolchain

START = (
    b"2 brk(NULL) = 0x0000004000005000\n"
    b'2 access("/etc/ld.so.preload",R_OK) = -1 errno=2 (No such file or directory)\n'
    b'2 openat(-100,"/usr/lib/x86_64-linux-gnu/libc.so.6",O_RDONLY|O_CLOEXEC) = 3\n'
    b"2 read(3,0x60050b8,832) = 832\n"
    b"2 mmap(NULL,8192,PROT_READ|PROT_WRITE,MAP_PRIVATE|MAP_ANONYMOUS,-1,0) = 0x000000400620b000\n"
    b'2 newfstatat(3,"",0x0000004006004f60,4096) = 0\n'
    b"2 close(3) = 0\n"
)
END = b"2 exit_group(0)\n"


def test_a_start_up_that_sees_nothing() -> None:
    assert starts_unseeing(START + END)
    assert not starts_unseeing(START), "cut off"
    assert not starts_unseeing(b"")


@pytest.mark.parametrize(
    "call",
    [
        b"read(0,0x16eb0,4096) = 0",
        b"fstat(0,0x0000004006005bf0) = 0",
        b'newfstatat(0,"",0x0000004006004f60,4096) = 0',
        b"mmap(NULL,4096,PROT_READ,MAP_PRIVATE,0,0) = 0x0000004006035000",
        b'openat(-100,"/dev/stdin",O_RDONLY) = 3',
        b'openat(-100,"/usr/lib/../../dev/stdin",O_RDONLY) = 3',
        b"clock_gettime(CLOCK_MONOTONIC,0x0000004006005d20) = 0 ({tv_sec = 46006,tv_nsec = 180046910})",
        b"getpid() = 2",
        b'readlinkat(AT_FDCWD,"/proc/self/fd/0",0x00000040040ffd20,4096) = 10',
        b"clone(CLONE_VM,child_stack=0x0000000000000000) = 3",
        b"write(2,0x2024,18)2 exit_group(0)\n = 18",
        b"Unknown syscall 500",
    ],
)
def test_what_may_see_something(call: bytes) -> None:
    assert not starts_unseeing(START + b"2 " + call + b"\n" + END)


@pytest.mark.parametrize(
    ("before", "unseeing"),
    [
        ("", True),
        ("#include <iostream>\n", True),
        ("int x = getchar();", False),
        ('int x = fputs("2 exit_group(0)\\n", stderr);', False),
    ],
)
@pytest.mark.parametrize("environment", ["gem5-skylake", "gem5-boom", "gem5-neoverse"])
def test_real_programs(sandbox: Sandbox, environment: str, before: str, unseeing: bool) -> None:
    paths = build_roots(environment, sandbox)
    spec = load_environment_spec(environment)
    assert isinstance(spec.simulator, Gem5Spec)
    root, tools = paths[spec.root or ""], paths[spec.simulator.tools]
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, root)
    binary = toolchain.compile(f"#include <cstdio>\n{before}\nint main() {{ return getchar() == 0; }}").binary
    stopped = stopped_at_main(binary or b"", spec.toolchain.isa)
    assert stopped is not None
    opened = Environment(spec, {}, root, Found(tools=tools))
    simulator = Gem5Simulator(opened, None, sandbox)  # type: ignore[arg-type]  # gem5 is not started
    assert starts_unseeing(simulator._trace(stopped)) is unseeing
