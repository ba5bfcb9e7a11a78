"""The contract of every simulator: a program and its inputs go in, exact times come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pie_bench.errors import PieBenchError
from pie_bench.hashing import sha256
from pie_bench.run.measurement import Measurement


class MeasurementMismatchError(PieBenchError):
    """Two ways of measuring that must agree did not: an error of ours that stops the run."""


def is_verified(binary: bytes, data: bytes, one_in: int) -> bool:
    """Whether this forked measurement is checked against one alone: one in `one_in`, the same in every run."""
    chosen = int(sha256(sha256(binary).encode() + sha256(data).encode())[:8], 16)
    return chosen % one_in == 0


@dataclass(frozen=True)
class Found:
    """A simulator as it is on this machine.

    `facts` (versions, sums) are all that can change a measurement and the spec does not say. `description` tells it
    from another that measures the same (a path, an image), where there may be several. `accounts_cpu` is as in the
    `Sandbox` contract. `handle` is the kind's own, for opening it.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    accounts_cpu: bool = True
    handle: Any = None


class Simulator(Protocol):
    """Measures programs; the same program and input give the same measurement, bit for bit, on every machine.

    `rounds_long_double`: it computes in 64 bits where the processor does in 80, so output may differ.
    """

    simulation_id: str
    rounds_long_double: bool

    def measure(self, binary: bytes, inputs: Sequence[bytes]) -> Iterator[Measurement]:
        """One measurement an input, in order. All inputs of a program come in one call, so work can be shared."""
        ...

    def seconds(self, counters: Mapping[str, int]) -> float:
        """Simulated seconds of a whole process, or of its start-up, from its counters."""
        ...


@dataclass(frozen=True)
class CyclesByAddress:
    """Where a program's cycles go, by address in its file.

    `own` has the program's own instructions, `called` what other code took, by the instruction that led there, and
    `elsewhere` what none led to: start-up and the end.
    """

    own: Mapping[int, int]
    called: Mapping[int, int]
    elsewhere: int


@runtime_checkable
class Profiler(Protocol):
    """A simulator that knows where the cycles go."""

    def profile(self, binary: bytes, data: bytes, own: Sequence[tuple[int, int]]) -> CyclesByAddress | None:
        """Of a program on one input; `own` are the addresses, [begin, end), that are its own code. None when it does
        not end well."""
        ...
