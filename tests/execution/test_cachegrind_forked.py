"""Forked simulations: exactly what simulations alone give, whatever the program does, and nothing more allowed."""

import dataclasses
import logging
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pie_bench.execution.environment import Environment
from pie_bench.execution.pool import LocalPool
from pie_bench.execution.sandbox.sandbox import Command, Finished, Limits, Sandbox, SandboxError, Served, Stage
from pie_bench.execution.simulators import cachegrind, fork_server
from pie_bench.execution.simulators.cachegrind import CachegrindSimulator
from pie_bench.execution.simulators.fork_server import forking, starts_unseeing
from pie_bench.execution.simulators.simulator import MeasurementMismatchError
from pie_bench.execution.toolchain import Toolchain
from pie_bench.run.measurement import Measurement

INPUTS = [b"12 30\n", b"7\n"]
SUM = '#include <cstdio>\nint main(){ long n, s = 0; while (scanf("%ld", &n) == 1) s += n; printf("%ld", s); }'
# Standard input asked about in every way; what the sandbox refuses; arguments, environment, the stack, its own code.
QUESTIONS = r"""
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char** arguments, char** environment) {
    struct stat s; char c[64]; int hash = count;
    fstat(0, &s);
    auto p = (char*)mmap(0, s.st_size, PROT_READ, MAP_PRIVATE, 0, 0);
    write(1, p, s.st_size);
    printf("%ld %ld %d %d", (long)s.st_size, (long)s.st_blksize, isatty(0), s.st_mode);
    printf(" %ld %ld %ld", (long)read(0, c, 3), (long)lseek(0, 0, SEEK_CUR), (long)lseek(0, 0, SEEK_END));
    printf(" refused:");
    printf(" %ld", (long)fork()); printf(" %d", errno);
    printf(" %ld", (long)socket(AF_UNIX, SOCK_STREAM, 0)); printf(" %d", errno);
    printf(" %ld", (long)recv(0, c, 1, 0)); printf(" %d", errno);
    printf(" %ld", (long)send(0, c, 1, 0)); printf(" %d", errno);
    printf(" %ld", (long)wait(0)); printf(" %d;", errno);
    for (; *arguments; arguments++) for (p = *arguments; *p; p++) hash = hash * 31 + *p;
    for (; *environment; environment++) for (p = *environment; *p; p++) hash = hash * 31 + *p;
    printf(" %d %p %p %p", hash, (void*)&s, sbrk(0), (void*)&main);
    for (auto q = (unsigned char*)main; q < (unsigned char*)main + 256; q++) hash = hash * 31 + *q;
    printf(" %d", hash);
}"""
MEMORY = r"""
#include <cstdio>
#include <cstdlib>
int zeroed[1 << 20];
int deep(int n) { volatile char c[200]; c[n % 200] = n; return n ? deep(n - 1) + c[0] : 0; }
int main() {
    int n = 0;
    while (scanf("%d", &n) == 1) zeroed[n] = deep(1000 * n);
    for (int i = 0; i < 1 << 20; i += 512) zeroed[i] = i;
    free(malloc(10000000));
    printf("%d", zeroed[512]);
    exit(0);
}"""
IOSTREAM = r"""
#include <iostream>
#include <map>
#include <stdexcept>
#include <vector>
std::vector<int> v(5000, 3);
struct Before { Before() { v[7] = 1; std::ios::sync_with_stdio(false); std::cin.tie(nullptr); } } before;
int main() {
    static std::map<int, int> m{{1, 2}};
    for (int n; std::cin >> n;) m[n] += n;
    for (auto [key, value] : m) std::cout << key << " " << value << std::endl;
    try { v.at(6000); } catch (std::out_of_range& e) { std::cout << e.what(); }
}"""
C = "#include <unistd.h>\n#include <cstdlib>\n#include <cstdio>\n#include <sys/stat.h>\n"
FAILING = {
    "exit code": 'int main(){ puts("5"); return 3; }',
    "abort": "int main(){ abort(); }",
    "segmentation fault": 'int main(){ puts("5"); fflush(stdout); *(volatile int*)8 = 1; }',
    "unknown instruction": 'int main(){ puts("5"); fflush(stdout); asm volatile(".byte 0x0f,0x04,0,0"); }',
    "flood": "char c[1 << 20];\nint main(){ for (;;) if (write(1, c, sizeof c) < 0) return 1; }",
}
APART = {
    "constructor that reads": 'int n, x = scanf("%d", &n);\nint main(){ printf("%d", n); }',
    "constructor that asks": 'struct stat s; int x = fstat(0, &s);\nint main(){ printf("%ld", (long)s.st_size); }',
    "constructor that forks": 'int x = fork();\nint main(){ printf("%d", x); }',
    "its own number": 'int main(){ printf("%d", getpid()); }',
}


