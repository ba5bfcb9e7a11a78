"""Nothing of a candidate remains: after its run, and after the harness was killed in the middle of it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pie_bench.data.load import PairDataset
from pie_bench.execution.sandbox.cgroups import find_cgroups
from pie_bench.execution.sandbox.choose import probe_sandbox
from pie_bench.execution.sandbox.sweep import sweep

# Ends only when it is killed; tries to leave something behind. The sandbox ends it sooner than any limit would.
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


def programs() -> set[int]:
    """Processes that run a candidate: their command line says so."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().split(b"\0")
            if line[0] == b"bwrap" or any(re.fullmatch(rb"(/w|\w\w)/program", word) for word in line):
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found


def things() -> set[str]:
    """Mounts, shared memory, temporary files and control groups of this machine that could be a candidate's."""
    names = re.compile(r"[A-Za-z0-9]{2}|pie_bench-\d+-.*|.*pie_bench_left")
    folders = [folder for folder in map(Path, ("/dev/shm", "/tmp", "/var/tmp")) if folder.is_dir()]
    found = {str(path) for folder in folders for path in folder.iterdir() if names.fullmatch(path.name)}
    found |= {f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines()}
    found |= {f"shm {line.split()[0]}" for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}
    groups = find_cgroups()
    if not isinstance(groups, str):
        found |= {str(path) for parent in groups.parents.values() for path in parent.glob("pie_bench-*-*")}
    return {name for name in found if f"-{os.getpid()}-" not in name}


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock"])
def test_a_killed_harness_leaves_nothing(
    mechanism: str, cache: Path, mini: PairDataset, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    refused = probe_sandbox(mechanism)
    if isinstance(refused, str):
        pytest.skip(refused)
    sweep()
    before, running = things(), programs()
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        "".join(
            json.dumps({"pair_id": pair.pair_id, "sample_index": 0, "text": CLINGING, "finish_reason": "stop"}) + "\n"
            for pair in mini.pairs
        )
    )
    command = [sys.executable, str(pytestconfig.rootpath / "harness.py"), "--task", "pie_instruct", "--samples", "1"]
    command += ["--model", f"replay:{answers}", "--environment", "cachegrind-host", "--run-dir", str(tmp_path / "run")]
    harness = subprocess.Popen(
        [*command, "--sandbox", mechanism],
        env=os.environ | {"PIE_BENCH_CACHE": str(tmp_path / "cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    seen: set[int] = set()
    while len(seen) < 4 and time.monotonic() < deadline and harness.poll() is None:
        seen |= programs() - running
        time.sleep(0.02)
    assert len(seen) >= 4, "candidates were running when it was killed"
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    until = time.monotonic() + 30
    while programs() - running and time.monotonic() < until:
        time.sleep(0.05)
    assert programs() - running == set(), "a candidate outlived the harness"
    sweep()  # as the next command does first
    assert things() - before == set()


def test_what_lives_is_not_swept(tmp_path: Path) -> None:
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
