"""The step of judging that runs a program natively: is it right on every test?"""

from __future__ import annotations

import logging
import signal
from collections.abc import Generator, Sequence
from dataclasses import replace
from itertools import zip_longest

from pie_bench.execution.checker import CHECKER, STANDARD, same_output
from pie_bench.execution.environment import Environment
from pie_bench.execution.sandbox.sandbox import (
    PROGRAM,
    SERVER,
    WALL_CLOCK,
    Command,
    File,
    Finished,
    Limits,
    NotServedError,
    Sandbox,
    SandboxError,
)
from pie_bench.execution.subject import Subject, Workshop
from pie_bench.execution.toolchain import Toolchain
from pie_bench.hashing import sha256
from pie_bench.run.verdict import Outcome, TestResult, Verdict

_log = logging.getLogger(__name__)
_OUT_OF_MEMORY = (
    b"bad_alloc",
    f"failed to execute {PROGRAM}: Cannot allocate memory".encode(),
    b"error while loading shared libraries: cannot map zero-fill pages",  # when started by the loader
)
_SHOWN_CHARACTERS = 80
_EMULATOR_BYTES = 256 << 20  # of address space, mostly for translated code
_ENDS_IT = ("instruction_limit", "infra_error")  # skip the remaining tests


def right_on_tests(subject: Subject, workshop: Workshop) -> Subject | Verdict:
    """Step: its outputs are the expected ones. A program that fails does so again, or the machine is the cause."""
    results: list[TestResult] = []
    sums: dict[str, str] = {}
    seconds: dict[str, float] = {}
    inputs = [test.input for test in subject.tests]
    runs = run_on_each(subject.binary, inputs, workshop.environment, workshop.sandbox, workshop.toolchain)
    for test in subject.tests:
        if results and results[-1].outcome in _ENDS_IT:
            results.append(TestResult(test.test_id, results[-1].outcome))
            continue
        finished = next(runs)
        outcome = outcome_of(finished)
        if outcome == "ok" and not workshop.comparing.right(subject.candidate.problem_id, test, finished.stdout):
            outcome = "wrong_output"
        sums[test.test_id] = sha256(finished.stdout)
        if finished.user_seconds is not None:
            seconds[test.test_id] = finished.user_seconds
        results.append(TestResult(test.test_id, outcome))
    runs.close()
    subject = replace(subject, results=tuple(results), output_sums=sums, user_seconds=seconds)
    failed = next((result for result in results if result.outcome != "ok"), None)
    if failed is None:
        return subject
    # After an infrastructure error on one test, the other results may be incomplete too.
    worst = next((result for result in results if result.outcome == "infra_error"), failed)
    said = f"test {worst.test_id}" + (f": {WALL_CLOCK}" if worst.outcome == "infra_error" else "")
    if worst.outcome == "runtime_error":
        data = next(test.input for test in subject.tests if test.test_id == worst.test_id)
        if outcome_of(run_natively(subject.binary, data, workshop)) != "runtime_error":
            return workshop.verdict(subject, "infra_error", f"{said}: it failed, but not when run again")
    return workshop.verdict(subject, worst.outcome, said, tests=subject.results)


def run_natively(
    binary: bytes,
    data: bytes,
    workshop: Workshop,
    *,
    cpu_seconds: int | None = None,
    random_addresses: bool = False,
) -> Finished:
    """Runs a program once, with a different limit on CPU time if given. SandboxError if it could not be started."""
    environment = workshop.environment
    limits = environment.spec.native_limits
    if cpu_seconds is not None:
        limits = limits.model_copy(update={"cpu_seconds": cpu_seconds})
    return run_program(binary, data, environment, workshop.sandbox, limits, random_addresses=random_addresses)


