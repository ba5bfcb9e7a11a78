"""The contract of every simulator: a program and its inputs go in, exact times come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pie_bench.errors import PieBenchError
from pie_bench.hashing import sha256
from pie_bench.run.measurement import Measurement


class MeasurementMismatchError(PieBenchError):
    """Two ways of measuring that must agree did not: our bug, which stops the run."""


def is_verified(binary: bytes, data: bytes, one_in: int) -> bool:
    """Whether to check this forked measurement against a separate one: one in `one_in`, the same ones in every run."""
    chosen = int(sha256(sha256(binary).encode() + sha256(data).encode())[:8], 16)
    return chosen % one_in == 0


@dataclass(frozen=True)
class Found:
    """A simulator as found on this machine.

    `facts` (versions, hashes) are all that can change a measurement and is not in the spec. `description` distinguishes
    it from others that measure the same (a path, an image). `accounts_cpu` is as in the `Sandbox` contract. `handle` is
    for the kind's own use when opening it. `tools` is the root file system with QEMU.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    accounts_cpu: bool = True
    handle: Any = None
    tools: Path | None = None


class Simulator(Protocol):
    """Measures programs; the same program and input give the same measurement, bit for bit, on every machine.

    `rounds_long_double`: it computes in 64 bits where the processor uses 80, so output may differ.
    """

    simulation_id: str
    rounds_long_double: bool

    def measure(self, binary: bytes, inputs: Sequence[bytes]) -> Iterator[Measurement]:
        """One measurement per input, in order. All inputs of a program come in one call, so work can be shared."""
        ...

    def seconds(self, counters: Mapping[str, int]) -> float:
        """Simulated seconds of a whole process, or of its start-up, from its counters."""
        ...


@dataclass(frozen=True)
class CyclesByAddress:
    """Where a program spends its cycles, by address in its file.

    `own` covers the program's own instructions; `called` what other code took, by the instruction that led there;
    `elsewhere` what no instruction led to: start-up and exit.
    """

    own: Mapping[int, int]
    called: Mapping[int, int]
    elsewhere: int


@runtime_checkable
class Profiler(Protocol):
    """A simulator that can tell where the cycles go."""

    def profile(self, binary: bytes, data: bytes, own: Sequence[tuple[int, int]]) -> CyclesByAddress | None:
        """The profile of a program on one input; `own` lists the address ranges [begin, end) of its own code. None if
        the program fails."""
        ...
