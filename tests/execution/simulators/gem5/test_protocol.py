"""The fork server's protocol: the real machine.py, on a stand-in for gem5's Python, talking to the harness."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pie_bench.execution.environment import Environment, EnvironmentSpec, load_environment_spec
from pie_bench.execution.sandbox.sandbox import Connected, Limits, Sandbox, SandboxError
from pie_bench.execution.simulators.gem5 import simulator as module
from pie_bench.execution.simulators.gem5.launch import _FLAGS, MACHINE
from pie_bench.execution.simulators.gem5.simulator import Gem5Simulator
from pie_bench.execution.simulators.simulator import MeasurementMismatchError, is_verified
from pie_bench.run.measurement import Measurement

FAKE = Path(__file__).parent / "fake"
# 1,000 instructions of the loader, 50 of constructors, then what the program does with its input
PROGRAM = "work 1000\nentry\nwork 50\nmain\necho\nwork 9\nexit 0"


class FakeGem5:
    """machine.py in this Python, with a stand-in for `m5`; not in a sandbox, since no untrusted program runs."""

    description = "a stand-in"

    def __init__(self, folder: Path):
        self._folder = folder
        self.started = 0
        self.modules = FAKE

    @contextmanager
    def serve(
        self, job: Mapping[str, Any], files: Mapping[str, bytes], root: Path, limits: Limits
    ) -> Iterator[Connected]:
        self.started += 1
        folder = self._folder / str(self.started)
        (folder / "w").mkdir(parents=True)
        places = {}
        for path, content in files.items():
            (folder / path.lstrip("/")).write_bytes(content)
            places[path] = str(folder / path.lstrip("/"))
        moved = {key: places.get(value, value) if isinstance(value, str) else value for key, value in job.items()}
        (folder / "job.json").write_text(json.dumps({**moved, "root": "/"}))
        flags = [*(flag for flag in _FLAGS if "outdir" not in flag), f"--outdir={folder / 'm5out'}"]
        ours, theirs = socket.socketpair()
        with ours, (folder / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, str(MACHINE), str(folder / "job.json"), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                env={
                    "PYTHONPATH": str(self.modules),
                    "FAKE_GEM5_ARGUMENTS": " ".join(flags),
                    "PATH": os.environ["PATH"],
                },
            )
            theirs.close()
            try:
                yield Connected(ours, lambda: (folder / "stderr").read_bytes())
            finally:
                process.kill()
                process.wait()


@pytest.fixture
def spec() -> EnvironmentSpec:
    return load_environment_spec("gem5-skylake")


@pytest.fixture
def gem5(tmp_path: Path) -> FakeGem5:
    return FakeGem5(tmp_path / "jobs")


@pytest.fixture
def simulator(
    spec: EnvironmentSpec, gem5: FakeGem5, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Gem5Simulator:
    # The copies that end at the entry point and at main: here a program is a text. Three instructions are exit_group's.
    def stopped_at(mark: str) -> Any:
        return lambda binary, isa: binary.replace(f"\n{mark}\n".encode(), b"\nwork 3\nexit 0\n")

    monkeypatch.setattr(module, "stopped_at_entry", stopped_at("entry"))
    monkeypatch.setattr(Gem5Simulator, "_trace", lambda *_: b"")  # nothing is known of its start-up: fork at the entry
    monkeypatch.setattr(module, "stopped_at_main", stopped_at("main"))
    return Gem5Simulator(Environment(spec, {"gem5": "99.0"}, tmp_path), gem5, sandbox)


def measure(simulator: Gem5Simulator, program: str, *inputs: bytes) -> list[Measurement]:
    return list(simulator.measure(program.encode(), inputs))


def test_start_up_is_simulated_once_and_every_input_gets_its_own_result(
    simulator: Gem5Simulator, gem5: FakeGem5, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_verified", lambda *_: False)
    inputs = [b"x" * n for n in (0, 5, 300, 7, 70_000)]
    measurements = measure(simulator, PROGRAM, *inputs)
    assert gem5.started == 1
    assert [m.outcome for m in measurements] == ["ok"] * 5
    assert [m.counters["instructions"] for m in measurements] == [1059 + len(data) for data in inputs]
    assert [m.counters["ticks"] for m in measurements] == [1000 * (1059 + len(data)) for data in inputs]
    assert {m.startup_counters["instructions"] for m in measurements} == {1050}
    assert measurements[0].counters["branch_mispredictions"] == 7
    assert simulator.seconds(measurements[0].counters) == pytest.approx(1.059e-6)


def test_forked_and_separate_runs_agree(
    simulator: Gem5Simulator, gem5: FakeGem5, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_verified", lambda *_: True)
    assert [m.outcome for m in measure(simulator, PROGRAM, b"1", b"22")] == ["ok", "ok"]
    assert gem5.started == 2  # one session for the program, one for what is checked


def test_a_difference_between_forked_and_alone_stops_the_run(
    simulator: Gem5Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_verified", lambda *_: True)
    with pytest.raises(
        MeasurementMismatchError, match=r"program [0-9a-f]{64}, input [0-9a-f]{64}, forked .* alone .*99\.0"
    ):
        measure(simulator, PROGRAM.replace("work 9", "drift"), b"1")


def test_the_sample_is_one_in_fifty_and_always_the_same() -> None:
    chosen = [n for n in range(5000) if is_verified(b"program", str(n).encode(), 50)]
    assert 60 < len(chosen) < 140
    assert chosen == [n for n in range(5000) if is_verified(b"program", str(n).encode(), 50)]


@pytest.mark.parametrize(
    ("end", "outcome", "detail"),
    [
        ("exit 3", "runtime_error", "exit code 3"),
        ("m5exit", "forbidden", "m5_exit instruction"),
        ("work 10000000000\nexit 0", "instruction_limit", "2000000000000 ticks"),
        ("crash panic: Unrecognized/invalid instruction executed: vaddps", "unsupported", "vaddps"),
        ("crash fatal: syscall futex (#202) unimplemented.", "unsupported", "futex"),
        ("crash panic: Page table fault when accessing virtual address 0x10", "runtime_error", "0x10"),
        ("crash panic: assertion in the simulator", "infra_error", "assertion"),
    ],
)
def test_how_runs_end_is_classified(simulator: Gem5Simulator, end: str, outcome: str, detail: str) -> None:
    (measurement,) = measure(simulator, PROGRAM.replace("exit 0", end), b"1")
    assert measurement.outcome == outcome
    assert detail in measurement.detail


def test_a_gem5_that_dies_at_once_is_an_error_of_ours(simulator: Gem5Simulator, gem5: FakeGem5) -> None:
    gem5.modules = Path("/nowhere")
    with pytest.raises(SandboxError, match="gem5 exited without an answer: .*No module named 'm5'"):
        measure(simulator, PROGRAM, b"1")


def test_a_program_that_crashes_gem5_from_the_start_is_an_error_of_ours(simulator: Gem5Simulator) -> None:
    (measurement,) = measure(simulator, "crash panic: no memory\n" + PROGRAM, b"1")
    assert measurement.outcome == "infra_error"
    assert "no memory" in measurement.detail


def test_a_program_that_fails_before_main_is_measured_without_a_known_start_up(simulator: Gem5Simulator) -> None:
    (measurement,) = measure(simulator, PROGRAM.replace("work 50", "work 50\nexit 4"), b"1")
    assert measurement.outcome == "runtime_error"
    assert measurement.exit_code == 4


def test_stopping_early_leaves_no_process_and_no_core_taken(simulator: Gem5Simulator) -> None:
    measurements = simulator.measure(PROGRAM.encode(), [b"1", b"2", b"3", b"4", b"5"])
    next(measurements)
    measurements.close()  # type: ignore[attr-defined]
    for _ in range(os.cpu_count() or 1):
        assert simulator._cores.acquire(blocking=False)