class Counting:
    """A sandbox that counts the runs and the servers."""

    name = "counting"

    def __init__(self, sandbox: Sandbox):
        self._sandbox = sandbox
        self.runs = self.servers = 0

    def run(self, command: Command, limits: Limits, stage: Stage) -> Finished:
        self.runs += 1
        return self._sandbox.run(command, limits, stage)

    def serve(self, command: Command, limits: Limits) -> AbstractContextManager[Served]:
        self.servers += 1
        return self._sandbox.serve(command, limits)


@pytest.fixture
def counting(sandbox: Sandbox) -> Counting:
    return Counting(sandbox)


@pytest.fixture
def forked(environment: Environment, counting: Counting, monkeypatch: pytest.MonkeyPatch) -> CachegrindSimulator:
    """Trusts forks from the start and checks none."""
    monkeypatch.setattr(cachegrind, "is_verified", lambda *_: False)
    simulator = CachegrindSimulator(environment, counting)
    simulator._fork_known_to_work = True
    return simulator


@pytest.fixture
def apart(environment: Environment, sandbox: Sandbox) -> CachegrindSimulator:
    return CachegrindSimulator(environment, sandbox, fork=False)


def compiled(toolchain: Toolchain, code: str) -> bytes:
    done = toolchain.compile(code)
    assert done.binary is not None, done.log
    return done.binary


def measured(simulator: CachegrindSimulator, binary: bytes, inputs: Sequence[bytes] = INPUTS) -> list[Measurement]:
    return list(simulator.measure(binary, inputs))


@pytest.mark.parametrize("code", [QUESTIONS, MEMORY, IOSTREAM], ids=["questions", "memory", "iostream"])
def test_every_count_is_that_of_a_run_alone(
    code: str, toolchain: Toolchain, forked: CachegrindSimulator, apart: CachegrindSimulator, counting: Counting
) -> None:
    binary = compiled(toolchain, code)
    measurements = measured(forked, binary)
    assert (counting.servers, counting.runs) == (1, 0)
    assert [m.outcome for m in measurements] == ["ok", "ok"]
    assert measurements == measured(apart, binary)
    assert measurements[0].startup_counters["Ir"] > 50_000


def test_a_program_cannot_fork_or_use_sockets(
    toolchain: Toolchain, sandbox: Sandbox, forked: CachegrindSimulator
) -> None:
    """Only the server may: children give it up."""
    binary = compiled(toolchain, QUESTIONS)
    with sandbox.serve(forked._command(forking(binary).binary, "--trace-syscalls=no"), forked._limits) as process:  # type: ignore[union-attr]
        process.send(forking(binary).message(process.report_descriptor, process.child_filter))  # type: ignore[union-attr]
        answers = process.run(b"1\n").stdout
    assert b"refused: -1 1 -1 1 -1 1 -1 1 -1 10;" in answers  # fork, socket, recv, send: EPERM; wait: ECHILD


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_is_told_as_by_a_run_alone(
    name: str, toolchain: Toolchain, forked: CachegrindSimulator, apart: CachegrindSimulator, counting: Counting
) -> None:
    binary = compiled(toolchain, C + FAILING[name])
    measurements = measured(forked, binary, [b"", b"1"])
    assert counting.servers == 1
    assert measurements[0].outcome == ("unsupported" if name == "unknown instruction" else "runtime_error")
    expected = measured(apart, binary, [b""])[0]
    # the address space's random bytes and process numbers are in no message compared
    assert dataclasses.replace(measurements[0], detail="") == dataclasses.replace(expected, detail="")


