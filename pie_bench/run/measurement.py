"""What a simulator counted for one program on one input: the records of the measurement store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """One program on one input in one simulator: the counts for the whole process and before `main`.

    `simulation_id` is the hash of all that can change the counts. `outcome` is `ok`, `runtime_error`,
    `instruction_limit`, `output_limit`, `unsupported` (the simulator cannot run it), `forbidden` (with evidence in
    `detail`) or `infra_error` (our fault; never stored).
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


@dataclass(frozen=True)
class Profile:
    """Where a program spends its cycles on one input.

    `lines` maps source lines, from 1, to cycles: those of the line's own instructions and of what they call outside the
    source text (libraries, header templates). `cycles` is the total of the whole process; the rest is start-up, exit,
    and code without a line.
    """

    code_sha256: str
    input_sha256: str
    environment_id: str
    cycles: int
    lines: tuple[tuple[int, int], ...]
