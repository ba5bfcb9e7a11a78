"""Recomputes a verdict's numbers from its counts, as far as possible without running the program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pie_bench.errors import UserError
from pie_bench.execution.simulators.gem5.simulator import SECONDS_PER_TICK
from pie_bench.execution.simulators.gem5.spec import Gem5Spec
from pie_bench.execution.simulators.qemu.spec import CYCLES, QemuSpec, period_ps
from pie_bench.execution.simulators.spec import SimulatorSpec
from pie_bench.run.verdict import Verdict

TOLERANCE = 1e-9  # relative: another build of numpy may sum in a different order
_MOST_INSTRUCTIONS_A_CYCLE = 8  # the commit width of the simulated core
_SUM = re.compile(r"[0-9a-f]{64}")
# In any simulator, what is missed or mispredicted is part of what was executed.
_PARTS = (
    *((name, "branches") for name in ("mispredicted_conditional", "mispredicted_indirect", "missed_targets")),
    *(("instructions", "uops"), ("forwarded_loads", "loads")),
)

Counts = Mapping[str, float]


def seconds_of(spec: SimulatorSpec, counters: Counts) -> float | None:
    """Simulated seconds from counts, like `Simulator.seconds`; None for a plug-in's simulator."""
    if isinstance(spec, QemuSpec):
        return counters.get(CYCLES, 0) * period_ps(spec.parameters["clock"]) / 10**12
    if isinstance(spec, Gem5Spec):
        return counters.get("ticks", 0) * SECONDS_PER_TICK
    return None


def least_seconds(spec: SimulatorSpec, instructions: int) -> float:
    """A lower bound on the time of a program that executes so many instructions."""
    if isinstance(spec, QemuSpec):
        return instructions / _MOST_INSTRUCTIONS_A_CYCLE * period_ps(spec.parameters["clock"]) / 10**12
    return 0.0


def check_numbers(verdict: Verdict, spec: SimulatorSpec) -> None:
    """Raises UserError `field: what is wrong` if a verdict's numbers do not follow from each other."""
    if verdict.outcome != "ok":
        for name in ("counters", "startup_counters"):
            if getattr(verdict, name):
                raise UserError(f"{name}: counts of a program that is {verdict.outcome}")
        return
    _check_sum("binary_sha256", verdict.binary_sha256)
    for name, of_test in (("runtime_seconds", "seconds"), ("startup_seconds", "startup_seconds")):
        total, parts = getattr(verdict, name), [getattr(test, of_test) for test in verdict.tests]
        if not all(is_time(value) for value in (total, *parts)):
            raise UserError(f"{name}: not a time, although every test has one")
        if not same(total, sum(parts)):
            raise UserError(f"{name}: {total} does not equal the sum over the tests, {sum(parts)}")
    for test in verdict.tests:
        if (test.startup_seconds or 0.0) > (test.seconds or 0.0):
            raise UserError(f"tests: startup_seconds: test {test.test_id}: more than the whole process")
        if test.instructions is None or test.instructions < 0:
            raise UserError(f"tests: instructions: test {test.test_id}: {test.instructions} is no count")
        least = least_seconds(spec, test.instructions)
        if (test.seconds or 0.0) < least * (1 - TOLERANCE):
            raise UserError(
                f"tests: seconds: test {test.test_id}: {test.seconds} is less than its {test.instructions} "
                f"instructions take at least, {least}"
            )
    counted = verdict.counters.get(spec.instructions)
    if counted is None or counted != sum(test.instructions or 0 for test in verdict.tests):
        raise UserError(f"counters: {counted} {spec.instructions} are not the instructions, summed over the tests")
    _check_counts(verdict, spec)
    for name, counters in (("runtime_seconds", verdict.counters), ("startup_seconds", verdict.startup_counters)):
        told, made = getattr(verdict, name), seconds_of(spec, counters)
        if made is not None and not same(told, made):
            raise UserError(f"{name}: it is {told!r}; its counts give {made!r}")


def _check_counts(verdict: Verdict, spec: SimulatorSpec) -> None:
    for name, counters in (("counters", verdict.counters), ("startup_counters", verdict.startup_counters)):
        for event, count in sorted(counters.items()):
            if isinstance(count, bool) or not 0 <= count < 2**63:
                raise UserError(f"{name}: {event}: {count!r:.40} is no count")
        for part, whole in _PARTS:
            if counters.get(part, 0) > counters.get(whole, counters.get(part, 0)):
                raise UserError(f"{name}: {part}: {counters[part]} of {counters[whole]} {whole}")
    # (Start-up alone may have a few more cache misses: what follows it decides who touches a line first.)
    for event in (spec.instructions, CYCLES, "ticks"):
        of_startup, of_all = verdict.startup_counters.get(event, 0), verdict.counters.get(event, 0)
        if of_startup > of_all:
            raise UserError(f"startup_counters: {event}: {of_startup}, more than the whole process, {of_all}")


def _check_sum(name: str, value: str | None) -> None:
    if value is None or _SUM.fullmatch(value) is None:
        raise UserError(f"{name}: {value!r:.40} is no sum")


def same(one: float, other: float) -> bool:
    """Whether two numbers are equal up to the order of summation."""
    return abs(one - other) <= TOLERANCE * max(abs(one), abs(other))


def is_time(value: Any) -> bool:
    """Whether it is a valid number of seconds."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
