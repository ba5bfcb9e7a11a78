"""A program's native runs: in one sandbox for all inputs where that can be, and what a program makes of it."""

import functools
import signal
from collections.abc import Sequence

import pytest

from pie_bench.execution import native
from pie_bench.execution.environment import EnvironmentSpec
from pie_bench.execution.native import in_one_sandbox
from pie_bench.execution.sandbox import container, process
from pie_bench.execution.sandbox.sandbox import ALL_ADDRESSES, Command, File, Finished, Limits, NotServedError, Sandbox
from pie_bench.execution.toolchain import Toolchain

LIMITS = Limits(
    cpu_seconds=1,
    wall_seconds=30,
    memory_bytes=256 << 20,
    output_bytes=1 << 20,
    stack_bytes=8 << 20,
    processes=8,
    tmp_bytes=1 << 20,
)

# By the first character of its input: ends in one of the ways in which programs do.
WAYS = """
#include <bits/stdc++.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
using namespace std;
#ifdef HUGE
char huge[1l << 30];
#endif
int f(int n) { volatile char a[999]; a[0] = n; return n ? f(n - 1) + a[0] : 0; }
int main() {
    string s;
    cin >> s;
    switch (s[0]) {
    case 'e': cout << s << "!"; cerr << "said"; return 3;
    case 'c': { int* volatile p = nullptr; return *p; }
    case 's': for (volatile long i = 0;; i++);
    case 'o': for (;;) puts("flood");
    case 'm': { vector<char> v(1 << 30, 1); return v[5]; }
    case 'd': return f(1e6);
    case 'a': abort();
    case 't': {
        vector<thread> threads;
        try { for (;;) threads.emplace_back([]{ for (;;) this_thread::yield(); }); } catch (system_error&) {}
        printf("%zu", threads.size());
        for (int i = 3; i < 4096; i++) if (fcntl(i, F_GETFD) >= 0) printf(" open: %d", i);
        fflush(stdout);
        _exit(0);
    }
    case 'i': {
        struct stat in;
        fstat(0, &in);
        rlimit cpu, size, stack;
        getrlimit(RLIMIT_CPU, &cpu), getrlimit(RLIMIT_FSIZE, &size), getrlimit(RLIMIT_STACK, &stack);
        cout << in.st_mode << " " << in.st_blksize << " " << cpu.rlim_cur << " " << size.rlim_cur << " "
             << stack.rlim_cur << " " << lseek(0, 0, SEEK_CUR) << " " << (void*) &huge_or_not << "\\n";
        for (char** each = environ; *each; each++) cout << *each << "\\n";
        return 0;
    }
    case 'k': cout << syscall(SYS_tgkill, getppid(), getppid(), SIGKILL) << syscall(SYS_tkill, getppid(), SIGKILL)
                   << syscall(SYS_kill, getppid(), SIGKILL) << syscall(SYS_kill, -1, SIGKILL); return 0;
    case 'l': { rlimit none{0, 0}; cout << prlimit(getppid(), RLIMIT_CPU, &none, nullptr); return 0; }
    case 'p': {
        string parent = "/proc/" + to_string(getppid());
        for (string name : {"/mem", "/maps", "/environ", "/fd/0", "/fd/60"})
            cout << (open((parent + name).c_str(), O_RDWR) >= 0) << (open((parent + name).c_str(), O_RDONLY) >= 0);
        return 0;
    }
    case 'w': { mutex m; m.lock(); m.lock(); }
    }
}
""".replace("&huge_or_not", "&environ")


@functools.cache
def _compiled(toolchain: Toolchain, *flags: str) -> bytes:
    compiled = toolchain.compile(WAYS, *flags)
    assert compiled.binary is not None, compiled.log
    return compiled.binary


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is logged of runs; other tests may have turned the package's log off."""
    lines: list[str] = []
    monkeypatch.setattr(native._log, "info", lambda text, *of: lines.append(text % of))
    return lines


def served(
    sandbox: Sandbox, toolchain: Toolchain, inputs: Sequence[bytes], *flags: str, limits: Limits = LIMITS
) -> list[Finished]:
    command = Command(["/w/program"], files={"/w/program": File(_compiled(toolchain, *flags), True)})
    return list(in_one_sandbox(command, inputs, limits, sandbox, toolchain))


def told(finished: Finished) -> tuple[object, ...]:
    said = finished.stderr.replace(b"prlimit: ", b"")
    limits = finished.wall_timeout, finished.cpu_limit, finished.stalled
    return finished.exit_code, finished.signal, finished.stdout, said, *limits


