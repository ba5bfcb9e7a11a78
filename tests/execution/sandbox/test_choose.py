"""Which sandbox is chosen, and the folders of those that mount nothing."""

import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pie_bench.errors import UserError
from pie_bench.execution.environment import environment_names, load_environment_spec
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox import choose
from pie_bench.execution.sandbox import folder as folders
from pie_bench.execution.sandbox.folder import Folder
from pie_bench.execution.sandbox.sandbox import Command, File, SandboxError
from pie_bench.execution.sandbox.unsafe import UnsafeSandbox
from pie_bench.execution.toolchain import Toolchain
from tests.execution.sandbox.test_sandbox import LIMITS


def open_to_all(folder: Path) -> None:
    """An unprivileged user can run what is in a test's folder."""
    for path in (folder, *folder.parents):
        if Path(tempfile.gettempdir()) in path.parents:
            path.chmod(0o755)


def test_an_older_bubblewrap_suffices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ubuntu 22.04 has 0.6.1: without --size and --disable-userns."""
    older = tmp_path / "bwrap"
    older.write_text(
        "#!/bin/sh\n"
        'case "$*" in --help) /usr/bin/bwrap --help | grep -v -e --size -e userns; exit;; esac\n'
        'case " $* " in *" --size "*|*" --disable-userns "*) echo "bwrap: Unknown option" >&2; exit 1;; esac\n'
        'exec /usr/bin/bwrap "$@"\n'
    )
    older.chmod(0o755)
    open_to_all(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    old = choose.choose_sandbox("bubblewrap")
    script = "echo x > /tmp/x; cat /tmp/x; /usr/bin/unshare -U true && echo namespace"
    assert old.run(Command(["/bin/sh", "-c", script]), LIMITS, "compile").stdout == b"x\n"


def test_a_file_just_written_can_be_run_while_another_thread_starts_a_process(toolchain: Toolchain) -> None:
    """Executing a file fails with "text file busy" while a process, even one just forked, has it open for writing."""
    sandbox = UnsafeSandbox()  # the quickest to start, with the same folders as landlock
    command = Command(["/w/program"], files={"/w/program": File(toolchain.compile("int main() {}").binary, True)})
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: sandbox.run(command, LIMITS, "payload").exit_code, range(300)))
    assert set(codes) == {0}


def test_without_a_sandbox_there_is_a_remedy_and_no_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="bwrap not found; install it: sudo apt-get install bubblewrap"):
        choose.choose_sandbox("bubblewrap")
    probed = choose.probe_sandboxes()
    assert isinstance(probed["bubblewrap"], str)
    usable = [name for name, found in probed.items() if not isinstance(found, str)]
    if usable:
        assert choose.choose_sandbox().name == usable[0]
    monkeypatch.setattr(choose, "MECHANISMS", ("bubblewrap",))
    with pytest.raises(UserError, match="no usable sandbox: bubblewrap: bwrap not found"):
        choose.choose_sandbox()


def test_without_any_sandbox_only_an_explicitly_unsafe_one_is_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert choose.choose_sandbox(unsafe=True).name != "unsafe"  # where there is another
    monkeypatch.setattr(choose, "MECHANISMS", ())
    with pytest.raises(UserError, match="no usable sandbox"):
        choose.choose_sandbox()
    with pytest.raises(UserError, match="add --unsafe"):
        choose.choose_sandbox("unsafe")
    assert not capsys.readouterr().err
    unsafe = choose.choose_sandbox(unsafe=True)
    assert unsafe.name == "unsafe"
    assert capsys.readouterr().err.startswith("warning: UNSAFE")
    assert unsafe.run(Command(["/bin/cat"], b"input"), LIMITS, "payload").stdout == b"input"


def test_what_needs_mounts_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        UserError, match="environment gem5-skylake: the sandbox unsafe can only show this machine's root file system"
    ):
        build_roots("gem5-skylake", UnsafeSandbox())


def test_arguments_keep_their_length_and_quotes_their_meaning() -> None:
    folder = Folder(Path("/tmp/xy"))
    text = "g++ -ffile-prefix-map=/w/='/w/' /w/a.cpp -o /tmp/a && cat /tmp/a /usr/w/a"
    assert folder.inside(text) == "g++ -ffile-prefix-map=xy/='/w/' xy/a.cpp -o xy/t/a && cat xy/t/a /usr/w/a"


def test_what_a_killed_harness_left_is_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_LETTERS", "_")  # one name is left
    with folders.run_folder(Command([]), None, "payload") as mine:
        assert mine.path == Path("/tmp/__")
        with pytest.raises(SandboxError, match="remove some"), folders.run_folder(Command([]), None, "payload"):
            pass
        (mark,) = mine.path.glob(".pie_bench-*")
        gone = subprocess.run(["/bin/sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
        mark.rename(mark.with_name(f".pie_bench-{gone}"))
        with folders.run_folder(Command([]), None, "payload") as again:
            assert again.path == mine.path
    assert not mine.path.exists()


def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIE_BENCH_SANDBOX", "bublewrap")
    with pytest.raises(UserError, match="unknown sandbox 'bublewrap'; did you mean bubblewrap"):
        choose.choose_sandbox()


def test_a_sandbox_that_does_not_work_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    open_to_all(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(UserError, match="no usable sandbox: .*No permissions to create new namespace"):
        choose.choose_sandbox("bubblewrap")


@pytest.mark.parametrize("name", environment_names())
def test_the_wall_clock_is_a_backstop_only(name: str) -> None:
    spec = load_environment_spec(name)
    for limits in (spec.compile_limits, spec.native_limits, spec.simulator_limits):
        assert limits.wall_seconds >= 10 * limits.cpu_seconds
