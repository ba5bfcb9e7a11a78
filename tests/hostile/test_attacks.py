"""Programs that attack: every sandbox of this machine stops each, and each is shown to work without one.

Without: in a namespace that is thrown away (own processes, network, names, shared memory; the host's files read-only),
so that a test that cannot fail would be noticed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pie_bench.execution.environment import Environment, EnvironmentSpec
from pie_bench.execution.native import in_one_sandbox, run_program
from pie_bench.execution.sandbox.sandbox import Command, File, Finished, Sandbox
from pie_bench.execution.toolchain import Toolchain

SECRET = "secret-of-the-host"
SOURCE = Path(__file__).with_name("attacks.cpp").read_text()
ATTACKS = re.findall(r'^    \{"([^"]+)", \[\]', SOURCE, re.MULTILINE)
# What the machine may refuse to everybody, sandbox or not: shown not to be reached, not shown to work.
NOT_SHOWN = {
    "network, virtual machine's host": "needs a kernel with vsock",
    "type into the terminal": "needs a terminal",
    "io_uring": "kernels may have it turned off",
    "bpf": "kernels may have it turned off",
    "userfaultfd": "kernels may have it turned off",
    "performance counters": "kernels may have it turned off",
    "the machine's memory": "kernels may have it turned off",
    "a file by its handle": "needs more rights than a container's root may have",
    "the core dump's handler": "/proc/sys is read-only in containers",
    "the kernel's settings": "/proc/sys is read-only in containers",
    "the kernel's log": "kernels may have it turned off",
    "leave a message queue": "kernels may have it turned off",
    "trace the parent": "the throw-away namespace's first process is no ordinary one",
    "read the harness's memory map": "the throw-away namespace's first process is no ordinary one",
    "read another's memory": "the throw-away namespace's first process is no ordinary one",
}

# What a mechanism does not stop; docs/security.md says why that is harmless.
LET_THROUGH = {("container", "another personality")}


@pytest.fixture(scope="module")
def binary(host_toolchain: Toolchain) -> bytes:
    compiled = host_toolchain.compile(SOURCE)
    assert compiled.binary is not None, compiled.log
    return compiled.binary


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("secret") / "answers.txt"
    path.write_text(SECRET)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PIE_TEST_KEY", SECRET)
        bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", SECRET])
        yield path
        bystander.kill()
        bystander.wait()


def attacked(
    sandbox: Sandbox, host_spec: EnvironmentSpec, host_toolchain: Toolchain, binary: bytes, attack: str, secret: Path
) -> list[Finished]:
    """How it ends when judged on its tests, attacking on each of them."""
    command = Command(["/w/program", attack, str(secret)], files={"/w/program": File(binary, True)})
    return list(in_one_sandbox(command, [b"1\n", b"1\n"], host_spec.native_limits, sandbox, host_toolchain))


def attacked_in_emulator(sandbox: Sandbox, foreign: Environment, binary: bytes, attack: str, secret: Path) -> Finished:
    """How it ends when judged in an environment for another processor; `binary` is for that."""
    return run_program(binary, f"{attack}\n{secret}\n".encode(), foreign, sandbox)


def test_there_are_enough_and_the_table_has_them_all(
    binary: bytes, sandbox: Sandbox, host_spec: EnvironmentSpec
) -> None:
    listed = sandbox.run(
        Command(["/w/program"], b"", {"/w/program": File(binary, True)}), host_spec.native_limits, "payload"
    )
    assert sorted(listed.stdout.decode().splitlines()) == sorted(ATTACKS)
    assert len(ATTACKS) >= 40


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_stopped(
    mechanism: Sandbox, host_spec: EnvironmentSpec, host_toolchain: Toolchain, binary: bytes, secret: Path, attack: str
) -> None:
    for finished in attacked(mechanism, host_spec, host_toolchain, binary, attack, secret):
        reached = b"REACHED" in finished.stdout
        assert reached == ((mechanism.name, attack) in LET_THROUGH), finished


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_stopped_once_it_has_the_emulator(
    mechanism: Sandbox, host_spec: EnvironmentSpec, binary: bytes, secret: Path, attack: str
) -> None:
    """A program for another processor shares its addresses with QEMU, and nothing watches it while it runs natively: it
    may as well be a program of this machine, with what QEMU may do."""
    command = Command(["/w/program", attack, str(secret)], files={"/w/program": File(binary, True)})
    finished = mechanism.run(command, host_spec.native_limits, "emulated")
    assert (b"REACHED" in finished.stdout) == ((mechanism.name, attack) in LET_THROUGH), finished


@pytest.fixture(scope="module")
def foreign_binary(foreign: Environment, sandbox: Sandbox) -> bytes:
    compiled = Toolchain(foreign.spec.toolchain, foreign.spec.compile_limits, sandbox, foreign.root).compile(SOURCE)
    assert compiled.binary is not None, compiled.log
    return compiled.binary


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_stopped_on_another_processor(
    mechanism: Sandbox, foreign: Environment, foreign_binary: bytes, secret: Path, attack: str
) -> None:
    finished = attacked_in_emulator(mechanism, foreign, foreign_binary, attack, secret)
    assert (b"REACHED" in finished.stdout) == ((mechanism.name, attack) in LET_THROUGH), finished
    assert finished.stdout or finished.stderr or finished.signal, finished  # it did run


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("bwrap"), reason="needs root, to throw the namespace away")
@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack not in NOT_SHOWN])
def test_it_works_without_a_sandbox(binary: bytes, secret: Path, tmp_path: Path, attack: str) -> None:
    program = tmp_path / "program"
    program.write_bytes(binary)
    program.chmod(0o755)
    throwaway = "bwrap --ro-bind / / --dev-bind /dev /dev --proc /proc --tmpfs /tmp --tmpfs /dev/shm"
    options = (
        "--unshare-pid --unshare-net --unshare-ipc --unshare-uts --die-with-parent --cap-add ALL --chdir /tmp".split()
    )
    files = ["--dir", "/tmp/w", "--bind", str(tmp_path), "/tmp/w", "--ro-bind", str(secret.parent), "/tmp/s"]
    line = [*throwaway.split(), *options, *files, "/bin/sh", "-c", '"$0" "$@"; exit $?', "/tmp/w/program", attack]
    finished = subprocess.run([*line, "/tmp/s/answers.txt", SECRET], capture_output=True, timeout=60, check=False)
    assert b"REACHED" in finished.stdout, finished


# name: (program, whether it may compile: what it asks for is then empty, or nothing in it)
COMPILE_TIME = {
    "a secret in the binary": ('asm(".section .rodata\\n.incbin \\"%s\\"");\nint main() {}', False),
    "a secret included": ('#include "%s"\nint main() {}', False),
    "a secret in a diagnostic": ('#include "%s"\n#error\nint main() {}', False),
    "the compiler's environment included": ('#include "/proc/self/environ"\nint main() {}', True),
    "another's environment included": ('#include "/proc/1/environ"\nint main() {}', True),
    "the password file included": ('#include "/etc/passwd"\nint main() {}', False),
    "templates without end": ("template <int n> struct A { A<n + 1> a; }; A<0> a; int main() {}", False),
    "a macro that doubles": (
        "#define A(x) x x x x x x x x x x x x x x x x\n#define B A(A(A(A(A(A(A(;)))))))\nint main() { B }",
        False,
    ),
    "a gigabyte of diagnostics": (
        "#define E x;\n#define A E E E E E E E E E E\n#define B A A A A A A A A A A\n#define C B B B B B B B B B B\n"
        "#define D C C C C C C C C C C\nint main() { D D D }",
        False,
    ),
    "a terabyte of data": ("char a[1l << 40] = {1}; int main() { return a[5]; }", False),
    "a device as a header": ('#include "/dev/zero"\nint main() {}', False),
}


@pytest.mark.parametrize("attack", COMPILE_TIME)
def test_compiling_is_running_foreign_input(
    mechanism: Sandbox, host_spec: EnvironmentSpec, secret: Path, attack: str
) -> None:
    code, may_compile = COMPILE_TIME[attack]
    limits = host_spec.compile_limits.model_copy(update={"cpu_seconds": 5, "memory_bytes": 1 << 30})
    compiled = Toolchain(host_spec.toolchain, limits, mechanism).compile(code.replace("%s", str(secret)))
    assert compiled.binary is None or may_compile
    assert SECRET.encode() not in (compiled.binary or b"")
    assert len(compiled.log) < 10_000
    assert SECRET not in compiled.log
    assert "root:" not in compiled.log
    assert "PIE_TEST_KEY" not in compiled.log


def test_the_documentation_lists_them_all(pytestconfig: pytest.Config) -> None:
    text = (pytestconfig.rootpath / "docs" / "security.md").read_text()
    table = text[text.index("\n## Attacks\n") :]
    assert re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[2 : 2 + len(ATTACKS)] == ATTACKS
    for attack in COMPILE_TIME:
        assert f"- {attack}" in text


def test_the_table_of_the_documentation_can_be_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sandbox: Sandbox
) -> None:
    from tests.hostile import __main__ as table

    monkeypatch.setattr(table, "ATTACKS", ["fork"])
    monkeypatch.setattr(table, "probe_sandboxes", lambda: {"bubblewrap": sandbox, "landlock": "", "container": ""})
    table.main()
    assert capsys.readouterr().out.splitlines()[-1].startswith("| fork | Operation not permitted | not tried |")
