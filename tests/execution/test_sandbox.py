"""What a program can and cannot do in a sandbox, in each that works here. Every program here really runs."""

import functools
import gc
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pie_bench.cli.environment import build_root_of
from pie_bench.errors import UserError
from pie_bench.execution.environment import EnvironmentSpec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.sandbox import choose
from pie_bench.execution.sandbox import folder as folders
from pie_bench.execution.sandbox.bubblewrap import BubblewrapSandbox
from pie_bench.execution.sandbox.cgroups import find_cgroups
from pie_bench.execution.sandbox.folder import Folder
from pie_bench.execution.sandbox.sandbox import REPORT_PATH, Command, File, Finished, Limits, Sandbox, SandboxError
from pie_bench.execution.sandbox.unsafe import UnsafeSandbox
from pie_bench.execution.simulators.cachegrind import CachegrindSimulator
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


@pytest.fixture(scope="module", params=list(choose.MECHANISMS))
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Every mechanism that works on this machine."""
    found = choose.probe_sandbox(request.param)
    if isinstance(found, str):
        pytest.skip(f"{request.param}: {found}")
    return found


@pytest.fixture(scope="module")
def compiled(spec: EnvironmentSpec):
    """Compiles a program, once for all mechanisms."""
    return functools.cache(Toolchain(spec.toolchain, spec.compile_limits, choose.choose_sandbox()).compile)


@pytest.fixture
def run(sandbox: Sandbox, compiled):
    """Compiles a program and runs it as a payload."""

    def run(code: str, stdin: bytes = b"", limits: Limits = LIMITS) -> Finished:
        program = compiled("#include <bits/stdc++.h>\nusing namespace std;\n" + code)
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


def test_it_is_nobody_and_alone(sandbox: Sandbox) -> None:
    look = "for i in 0 1 2 3 4 5 6 7 8 9; do test -e /proc/self/fd/$i && echo $i; done"
    seen = shell(sandbox, f"id -u; ls /proc | grep -c '^[0-9]'; {look}; cat /proc/sys/kernel/hostname")
    uid, processes, *descriptors = seen.stdout.decode().split()
    assert int(processes) <= 6
    assert descriptors[:3] == ["0", "1", "2"]
    assert descriptors[3:] == (["sandbox"] if sandbox.name != "landlock" else [])
    assert (uid == "65534") if sandbox.name != "landlock" else (uid not in ("0", "65534") or os.geteuid() != 0)
    assert shell(sandbox, f"kill -0 {os.getpid()} || kill -0 {os.getppid()}").exit_code != 0


def test_nothing_is_left_running(sandbox: Sandbox) -> None:
    shell(sandbox, "setsid sh -c 'sleep 86123 & setsid sleep 86123' & sleep 86123 &")
    assert subprocess.run(["pgrep", "-f", "sleep 8612[3]"], check=False).returncode == 1


def test_a_compilers_processes_are_limited_together(sandbox: Sandbox) -> None:
    groups = find_cgroups()
    if isinstance(groups, str):
        pytest.skip(f"no control groups: {groups}")
    hog = "(x=$(head -c 60000000 /dev/zero | tr '\\0' a); sleep 1; echo had it)"
    limits = LIMITS.model_copy(update={"memory_bytes": 128 << 20})
    one = sandbox.run(Command(["/bin/sh", "-c", hog]), limits, "compile")
    four = sandbox.run(Command(["/bin/sh", "-c", " & ".join([hog] * 4) + "; wait"]), limits, "compile")
    assert one.stdout == b"had it\n"
    assert four.stdout.count(b"had it") < 4
    assert not [left for parent in groups.parents.values() for left in parent.glob(f"pie_bench-{os.getpid()}-*")]


def test_the_harness_environment_is_out_of_reach(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-test")
    seen = shell(sandbox, "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'", environment={"PATH": "/usr/bin"})
    assert b"sk-secret" not in seen.stdout
    assert b"PATH=/usr/bin" in seen.stdout


def test_no_network_no_tracing_no_namespaces(sandbox: Sandbox, run) -> None:
    code = """
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


def test_threads_work(run) -> None:
    assert run("int main(){ int x = 0; thread t([&]{ x = 7; }); t.join(); cout << x; }").stdout == b"7"


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


def test_a_program_has_nothing_to_write_to(run) -> None:
    code = (
        'int main(){ for (auto f : {"x", "/tmp/x", "/dev/shm/x", "/w/x", "/x"}) cout << (fopen(f, "w") != nullptr); }'
    )
    assert run(code).stdout == b"00000"