def alone(sandbox: Sandbox, toolchain: Toolchain, data: bytes, *flags: str) -> Finished:
    command = Command(["/w/program"], data, {"/w/program": File(_compiled(toolchain, *flags), True)})
    return sandbox.run(command, LIMITS, "payload")


def test_a_run_among_others_is_as_one_alone(mechanism: Sandbox, host_toolchain: Toolchain) -> None:
    inputs = [way.encode() for way in "ecsomdatie"]
    found = served(mechanism, host_toolchain, inputs)
    for data, finished in zip(inputs, found, strict=True):
        assert told(finished) == told(alone(mechanism, host_toolchain, data)), data


def test_a_program_that_does_not_start(mechanism: Sandbox, host_toolchain: Toolchain) -> None:
    for finished in served(mechanism, host_toolchain, [b"e", b"e"], "-DHUGE"):
        assert told(finished) == told(alone(mechanism, host_toolchain, b"e", "-DHUGE"))


def test_cpu_time_is_each_runs_own(mechanism: Sandbox, host_toolchain: Toolchain) -> None:
    first, spun, last = served(mechanism, host_toolchain, [b"e", b"s", b"e"])
    if spun.user_seconds is not None:  # not in a container
        assert 0.5 <= spun.user_seconds <= 2
        assert max(first.user_seconds or 0, last.user_seconds or 0) < 0.3


def test_what_serves_a_program_is_out_of_its_reach(
    mechanism: Sandbox, host_toolchain: Toolchain, said: list[str]
) -> None:
    signals, limits, files, after = served(mechanism, host_toolchain, [b"k", b"l", b"p", b"e"])
    assert said == [], "nothing has ended it"
    assert after.stdout == b"e!"
    if mechanism.name == "bubblewrap":
        assert (signals.stdout, limits.stdout, files.stdout) == (b"-1-1-1-1", b"-1", b"0" * 10)


def test_after_one_that_only_waits_the_others_go_on(sandbox: Sandbox, host_toolchain: Toolchain) -> None:
    before, waited, after = served(sandbox, host_toolchain, [b"e", b"w", b"e"])
    assert (before.stdout, after.stdout) == (b"e!", b"e!")
    assert (waited.wall_timeout, waited.stalled) == (True, True)


def test_what_may_reserve_any_addresses_may_not_fill_memory(
    mechanism: Sandbox, host_toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (process, container):
        monkeypatch.setattr(module, "RESIDENT_BYTES", 64 << 20)
    limits = LIMITS.model_copy(update={"memory_bytes": ALL_ADDRESSES})
    before, filled, after = served(mechanism, host_toolchain, [b"e", b"m", b"e"], limits=limits)
    assert (before.stdout, after.stdout) == (b"e!", b"e!")
    assert filled.signal == signal.SIGKILL
    assert mechanism.name == "container" or (filled.wall_timeout, filled.stalled) == (True, True)
    assert filled.wall_seconds < 10


def test_one_sandbox_serves_all(sandbox: Sandbox, host_toolchain: Toolchain) -> None:
    """Where bubblewrap is what is chosen; the others say that they do not."""
    server = host_toolchain.server()
    assert server is not None
    binary = _compiled(host_toolchain)
    command = Command(
        ["/w/server", "/w/program"], files={"/w/server": File(server, True), "/w/program": File(binary, True)}
    )
    try:
        with sandbox.serve(command, LIMITS, "payload") as process:
            process.send(process.child_filter)
            assert [process.run(b"e").stdout for _ in range(3)] == [b"e!"] * 3
    except NotServedError as error:
        assert sandbox.name != "bubblewrap", error


def test_where_the_server_ends_each_input_gets_a_sandbox(
    sandbox: Sandbox, host_toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    ends = host_toolchain.compile("int main() { return 1; }").binary
    monkeypatch.setattr(host_toolchain, "server", lambda: ends)
    found = served(sandbox, host_toolchain, [b"e", b"e"])
    assert [each.stdout for each in found] == [b"e!", b"e!"]
    if sandbox.name == "bubblewrap":
        assert len(said) == 1
        assert said[0].endswith("the program goes on with one sandbox for each input")


def test_without_a_static_library_each_input_gets_a_sandbox(sandbox: Sandbox, host_spec: EnvironmentSpec) -> None:
    spec = host_spec.toolchain.model_copy(update={"flags": (*host_spec.toolchain.flags, "-fsanitize=address")})
    toolchain = Toolchain(spec, host_spec.compile_limits, sandbox)
    assert toolchain.server() is None