def run_on_each(
    binary: bytes, inputs: Sequence[bytes], environment: Environment, sandbox: Sandbox, toolchain: Toolchain
) -> Generator[Finished, None, None]:
    """`run_program` on each input, in order, in one sandbox for all of them if possible (`in_one_sandbox`). `toolchain`
    compiles for this machine. Raises SandboxError if the program could not be started."""
    spec = environment.spec
    if spec.toolchain.isa.is_foreign:
        for data in inputs:
            yield run_program(binary, data, environment, sandbox)
    else:
        yield from in_one_sandbox(_command(binary, environment), inputs, spec.native_limits, sandbox, toolchain)


def _command(binary: bytes, environment: Environment) -> Command:
    """A program of this machine, without its input."""
    files = {PROGRAM: File(binary, True)}
    return Command([PROGRAM], files=files, environment=environment.spec.program_environment, root=environment.root)


def in_one_sandbox(
    command: Command, inputs: Sequence[bytes], limits: Limits, sandbox: Sandbox, toolchain: Toolchain
) -> Generator[Finished, None, None]:
    """Runs a program on each input, in order, in one sandbox that serves all of them. If the mechanism cannot serve, or
    the server ends, each remaining input gets a sandbox of its own. Raises SandboxError if the program could not be
    started.
    """
    server = toolchain.server() if len(inputs) > 1 else None
    done = 0
    while server is not None and done < len(inputs):
        files = {**command.files, SERVER: File(server, True)}
        try:
            with sandbox.serve(
                replace(command, argv=[SERVER, *command.argv], files=files), limits, "payload"
            ) as served:
                served.send(served.child_filter)
                finished = None
                while done < len(inputs) and not (finished is not None and finished.wall_timeout):
                    finished = served.run(inputs[done])
                    done += 1
                    yield finished
        except NotServedError:
            server = None
        except SandboxError as error:
            _log.info("%s; the program goes on with one sandbox for each input", error)
            server = None
    for data in inputs[done:]:
        yield sandbox.run(replace(command, stdin=data), limits, "payload")


def run_program(
    binary: bytes,
    data: bytes,
    environment: Environment,
    sandbox: Sandbox,
    limits: Limits | None = None,
    *,
    random_addresses: bool = False,
) -> Finished:
    """Runs one of the environment's programs: natively, or in QEMU if it is for a different processor. SandboxError if
    it could not be started."""
    limits = limits or environment.spec.native_limits
    if not environment.spec.toolchain.isa.is_foreign:
        command = replace(_command(binary, environment), stdin=data, random_addresses=random_addresses)
        return sandbox.run(command, limits, "payload")
    from pie_bench.execution.simulators.qemu.emulator import emulated

    command = emulated(environment, sandbox, binary, data, limits.stack_bytes)
    limits = limits.model_copy(update={"memory_bytes": limits.memory_bytes + _EMULATOR_BYTES})
    return sandbox.run(command, limits, "emulated")


def first_difference(output: bytes, expected: bytes, comparator: str) -> str:
    """The first difference of a wrong output, in one line."""
    lines, wanted = (text.decode(errors="replace").strip().splitlines() for text in (output, expected))
    comparator = STANDARD if comparator.startswith(CHECKER) else comparator
    for number, (line, right) in enumerate(zip_longest(lines, wanted), 1):
        if line is None or right is None or not same_output(comparator, line.encode(), right.encode()):
            found, instead = ("nothing" if text is None else repr(_shown(text)) for text in (line, right))
            return f"line {number}: {found}, expected {instead}"
    return "no line differs"


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def outcome_of(finished: Finished) -> Outcome:
    """How a native run ended, regardless of its output."""
    if finished.stalled:  # it sleeps, or its threads wait for each other
        return "instruction_limit"
    if finished.wall_timeout:
        return "infra_error"
    if finished.cpu_limit:
        return "instruction_limit"
    if finished.signal == signal.SIGXFSZ:
        return "output_limit"
    # SIGKILL: the kernel could not map the program's segments, or memory ran out.
    out_of_memory = any(mark in finished.stderr for mark in _OUT_OF_MEMORY)
    if finished.signal == signal.SIGKILL or (finished.exit_code != 0 and out_of_memory):
        return "memory_limit"
    return "ok" if finished.exit_code == 0 else "runtime_error"
