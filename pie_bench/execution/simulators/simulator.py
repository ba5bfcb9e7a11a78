"""The contract of every simulator: a program and its inputs go in, exact times come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pie_bench.errors import PieBenchError
from pie_bench.hashing import sha256


@dataclass(frozen=True)
class Measurement:
    """One program on one input in one simulator: what was counted, of the whole process and before `main`.

    `simulation_id` is the hash of all that can change the counts. `outcome` is `ok`, `runtime_error`,
    `instruction_limit`, `output_limit`, `unsupported` (the simulator cannot run it), `forbidden` (with evidence in
    `detail`) or `infra_error` (ours; never stored).
    """

    binary_sha256: str
    input_sha256: str
    simulation_id: str
    outcome: str
    exit_code: int | None
    stdout_sha256: str
    counters: Mapping[str, int]
    startup_counters: Mapping[str, int]
    detail: str = ""


class MeasurementMismatchError(PieBenchError):
    """Two ways of measuring that must agree did not: an error of ours that stops the run."""


def is_verified(binary: bytes, data: bytes, one_in: int) -> bool:
    """Whether this forked measurement is checked against one alone: one in `one_in`, the same in every run."""
    chosen = int(sha256(sha256(binary).encode() + sha256(data).encode())[:8], 16)
    return chosen % one_in == 0


class Simulator(Protocol):
    """Measures programs; the same program and input give the same measurement, bit for bit, on every machine.

    `rounds_long_double`: it computes in 64 bits where the processor does in 80, so output may differ.
    """

    simulation_id: str
    rounds_long_double: bool

    def measure(self, binary: bytes, inputs: Sequence[bytes]) -> Iterator[Measurement]:
        """One measurement an input, in order. All inputs of a program come in one call, so work can be shared."""
        ...

    def seconds(self, counters: Mapping[str, int], startup_counters: Mapping[str, int]) -> float:
        """Simulated seconds of a whole process; those of its start-up are `seconds(startup, startup)`."""
        ...
