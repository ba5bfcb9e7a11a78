"""Nothing of a candidate remains, neither after its run nor after the harness was killed during it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pie_bench.data.load import PairDataset
from pie_bench.execution.sandbox.cgroups import find_cgroups
from pie_bench.execution.sandbox.choose import probe_sandbox
from pie_bench.execution.sandbox.sweep import sweep

# Runs until killed and tries to leave something behind. The sandbox ends it before any limit would.
CLINGING = """```cpp
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>
int main() {
    for (int s = 1; s < 32; s++) signal(s, SIG_IGN);
    if (fork() == 0) setsid();
    shm_open("/pie_bench_left", O_CREAT | O_RDWR, 0600); shmget(0x706965, 4096, IPC_CREAT | 0600);
    for (const char* f : {"/tmp/pie_bench_left", "/dev/shm/pie_bench_left", "/var/tmp/pie_bench_left"}) fopen(f, "w");
    for (volatile long i = 0;; i = i + 1);
}
```"""


def programs(harness: int) -> set[int]:
    """Processes below a harness that run a candidate: their command line says so."""
    parents: dict[int, int] = {}
    lines: dict[int, list[bytes]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            lines[int(folder.name)] = (folder / "cmdline").read_bytes().split(b"\0")
    below = {harness}
    while more := {process for process, parent in parents.items() if parent in below} - below:
        below |= more
    return {
        process
        for process in below & lines.keys()
        if lines[process][0] == b"bwrap" or any(re.fullmatch(rb"(/w|\w\w)/program", word) for word in lines[process])
    }


def alive(process: int) -> bool:
    """Still running: neither gone nor an unreaped zombie."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def things(harness: int) -> set[str]:
    """Mounts, shared memory, temporary files and control groups of this machine that could belong to its candidates."""
    named = re.compile(rf"pie_bench-{harness}-.*|.*pie_bench_left")
    folders = [folder for folder in map(Path, ("/dev/shm", "/tmp", "/var/tmp")) if folder.is_dir()]
    found = {str(path) for folder in folders for path in folder.iterdir() if named.fullmatch(path.name)}
    for folder in (path for path in Path("/tmp").glob("??") if re.fullmatch("[A-Za-z0-9]{2}", path.name)):
        marks = {mark.name for mark in folder.glob(".pie_bench-*")}
        if not marks or f".pie_bench-{harness}" in marks:  # another's has another mark
            found.add(str(folder))
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    found |= {
        f"mount {line}" for line in mounts if not re.search(r"/(overlay2?|containers|netns)/", line)
    }  # a daemon's
    found |= {f"shm {line.split()[0]}" for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}
    groups = find_cgroups()
    if not isinstance(groups, str):
        found |= {str(path) for parent in groups.parents.values() for path in parent.glob(f"pie_bench-{harness}-*")}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock"])
def test_a_killed_harness_leaves_nothing(
    mechanism: str, cache: Path, mini: PairDataset, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    refused = probe_sandbox(mechanism)
    if isinstance(refused, str):
        pytest.skip(refused)
    before = things(0)
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        "".join(
            json.dumps({"pair_id": pair.pair_id, "sample_index": 0, "text": CLINGING, "finish_reason": "stop"}) + "\n"
            for pair in mini.pairs
        )
    )
    command = [sys.executable, str(pytestconfig.rootpath / "harness.py"), "--task", "pie_instruct", "--samples", "1"]
    command += ["--model", f"replay:{answers}", "--environment", "skylake", "--run-dir", str(tmp_path / "run")]
    harness = subprocess.Popen(
        [*command, "--sandbox", mechanism],
        env=os.environ | {"PIE_BENCH_CACHE": str(tmp_path / "cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    seen: set[int] = set()
    while len(seen) < 4 and time.monotonic() < deadline and harness.poll() is None:
        seen |= programs(harness.pid)
        time.sleep(0.02)
    harness.send_signal(signal.SIGSTOP)
    seen |= programs(harness.pid)
    assert len(seen) >= 4, "candidates were running when it was killed"
    assert things(harness.pid) - before or mechanism == "bubblewrap"
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    until = time.monotonic() + 30
    while any(map(alive, seen)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, seen)), "a candidate outlived the harness"
    sweep()  # as the next command does first
    while (left := things(harness.pid) - before) and time.monotonic() < until:  # others' come and go meanwhile
        time.sleep(0.05)
    assert left == set()


def test_what_is_in_use_is_not_swept(tmp_path: Path) -> None:
    mine = Path(f"/tmp/pie_bench-{os.getpid()}-test")
    dead = subprocess.Popen(["/bin/true"])
    dead.wait()
    theirs = Path(f"/tmp/pie_bench-{dead.pid}-test")
    mine.mkdir()
    theirs.mkdir()
    try:
        sweep()
        assert mine.exists()
        assert not theirs.exists()
    finally:
        mine.rmdir()
