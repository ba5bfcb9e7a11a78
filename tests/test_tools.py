"""The scripts in tools/."""

import subprocess
import sys
from pathlib import Path

import pytest

from pie_bench.data.pair import TestCase
from pie_bench.run.results import PairResult, SampleResult
from tests.report.test_table import RESULTS
from tools.comparators import shared_out


def run(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *arguments], cwd=root, capture_output=True, text=True, check=False)


def test_mini_is_what_its_sources_say(pytestconfig: pytest.Config) -> None:
    checked = run(pytestconfig.rootpath, "tools/mini/build.py", "--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_scatter_plot_says_how_far_apart_they_are(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    def sample(seconds: float) -> SampleResult:
        return SampleResult(outcome="ok", seconds=seconds, startup_seconds=0.1)

    pair = PairResult(
        pair_id="a-b",
        problem_id="p",
        source=sample(2.04),
        target=sample(1.0),
        recorded_source_seconds=2.0,
        recorded_target_seconds=1.0,
        samples=(sample(1.0),),
    )
    results = RESULTS.model_copy(update={"pairs": (pair,)})
    (tmp_path / "results.json").write_text(results.model_dump_json())
    drawn = run(pytestconfig.rootpath, "tools/plot_recorded.py", str(tmp_path), str(tmp_path / "x.png"))
    assert drawn.returncode == 0, drawn.stderr
    assert "mean speedup: measured 2.0400, recorded 2.0000 (+2.00%)" in drawn.stdout
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "results.json").write_text(RESULTS.model_dump_json())
    assert "no pair with recorded times" in run(pytestconfig.rootpath, "tools/plot_recorded.py", str(tmp_path)).stderr


@pytest.mark.parametrize(("programs", "each", "number"), [(3, 5, 5), (3, 1, 4), (20, 5, 5), (2, 0, 10), (1, 3, 10)])
def test_programs_share_out_all_tests(programs: int, each: int, number: int) -> None:
    """Each of ten tests is run by some program, and no program runs more than it must."""
    tests = [TestCase(str(n), b"", b"") for n in range(10)]
    shared = list(shared_out(tests, [f"p{n}" for n in range(programs)], each))
    assert [len(some) for _, some in shared] == [number] * programs
    assert {test.test_id for _, some in shared for test in some} == {test.test_id for test in tests}


NEEDED = ("bash", "dirname", "g++", "ldconfig", "grep", "env", "tail", "sha256sum", "cut", "cat")


@pytest.mark.parametrize("missing", ["apt-get", "root"])
def test_set_up_says_the_exact_command_where_it_may_not_install(
    pytestconfig: pytest.Config, tmp_path: Path, missing: str
) -> None:
    """A machine without bwrap, as a user who cannot become root: one message, the command, exit code 2."""
    tools = a_machine(tmp_path / "bin", *NEEDED)
    (tools / "python3").symlink_to(sys.executable)
    if missing == "root":
        executable(tools / "apt-get", "exit 1")
    done = set_up(pytestconfig.rootpath, tools)
    assert done.returncode == 2
    assert "missing Debian packages: bubblewrap" in done.stderr
    assert "sudo apt-get update && sudo apt-get install -y --no-install-recommends bubblewrap" in done.stderr


def test_set_up_for_lint_needs_no_compiler_and_no_browser(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """A machine with only a Python that lacks venv, like Debian's."""
    tools = a_machine(tmp_path / "bin", "bash", "dirname", "env", "cat")
    executable(tools / "python3", 'case "$2" in *ensurepip*) exit 1; esac')
    done = set_up(pytestconfig.rootpath, tools, "lint")
    assert done.returncode == 2
    assert "missing Debian packages: python3-venv\n" in done.stderr


def a_machine(tools: Path, *programs: str) -> Path:
    """A folder for PATH: a user who is not root, with these programs of this machine."""
    tools.mkdir()
    for name in programs:
        (tools / name).symlink_to(f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/sbin/{name}")
    executable(tools / "id", "echo 1000")
    return tools


def executable(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def set_up(root: Path, tools: Path, *extras: str) -> "subprocess.CompletedProcess[str]":
    command = ["bash", str(root / "tools" / "setup.sh"), *extras]
    return subprocess.run(command, env={"PATH": str(tools)}, capture_output=True, text=True, check=False)
