"""The last step of judging: measures a right program in the simulator, where it must behave as it did natively."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from pie_bench.execution.integrity import forbidden
from pie_bench.execution.native import run_natively
from pie_bench.execution.subject import Subject, Workshop
from pie_bench.hashing import sha256
from pie_bench.run.measurement import Measurement
from pie_bench.run.verdict import Outcome, TestResult, Verdict

# Simulated time that exceeds the native CPU time (outside the kernel) by this factor is impossible: docs/cheating.md.
NATIVE_FLOOR_SECONDS, NATIVE_FACTOR = 0.5, 50
_NATIVE_RUNS = 3  # the minimum counts


def measured(subject: Subject, workshop: Workshop) -> Verdict:
    """Step: measures its time on every test, unless times are not requested."""
    if not subject.is_measured:
        return workshop.verdict(subject, "ok", tests=subject.results)
    results, measurements, said = _measure(subject, workshop)
    failed = next((result for result in results if result.outcome != "ok"), None)
    if failed is not None:
        detail = f"test {failed.test_id} in the simulator" + (f": {said}" if said else "")
        rounds = workshop.simulator.rounds_long_double and failed.outcome == "forbidden"
        if rounds and forbidden.computes_in_80_bits(subject.binary, workshop.toolchain):
            detail += ": it computes in long double, which simulators round to 64 bits"
            results = [replace(r, outcome="unsupported") if r.outcome == "forbidden" else r for r in results]
        worst = next(result for result in results if result.outcome != "ok")
        return workshop.verdict(subject, worst.outcome, detail, tests=tuple(results))
    impossible = _too_fast(subject, results, workshop)
    if impossible is not None:
        return workshop.verdict(subject, "forbidden", impossible, tests=tuple(results))
    return workshop.verdict(
        subject,
        "ok",
        tests=tuple(results),
        runtime_seconds=sum(result.seconds or 0.0 for result in results),
        startup_seconds=sum(result.startup_seconds or 0.0 for result in results),
        counters=_over_tests([measurement.counters for measurement in measurements], workshop),
        startup_counters=_over_tests([measurement.startup_counters for measurement in measurements], workshop),
    )


def _measure(subject: Subject, workshop: Workshop) -> tuple[list[TestResult], list[Measurement], str]:
    """Every test's result, the measurements of those that are ok, and the simulator's message on one that is not."""
    simulator, counter = workshop.simulator, workshop.environment.spec.simulator.instructions
    inputs = {sha256(test.input): test.input for test in subject.tests}
    # Two candidates may have the same binary: the second finds it measured.
    with workshop.measuring.of(sha256(subject.binary)):
        known = _measurements(subject.binary, inputs, workshop)
    # Measuring stops at the first failure, which also stands for the tests after it.
    stopped_by = next((m.outcome for m in known.values() if m.outcome != "ok"), "infra_error")
    results = []
    found = []
    for test in subject.tests:
        measurement = known.get(sha256(test.input))
        outcome = measurement.outcome if measurement is not None else stopped_by
        if measurement is None or outcome != "ok":
            # It ran natively, so ending differently in the simulator is a difference in behaviour.
            results.append(TestResult(test.test_id, "forbidden" if outcome == "runtime_error" else _outcome(outcome)))
        elif measurement.stdout_sha256 != subject.output_sums[test.test_id]:
            results.append(TestResult(test.test_id, "forbidden"))
        else:
            found.append(measurement)
            results.append(
                TestResult(
                    test.test_id,
                    "ok",
                    simulator.seconds(measurement.counters),
                    simulator.seconds(measurement.startup_counters),
                    measurement.counters.get(counter),
                )
            )
    said = next((measurement.detail for measurement in known.values() if measurement.outcome != "ok"), "")
    return results, found, said


def _too_fast(subject: Subject, results: Sequence[TestResult], workshop: Workshop) -> str | None:
    """Evidence, from native CPU time, that simulated time is not the program's own; None if there is none."""
    inputs = {test.test_id: test.input for test in subject.tests}
    factor = NATIVE_FACTOR * workshop.environment.spec.toolchain.isa.slowdown
    for result in results:
        most = NATIVE_FLOOR_SECONDS + factor * (result.seconds or 0.0)
        native = subject.user_seconds.get(result.test_id, 0.0)
        for _ in range(_NATIVE_RUNS - 1):
            if native > most:
                again = run_natively(subject.binary, inputs[result.test_id], workshop).user_seconds
                native = min(native, again or 0.0)
        if native > most:
            return f"test {result.test_id}: {native:.2f} s of CPU time natively, {result.seconds:.2g} s simulated"
    return None


def _measurements(binary: bytes, inputs: dict[str, bytes], workshop: Workshop) -> dict[str, Measurement]:
    """Measurements by the hash of the input; stops at the first that is not ok."""
    known = workshop.store.get(sha256(binary), list(inputs), workshop.simulator.simulation_id)
    # Short inputs first: a program that exceeds the limit on one of them then costs little.
    missing = sorted((data for key, data in inputs.items() if key not in known), key=len)
    if missing and all(measurement.outcome == "ok" for measurement in known.values()):
        # closing: stopping early must not leave a simulation to the garbage collector
        with closing(workshop.simulator.measure(binary, missing)) as measurements:  # type: ignore[type-var]
            for measurement in measurements:
                workshop.store.put(measurement)
                known[measurement.input_sha256] = measurement
                if measurement.outcome != "ok":
                    break
    return known


def measurements(binary: bytes, inputs: Sequence[bytes], workshop: Workshop) -> list[Measurement | None]:
    """A compiled program's counts on each input; None where it fails."""
    by_sum = {sha256(data): data for data in inputs}
    with workshop.measuring.of(sha256(binary)):
        known = _measurements(binary, by_sum, workshop)
    found = (known.get(sha256(data)) for data in inputs)
    return [each if each is not None and each.outcome == "ok" else None for each in found]


def seconds_after_main(binary: bytes, inputs: Sequence[bytes], workshop: Workshop) -> list[float | None]:
    """Simulated seconds after the start of `main` on each input; None where the program fails."""
    seconds = workshop.simulator.seconds
    return [
        None if each is None else seconds(each.counters) - seconds(each.startup_counters)
        for each in measurements(binary, inputs, workshop)
    ]


def _over_tests(counted: Sequence[Mapping[str, float]], workshop: Workshop) -> dict[str, float]:
    """Sums over the tests; for memory, the maximum."""
    sums: dict[str, float] = {}
    for counters in counted:
        for name, count in counters.items():
            sums[name] = sums.get(name, 0) + count
    pages = workshop.environment.spec.simulator.pages
    if pages is not None and pages in sums:
        sums[pages] = max(counters.get(pages, 0) for counters in counted)
    return dict(sorted(sums.items()))


def _outcome(name: str) -> Outcome:
    return name  # type: ignore[return-value]  # simulators use names of Outcome