@pytest.mark.parametrize("name", APART)
def test_what_must_not_be_forked_is_simulated_alone(
    name: str, toolchain: Toolchain, forked: CachegrindSimulator, counting: Counting
) -> None:
    measurements = measured(forked, compiled(toolchain, C + APART[name]))
    assert len(measurements) == 2
    assert counting.runs == 3  # the start-up and each input


def test_a_child_that_runs_too_long_is_stopped_and_the_rest_goes_on(
    environment: Environment, counting: Counting, toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cachegrind, "is_verified", lambda *_: False)
    code = '#include <cstdio>\nint main(){ int n; scanf("%d", &n); while (n == 9) asm volatile(""); printf("%d", n); }'
    binary = compiled(toolchain, code)
    limits = environment.spec.simulator_limits.model_copy(update={"cpu_seconds": 1, "wall_seconds": 600})
    simulator = CachegrindSimulator(with_limits(environment, limits), counting)
    simulator._fork_known_to_work = True
    assert [m.outcome for m in measured(simulator, binary, [b"1", b"9", b"2"])] == ["ok", "infra_error", "ok"]
    assert (counting.servers, counting.runs) == (1, 0), "the CPU limit is a child's own"
    limits = limits.model_copy(update={"cpu_seconds": 600, "wall_seconds": 4})
    simulator = CachegrindSimulator(with_limits(environment, limits), counting)
    simulator._fork_known_to_work = True
    assert [m.outcome for m in measured(simulator, binary, [b"9", b"2"])] == ["infra_error", "ok"]
    assert counting.servers == 3, "a new server after the wall-clock limit"


def with_limits(environment: Environment, limits: Limits) -> Environment:
    return Environment(environment.spec.model_copy(update={"simulator_limits": limits}), environment.facts)


def test_sixty_of_sixty_are_equal_beside_others(toolchain: Toolchain, forked: CachegrindSimulator) -> None:
    binary = compiled(toolchain, SUM)
    runs = LocalPool().map_unordered(lambda _: measured(forked, binary, [b"12 30\n"] * 15), range(4))
    everything = [m for run in runs for m in run]
    assert len(everything) == 60
    assert len({(tuple(m.counters.items()), tuple(m.startup_counters.items())) for m in everything}) == 1


def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork server that counts an instruction of its own as the program's."""
    right = fork_server.Forking.counted
    monkeypatch.setattr(
        fork_server.Forking, "counted", lambda self, index: {**right(self, index), "Ir": right(self, index)["Ir"] - 1}
    )


