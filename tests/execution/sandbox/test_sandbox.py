"""What a program can and cannot do in each sandbox that works here. Every program really runs."""

import functools
import gc
import os
import resource
import subprocess
import threading
from pathlib import Path

import pytest

from pie_bench.execution.environment import EnvironmentSpec
from pie_bench.execution.sandbox import choose
from pie_bench.execution.sandbox.cgroups import find_cgroups
from pie_bench.execution.sandbox.sandbox import REPORT_PATH, Command, File, Finished, Limits, Sandbox, SandboxError
from pie_bench.execution.toolchain import Toolchain

LIMITS = Limits(
    cpu_seconds=2,
    wall_seconds=30,
    memory_bytes=256 << 20,
    output_bytes=1 << 20,
    stack_bytes=8 << 20,
    processes=16,
    tmp_bytes=1 << 20,
)
HEAD = "".join(f"#include <{name}>\n" for name in ("csignal", "cstdio", "iostream", "string", "vector"))
HEAD += "using namespace std;\n"


@pytest.fixture(scope="module")
def sandbox(mechanism: Sandbox) -> Sandbox:
    """Every mechanism that works on this machine."""
    return mechanism


@pytest.fixture(scope="module")
def compiled(host_spec: EnvironmentSpec):
    """Compiles a program, once for all mechanisms."""
    return functools.cache(Toolchain(host_spec.toolchain, host_spec.compile_limits, choose.choose_sandbox()).compile)


@pytest.fixture
def run(sandbox: Sandbox, compiled):
    """Compiles a program and runs it as a payload."""

    def run(code: str, stdin: bytes = b"", limits: Limits = LIMITS) -> Finished:
        program = compiled(HEAD + code)
        assert program.binary is not None, program.log
        return sandbox.run(
            Command(["/w/program"], stdin, {"/w/program": File(program.binary, True)}), limits, "payload"
        )

    return run


def shell(sandbox: Sandbox, script: str, **options: object) -> Finished:
    return sandbox.run(Command(["/bin/sh", "-c", script], **options), LIMITS, "compile")  # type: ignore[arg-type]


def test_input_output_exit_code_and_signal(run) -> None:
    echo = run('int main(){ string s; cin >> s; cout << s << "!"; cerr << "e"; return 3; }', b"hello\n")
    assert (echo.stdout, echo.stderr, echo.exit_code, echo.signal) == (b"hello!", b"e", 3, None)
    crashed = run("int main(){ int* volatile p = nullptr; return *p; }")
    assert (crashed.exit_code, crashed.signal) == (None, 11)