def test_an_older_bubblewrap_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ubuntu 22.04 has 0.6.1: without --size and --disable-userns."""
    older = tmp_path / "bwrap"
    older.write_text(
        "#!/bin/sh\n"
        'case "$*" in --help) /usr/bin/bwrap --help | grep -v -e --size -e userns; exit;; esac\n'
        'case " $* " in *" --size "*|*" --disable-userns "*) echo "bwrap: Unknown option" >&2; exit 1;; esac\n'
        'exec /usr/bin/bwrap "$@"\n'
    )
    older.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # it is started by a user without rights
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    old = choose.choose_sandbox("bubblewrap")
    script = "echo x > /tmp/x; cat /tmp/x; /usr/bin/unshare -U true && echo namespace"
    assert shell(old, script).stdout == b"x\n"


def test_a_command_that_cannot_start_is_our_error(sandbox: Sandbox) -> None:
    missing = sandbox.run(Command(["/w/missing"]), LIMITS, "payload")
    assert missing.exit_code == 127
    with pytest.raises(SandboxError, match="bubblewrap could not run the command|in /w only"):
        sandbox.run(Command(["/bin/true"], files={"/proc/x": File(b"")}), LIMITS, "payload")


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


def test_what_one_thread_writes_can_be_run_while_another_starts_a_process(compiled) -> None:
    """A file that a process, or one forked at that moment, has open for writing is refused as "text file busy"."""
    sandbox = UnsafeSandbox()  # the quickest to start, and with the same folders as landlock
    command = Command(["/w/program"], files={"/w/program": File(compiled("int main() {}").binary, True)})
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: sandbox.run(command, LIMITS, "payload").exit_code, range(300)))
    assert set(codes) == {0}


def test_no_descriptor_is_left_open(sandbox: Sandbox) -> None:
    def after_three() -> int:
        for _ in range(3):
            sandbox.run(Command(["/bin/true"], files={"/w/x": File(b"x")}), LIMITS, "payload")
        gc.collect()  # the Docker SDK leaves connections to it
        return len(list(Path("/proc/self/fd").iterdir()))

    assert after_three() >= after_three()


def test_without_a_sandbox_there_is_a_remedy_and_no_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="bwrap not found; install it: sudo apt-get install bubblewrap"):
        choose.choose_sandbox("bubblewrap")
    probed = choose.probe_sandboxes()
    assert isinstance(probed["bubblewrap"], str)
    usable = [name for name, found in probed.items() if not isinstance(found, str)]
    if usable:
        assert choose.choose_sandbox().name == usable[0]
    monkeypatch.setattr(choose, "MECHANISMS", {"bubblewrap": BubblewrapSandbox})
    with pytest.raises(UserError, match="no usable sandbox: bubblewrap: bwrap not found"):
        choose.choose_sandbox()


def test_without_any_only_what_is_said_to_be_unsafe_is_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert choose.choose_sandbox(unsafe=True).name != "unsafe"  # where there is another
    monkeypatch.setattr(choose, "MECHANISMS", {})
    with pytest.raises(UserError, match="no usable sandbox"):
        choose.choose_sandbox()
    with pytest.raises(UserError, match="give --unsafe too"):
        choose.choose_sandbox("unsafe")
    assert not capsys.readouterr().err
    unsafe = choose.choose_sandbox(unsafe=True)
    assert unsafe.name == "unsafe"
    assert capsys.readouterr().err.startswith("warning: UNSAFE")
    assert unsafe.run(Command(["/bin/cat"], b"input"), LIMITS, "payload").stdout == b"input"


def test_what_needs_mounts_is_refused_with_the_remedy(spec: EnvironmentSpec, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="use --environment cachegrind-host, or install bubblewrap"):
        UnsafeSandbox().run(Command(["/bin/true"], root=tmp_path), LIMITS, "payload")
    with pytest.raises(UserError, match="environment cachegrind: the sandbox unsafe shows no root file system"):
        build_root_of("cachegrind", UnsafeSandbox())


def test_arguments_keep_their_length_and_quotes_their_meaning() -> None:
    folder = Folder(Path("/tmp/xy"))
    text = "g++ -ffile-prefix-map=/w/='/w/' /w/a.cpp -o /tmp/a && cat /tmp/a /usr/w/a"
    assert folder.inside(text) == "g++ -ffile-prefix-map=xy/='/w/' xy/a.cpp -o xy/t/a && cat xy/t/a /usr/w/a"


def test_what_a_killed_harness_left_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_LETTERS", "_")  # one name is left
    with folders.run_folder(Command([]), None) as mine:
        assert mine.path == Path("/tmp/__")
        with pytest.raises(SandboxError, match="remove some"), folders.run_folder(Command([]), None):
            pass
        (mark,) = mine.path.glob(".pie_bench-*")
        gone = subprocess.run(["/bin/sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
        mark.rename(mark.with_name(f".pie_bench-{gone}"))
        with folders.run_folder(Command([]), None) as again:
            assert again.path == mine.path
    assert not mine.path.exists()


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIE_BENCH_SANDBOX", "bublewrap")
    with pytest.raises(UserError, match="unknown sandbox 'bublewrap'; did you mean bubblewrap"):
        choose.choose_sandbox()


def test_a_sandbox_that_does_not_work_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # it is started by a user without rights
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(UserError, match="no usable sandbox: .*No permissions to create new namespace"):
        choose.choose_sandbox("bubblewrap")


def test_the_limits_of_an_environment_are_checked(spec: EnvironmentSpec) -> None:
    assert spec.native_limits.wall_seconds >= 10 * spec.native_limits.cpu_seconds
    assert isinstance(choose.choose_sandbox(), BubblewrapSandbox)


def test_every_sandbox_compiles_and_counts_alike(spec: EnvironmentSpec, sandbox: Sandbox, compiled) -> None:
    code = """#include <cassert>
    #include <iostream>
    int main(int argc, char** argv) {
        int n;
        assert(std::cin >> n);
        for (volatile int i = 0; i < n; i++);
        std::cout << __FILE__ << argv[0][0] - argv[0][0] << std::endl;
    }"""
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox)
    here = toolchain.compile(code)
    assert here == compiled(code)
    assert toolchain.compile("int main() { return x; }") == compiled("int main() { return x; }")
    assert here.binary is not None
    environment = open_environment(spec, sandbox)
    reference = CachegrindSimulator(environment, choose.choose_sandbox())
    inputs = [b"10\n", b"1000\n", b"x"]
    expected = list(reference.measure(here.binary, inputs))
    assert [measurement.outcome for measurement in expected] == ["ok", "ok", "runtime_error"]
    for fork in (False, True):
        assert list(CachegrindSimulator(environment, sandbox, fork).measure(here.binary, inputs)) == expected