def test_a_sample_is_checked_and_a_mismatch_stops_the_run(
    environment: Environment, sandbox: Sandbox, toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = compiled(toolchain, SUM)
    wrong(monkeypatch)
    monkeypatch.setattr(CachegrindSimulator, "_is_verified", lambda self, _, job: job == b"7\n")
    simulator = CachegrindSimulator(environment, sandbox)
    simulator._fork_known_to_work = True
    measurements = simulator.measure(binary, INPUTS)
    assert next(measurements).outcome == "ok"
    with pytest.raises(MeasurementMismatchError, match="please report this") as raised:
        next(measurements)
    assert not isinstance(raised.value, SandboxError), "those are tried again"
    told = str(raised.value)
    assert all(x in told for x in (fork_server_sum(binary), "forked: exit code 0", "alone: exit code 0", "valgrind-"))


def fork_server_sum(binary: bytes) -> str:
    return cachegrind.sha256(binary)


def test_where_forks_count_differently_from_the_start_nothing_is_forked(
    environment: Environment,
    counting: Counting,
    toolchain: Toolchain,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    binary = compiled(toolchain, SUM)
    expected = measured(CachegrindSimulator(environment, counting, fork=False), binary)
    wrong(monkeypatch)
    simulator = CachegrindSimulator(environment, counting)
    with caplog.at_level(logging.WARNING):
        assert measured(simulator, binary) == expected
    assert "not forked from here on" in caplog.text
    assert (counting.servers, measured(simulator, binary), counting.servers) == (1, expected, 1)


def test_a_server_that_ends_is_replaced_by_runs_alone(
    toolchain: Toolchain, forked: CachegrindSimulator, apart: CachegrindSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = compiled(toolchain, SUM)
    monkeypatch.setattr(fork_server, "_SERVER", b"\x0f\x0b" + fork_server._SERVER[2:])  # ud2
    assert measured(forked, binary) == measured(apart, binary)


def test_the_machine_code_is_its_source_assembled(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    source = Path(fork_server.__file__).with_suffix(".S")
    subprocess.run([root / "tools" / "assemble.sh", source, tmp_path / "out"], check=True)
    assert (tmp_path / "out").read_bytes() == source.with_suffix(".bin").read_bytes()


def test_the_copy_differs_in_a_few_bytes_and_moves_nothing(toolchain: Toolchain) -> None:
    binary = compiled(toolchain, SUM)
    server = forking(binary)
    assert server is not None
    assert len(server.binary) == len(binary)
    assert 20 < sum(a != b for a, b in zip(server.binary, binary, strict=True)) <= 25 + 4 + 16 + 35
    assert forking(b"no program") is None
    assert forking(binary.replace(b"main\0", b"niam\0")) is None


def test_programs_that_are_linked_otherwise(
    tmp_path: Path, forked: CachegrindSimulator, apart: CachegrindSimulator, counting: Counting
) -> None:
    (tmp_path / "p.cpp").write_text(SUM)
    for flags in ("-no-pie", "-static -Wl,-z,noseparate-code", "-static-pie", "-s"):
        subprocess.run(["g++", "-O2", *flags.split(), tmp_path / "p.cpp", "-o", tmp_path / "p"], check=True)
        binary = (tmp_path / "p").read_bytes()
        before = counting.servers
        assert measured(forked, binary) == measured(apart, binary), flags
        assert counting.servers - before == (flags != "-s"), flags


def test_a_start_up_that_sees_nothing() -> None:
    start = (
        b"==2== Cachegrind\n"
        b"SYSCALL[2,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4035000)\n"
        b"SYSCALL[2,1](257) sys_openat ( 4294967196, 0x4(/lib/x86_64-linux-gnu/libc.so.6), 524288 ) --> [async] ...\n"
        b"SYSCALL[2,1](257) ... [async] --> Success(0x3)\n"
        b"SYSCALL[2,1](0) sys_read ( 3, 0x1ffefff958, 832 ) --> [async] ...\n"
        b"SYSCALL[2,1](262) sys_newfstatat ( 3, 0x4029c99(), 0x1ffefff7f0 )[sync] --> Success(0x0)\n"
        b"SYSCALL[2,1](334) unimplemented (by the kernel) syscall: 334! (ni_syscall)\n --> [pre-fail] Failure(0x26)\n"
    )
    fork = b"SYSCALL[2,1](57) sys_fork ( )   fork: process 2 created child 3\n"
    assert starts_unseeing(start + fork)
    assert starts_unseeing(start + fork + b"SYSCALL[2,1](96) sys_gettimeofday ( 1, 2 )\n"), "after it, what may be"
    assert not starts_unseeing(start), "cut off"
    for call in (
        b"(0) sys_read ( 0, 0x1ffefff958, 832 ) --> [async] ...",
        b"(9) sys_mmap ( 0x0, 4096, 1, 2, 0, 0 ) --> [pre-success]",
        b"(262) sys_newfstatat ( 0, 0x4029c99(), 0x1ffefff7f0 )[sync]",
        b"(257) sys_openat ( 4294967196, 0x4(/dev/stdin), 0 ) --> [async] ...",
        b"(257) sys_openat ( 4294967196, 0x4(/usr/lib/../../dev/stdin), 0 ) --> [async] ...",
        b"(228) sys_clock_gettime( 0, 0x1ffefff958 )[sync]",
        b"(39) sys_getpid ()[sync]",
        b"(56) sys_clone ( 1200011, 0x0, 0x0, 0x4d42d90, 0x0 )",
        b"(0) something else",
    ):
        assert not starts_unseeing(start + b"SYSCALL[2,1]" + call + b"\n" + fork), call