def test_it_sees_only_usr_and_what_it_was_given(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "expected_output"
    secret.write_text("42")
    secret.chmod(0o644)
    seen = shell(sandbox, "ls /w/; cat /w/given; cat /etc/passwd", files={"/w/given": File(b"input")})
    assert [x for x in seen.stdout.decode().split() if x != "t"] == ["given", "input"]
    if sandbox.name == "bubblewrap":
        assert shell(sandbox, "ls /").stdout.decode().split() == "bin dev lib lib64 proc tmp usr w".split()
    assert shell(sandbox, f"cat {secret}").exit_code != 0
    assert shell(sandbox, f"ls {tmp_path} || ls /etc/apt || ls /usr/../home || ls /root").stdout == b""
    assert shell(sandbox, "echo x > /w/new || echo x > /usr/new || echo x > /new || echo x > /dev/new").exit_code != 0
    assert shell(sandbox, "echo x > /w/given", files={"/w/given": File(b"input")}).exit_code != 0


def test_it_runs_as_nobody_and_alone(sandbox: Sandbox) -> None:
    look = "for i in 0 1 2 3 4 5 6 7 8 9; do test -e /proc/self/fd/$i && echo $i; done"
    seen = shell(sandbox, f"id -u; ls /proc | grep -c '^[0-9]'; {look}; cat /proc/sys/kernel/hostname")
    uid, processes, *descriptors = seen.stdout.decode().split()
    assert int(processes) <= 6
    assert descriptors[:3] == ["0", "1", "2"]
    assert descriptors[3:] == (["sandbox"] if sandbox.name != "landlock" else [])
    assert (uid == "65534") if sandbox.name != "landlock" else (uid not in ("0", "65534") or os.geteuid() != 0)
    assert shell(sandbox, f"kill -0 {os.getpid()}").exit_code != 0


def test_nothing_is_left_running(sandbox: Sandbox) -> None:
    shell(sandbox, "setsid sh -c 'sleep 86123 & setsid sleep 86123' & sleep 86123 &")
    assert subprocess.run(["pgrep", "-f", "sleep 8612[3]"], check=False).returncode == 1


def test_a_compilers_processes_are_limited_together(sandbox: Sandbox) -> None:
    groups = find_cgroups()
    if isinstance(groups, str):
        pytest.skip(f"no control groups: {groups}")
    hog = "(head -c 60000000 /dev/zero | tail -c 60000000 | { sleep 2; wc -c; })"  # tail holds all of it
    # Enough processes, and enough memory for each: only the total is too much.
    limits = LIMITS.model_copy(update={"memory_bytes": 128 << 20, "processes": 64})
    one = sandbox.run(Command(["/bin/sh", "-c", hog]), limits, "compile")
    four = sandbox.run(Command(["/bin/sh", "-c", " & ".join([hog] * 4) + "; wait"]), limits, "compile")
    assert one.stdout == b"60000000\n"
    assert four.stdout.count(b"60000000") < 4
    assert not [left for parent in groups.parents.values() for left in parent.glob(f"pie_bench-{os.getpid()}-*")]


def test_the_harness_environment_is_out_of_reach(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-test")
    seen = shell(sandbox, "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'", environment={"PATH": "/usr/bin"})
    assert b"sk-secret" not in seen.stdout
    assert b"PATH=/usr/bin" in seen.stdout


def test_no_network_no_tracing_no_namespaces(sandbox: Sandbox, run) -> None:
    code = """
    #include <chrono>
    #include <sys/socket.h>
    #include <sys/ptrace.h>
    #include <sched.h>
    #include <unistd.h>
    int main(){
        printf("%d %d", socket(AF_INET, SOCK_STREAM, 0), socket(40, SOCK_STREAM, 0));
        printf(" %ld %d", ptrace(PTRACE_TRACEME, 0, 0, 0), unshare(CLONE_NEWUSER));
        printf(" %d", fork());
        auto start = chrono::steady_clock::now();
        sleep(20);
        printf(" %d", chrono::steady_clock::now() - start < chrono::seconds(10));
    }"""
    assert run(code).stdout == b"-1 -1 -1 -1 -1 1"
    while_compiling = shell(sandbox, "unshare -U true; python3 -c 'import socket; socket.socket()'")
    assert while_compiling.exit_code != 0


def test_a_variable_can_name_a_file_that_was_given(sandbox: Sandbox, compiled) -> None:
    code = '#include <cstdio>\n__attribute__((constructor)) static void loaded() { std::puts("loaded"); }'
    library = compiled(code, "-shared", "-fPIC").binary
    program = compiled('#include <cstdio>\nint main() { std::puts("main"); }').binary
    files = {"/w/library.so": File(library, True), "/w/program": File(program, True)}
    command = Command(["/w/program"], files=files, environment={"LD_PRELOAD": "/w/library.so"})
    assert sandbox.run(command, LIMITS, "payload").stdout.endswith(b"loaded\nmain\n")


def test_threads_work(run) -> None:
    assert (
        run("#include <thread>\nint main(){ int x = 0; thread t([&]{ x = 7; }); t.join(); cout << x; }").stdout == b"7"
    )


def test_as_many_threads_everywhere_and_no_descriptor_of_ours(run) -> None:
    code = """
    #include <fcntl.h>
    #include <thread>
    #include <unistd.h>
    int main(){
        vector<thread> threads;
        try { for (;;) threads.emplace_back([]{ for (;;) this_thread::yield(); }); } catch (system_error&) {}
        printf("%zu", threads.size());
        for (int i = 3; i < 4096; i++) if (fcntl(i, F_GETFD) >= 0) printf(" open: %d", i);
        fflush(stdout);
        _exit(0);
    }"""
    limits = LIMITS.model_copy(update={"memory_bytes": 1 << 30})
    assert run(code, limits=limits).stdout == b"%d" % (LIMITS.processes - 2)


def test_limits(run) -> None:
    spin = run("int main(){ for (volatile long i = 0;; i++); }")
    assert (spin.signal, spin.cpu_limit, spin.wall_timeout) == (24, True, False)
    stubborn = run("int main(){ signal(SIGXCPU, SIG_IGN); for (volatile long i = 0;; i++); }")
    assert (stubborn.signal, stubborn.cpu_limit) == (9, True)
    flood = run('int main(){ for (;;) puts("flood"); }')
    assert (flood.signal, flood.cpu_limit) == (25, False)
    assert len(flood.stdout) == LIMITS.output_bytes
    greedy = run("int main(){ vector<char> v(1 << 30, 1); cout << v[5]; }")
    assert greedy.exit_code is None
    assert b"bad_alloc" in greedy.stderr
    deep = run("int f(int n){ volatile char a[999]; a[0] = n; return n ? f(n - 1) + a[0] : 0; }\nint main(){ f(1e6); }")
    assert deep.signal == 11


def test_wall_clock_is_a_backstop(sandbox: Sandbox) -> None:
    limits = LIMITS.model_copy(update={"wall_seconds": 1})
    slept = sandbox.run(Command(["/bin/sh", "-c", "sleep 30 & sleep 30"]), limits, "compile")
    assert slept.wall_timeout
    assert slept.wall_seconds < 20


def test_the_temporary_folder_is_small_and_the_report_comes_back(sandbox: Sandbox) -> None:
    filled = shell(sandbox, "head -c 3000000 /dev/zero > /tmp/x; stat -c %s /tmp/x")
    assert int(filled.stdout) <= LIMITS.tmp_bytes
    reported = sandbox.run(Command(["/bin/sh", "-c", 'echo counts > "$0"', REPORT_PATH]), LIMITS, "simulator")
    assert reported.report == b"counts\n"


def test_a_program_can_write_nowhere(run) -> None:
    code = (
        'int main(){ for (auto f : {"x", "/tmp/x", "/dev/shm/x", "/w/x", "/x"}) cout << (fopen(f, "w") != nullptr); }'
    )
    assert run(code).stdout == b"00000"


def test_a_command_that_cannot_start_is_our_error(sandbox: Sandbox) -> None:
    missing = sandbox.run(Command(["/w/missing"]), LIMITS, "payload")
    assert missing.exit_code == 127
    with pytest.raises(SandboxError, match="bubblewrap could not run the command|placed in /w"):
        sandbox.run(Command(["/bin/true"], files={"/proc/x": File(b"")}), LIMITS, "payload")


def test_what_a_simulated_program_writes_vanishes_with_it(sandbox: Sandbox, compiled) -> None:
    """A simulator may have a folder for temporary files; the next program must not find anything left there."""
    name = f"/tmp/pie_bench-test-{os.getpid()}"
    code = f"""#include <cstdio>
    #include <fcntl.h>
    #include <signal.h>
    #include <unistd.h>
    #include <sys/stat.h>
    int main() {{
        printf("%d", open("{name}", O_RDONLY) >= 0);
        int made = open("{name}", O_CREAT | O_EXCL | O_WRONLY, 0666);
        write(made, "state", 5);
        open("{name}", O_CREAT | O_WRONLY, 0666);
        mknod("{name}", S_IFREG | 0666, 0);
        kill({os.getpid()}, SIGTERM);
        printf("%d", fork() >= 0);
    }}"""
    command = Command(["/w/program"], files={"/w/program": File(compiled(code).binary, True)})
    for _ in range(2):
        assert sandbox.run(command, LIMITS, "simulator").stdout == b"00"
    assert not Path(name).exists()


def test_many_threads_can_run_at_once(sandbox: Sandbox) -> None:
    outputs: dict[int, bytes] = {}

    def work(index: int) -> None:
        outputs[index] = sandbox.run(Command(["/bin/cat"], str(index).encode() * 70000), LIMITS, "payload").stdout

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {index: str(index).encode() * 70000 for index in range(8)}


def test_no_descriptor_is_left_open(sandbox: Sandbox) -> None:
    def after_three() -> int:
        for _ in range(3):
            sandbox.run(Command(["/bin/true"], files={"/w/x": File(b"x")}), LIMITS, "payload")
        gc.collect()  # the Docker SDK leaves connections to it
        return len(list(Path("/proc/self/fd").iterdir()))

    counts = [after_three() for _ in range(6)]  # the SDK opens some more at first, and closes them again
    assert counts[-1] <= counts[0], counts


def test_every_sandbox_compiles_alike(host_spec: EnvironmentSpec, sandbox: Sandbox, compiled) -> None:
    code = """#include <cassert>
    #include <iostream>
    int main(int argc, char** argv) {
        int n;
        assert(std::cin >> n);
        for (volatile int i = 0; i < n; i++);
        std::cout << __FILE__ << argv[0][0] - argv[0][0] << std::endl;
    }"""
    toolchain = Toolchain(host_spec.toolchain, host_spec.compile_limits, sandbox)
    here = toolchain.compile(code)
    assert here == compiled(code)
    assert toolchain.compile("int main() { return x; }") == compiled("int main() { return x; }")
    assert here.binary is not None


def test_cpu_time_counts_as_that_of_our_children(sandbox: Sandbox, compiled) -> None:
    if not sandbox.accounts_cpu:
        pytest.skip(f"{sandbox.name}: what runs in it is a daemon's")

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    program = compiled("#include <ctime>\nint main() { while (clock() < CLOCKS_PER_SEC / 2) {} }").binary
    before = used()
    finished = sandbox.run(Command(["/w/program"], b"", {"/w/program": File(program, True)}), LIMITS, "payload")
    assert finished.exit_code == 0
    assert 0.5 <= used() - before < 3
