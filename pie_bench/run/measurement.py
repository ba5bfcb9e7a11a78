"""What a simulator counted of one program on one input: the records that the measurement store keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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


@dataclass(frozen=True)
class Profile:
    """Where a program's cycles go on one input.

    `lines` are the lines of its source text, from 1, each with its cycles: of its own instructions, and of what they
    call that is no function of the text (libraries, templates of headers). `cycles` are those of the whole process;
    the rest is start-up, the end, and code without a line.
    """

    code_sha256: str
    input_sha256: str
    environment_id: str
    cycles: int
    lines: tuple[tuple[int, int], ...]
