"""The embedded simulator: the same counts whatever the machine is doing, start-up apart, failures classified."""

import dataclasses
import multiprocessing
import os
from pathlib import Path

import pytest

from pie_bench.execution.environment import Environment, EnvironmentSpec, environment_names, load_environment_spec
from pie_bench.execution.pool import LocalPool
from pie_bench.execution.sandbox.sandbox import Finished, Sandbox, SandboxError
from pie_bench.execution.simulators.cachegrind import CachegrindSimulator, parse_counters
from pie_bench.execution.simulators.startup import stopped_at_main
from pie_bench.execution.toolchain import Toolchain
from pie_bench.run.measurement import Measurement

SUM = """#include <iostream>
#include <vector>
#include <algorithm>
int main(){ int n; std::cin >> n; std::vector<unsigned> v(n); unsigned x = 1;
  for (auto& e : v) e = x = x * 1664525u + 1013904223u;
  std::sort(v.begin(), v.end()); std::cout << v[n / 2] << "\\n"; }"""


@pytest.fixture(scope="module")
def simulator(environment: Environment, sandbox: Sandbox) -> CachegrindSimulator:
    return CachegrindSimulator(environment, sandbox)


def measure(simulator: CachegrindSimulator, toolchain: Toolchain, code: str, *inputs: bytes) -> list[Measurement]:
    compiled = toolchain.compile(code)
    assert compiled.binary is not None, compiled.log
    return list(simulator.measure(compiled.binary, inputs))


def _spin() -> None:
    while True:
        pass


def test_counts_do_not_depend_on_where_and_beside_what_it_runs(
    simulator: CachegrindSimulator, toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = measure(simulator, toolchain, SUM, b"1000\n", b"30000\n")
    context = multiprocessing.get_context("fork")
    busy = [context.Process(target=_spin, daemon=True) for _ in range(2 * (os.cpu_count() or 1))]
    for process in busy:
        process.start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("A_LONG_VARIABLE", "x" * 5000)
    extra = os.open(tmp_path, os.O_RDONLY)
    try:
        assert measure(simulator, toolchain, SUM, b"1000\n", b"30000\n") == quiet
    finally:
        os.close(extra)
        for process in busy:
            process.kill()
            process.join()
    assert [m.outcome for m in quiet] == ["ok", "ok"]
    assert quiet[0].startup_counters == quiet[1].startup_counters


def test_counts_do_not_depend_on_the_random_bytes_that_the_kernel_gives_every_process(
    simulator: CachegrindSimulator, toolchain: Toolchain
) -> None:
    """glibc 2.36 may read GLIBC_TUNABLES past its end, into those bytes: one run in eight then counts differently."""
    binary = toolchain.compile("int main(){}").binary
    assert binary is not None
    runs = LocalPool().map_unordered(lambda _: next(iter(simulator.measure(binary, [b""]))), range(12))
    counted = [(tuple(run.counters.items()), tuple(run.startup_counters.items())) for run in runs]
    assert len(set(counted)) == 1


def test_work_is_what_main_does_and_startup_what_comes_before(
    simulator: CachegrindSimulator, toolchain: Toolchain
) -> None:
    nothing, in_main, before = (
        measure(simulator, toolchain, code, b"")[0]
        for code in (
            "int main(){}",
            "int main(){ for (volatile int i = 0; i < 1000000; i++); }",
            "int f(){ for (volatile int i = 0; i < 1000000; i++); return 0; }\nint x = f();\nint main(){}",
        )
    )
    work = [m.counters["Ir"] - m.startup_counters["Ir"] for m in (nothing, in_main, before)]
    assert 0 < work[0] < 20_000  # leaving main and the process
    assert work[1] > 3_000_000
    assert work[2] == pytest.approx(work[0], abs=200)
    assert before.startup_counters["Ir"] > 3_000_000
    startup = nothing.startup_counters
    assert simulator.seconds(startup, startup) < 0.0003 < simulator.seconds(in_main.counters, startup)


def test_seconds_are_the_environments_costs_times_counts(simulator: CachegrindSimulator, spec: EnvironmentSpec) -> None:
    costs = spec.simulator.seconds_per_event
    assert simulator.seconds({"Ir": 1000, "Bcm": 10}, {}) == pytest.approx(1000 * costs["Ir"] + 10 * costs["Bcm"])
    assert simulator.seconds({}, {}) == 0


def test_events_before_main_can_cost_otherwise(environment: Environment, sandbox: Sandbox) -> None:
    ruler = environment.spec.simulator.model_copy(update={"startup_seconds_per_event": {"Ir": 3e-9}})
    changed = dataclasses.replace(environment, spec=environment.spec.model_copy(update={"simulator": ruler}))
    simulator = CachegrindSimulator(changed, sandbox)
    assert simulator.seconds({"Ir": 100}, {"Ir": 100}) == pytest.approx(300e-9)
    costs = ruler.seconds_per_event
    assert simulator.seconds({"Ir": 100, "Bcm": 5}, {"Ir": 60}) == pytest.approx(
        180e-9 + 40 * costs["Ir"] + 5 * costs["Bcm"]
    )
    assert changed.simulation_id == environment.simulation_id, "counts are the same, whatever they cost"
    assert changed.environment_id != environment.environment_id


def test_the_end_of_a_run_is_classified(simulator: CachegrindSimulator, toolchain: Toolchain) -> None:
    crashed = measure(simulator, toolchain, "#include <cstdlib>\nint main(){ abort(); }", b"")[0]
    assert (crashed.outcome, crashed.exit_code) == ("runtime_error", None)
    left = measure(simulator, toolchain, "int main(){ return 4; }", b"")[0]
    assert (left.outcome, left.exit_code) == ("runtime_error", 4)
    unknown = measure(simulator, toolchain, 'int main(){ asm volatile(".byte 0x0f,0x04,0,0"); }', b"")[0]
    assert unknown.outcome == "unsupported"
    assert "0xF 0x4" in unknown.detail


def test_a_program_above_the_instruction_limit(
    environment: Environment, sandbox: Sandbox, toolchain: Toolchain
) -> None:
    spec = environment.spec.model_copy(update={"max_instructions": 1_000_000})
    limited = CachegrindSimulator(Environment(spec, environment.facts), sandbox)
    assert limited.simulation_id != environment.simulation_id
    measured = measure(limited, toolchain, SUM, b"10\n")[0]
    assert measured.outcome == "instruction_limit"
    assert measured.detail.endswith(" instructions")


def test_a_simulator_that_is_stopped_or_says_nothing_is_our_error(
    environment: Environment, simulator: CachegrindSimulator
) -> None:
    finished = Finished(0, None, b"", b"", b"", 1.0, wall_timeout=False, cpu_limit=False)
    assert simulator._classify(finished, {})[0] == "infra_error"
    stopped = Finished(None, 9, b"", b"", b"", 99.0, wall_timeout=True, cpu_limit=False)
    assert simulator._classify(stopped, {"Ir": 5}) == ("infra_error", "the simulator was stopped after 99 s")


def test_a_start_up_that_was_not_counted_is_our_error_not_a_start_up_of_nothing(
    environment: Environment, toolchain: Toolchain
) -> None:
    class Silent:
        name = "silent"

        def run(self, *_: object) -> Finished:
            return Finished(0, None, b"", b"", b"", 1.0, wall_timeout=False, cpu_limit=False)

    with pytest.raises(SandboxError, match="no counts of the program's start-up"):
        measure(CachegrindSimulator(environment, Silent()), toolchain, "int main(){}", b"")


def test_an_incomplete_report_has_no_counters() -> None:
    assert parse_counters(b"events: Ir Dr\nfn=main\n1 2 3\n") == {}
    assert parse_counters(b"desc: x\nevents: Ir Dr\nsummary: 5 3\n") == {"Ir": 5, "Dr": 3}


def test_startup_needs_a_symbol_main(toolchain: Toolchain) -> None:
    binary = toolchain.compile("int main(){}").binary
    assert binary is not None
    stopped = stopped_at_main(binary)
    assert stopped is not None
    assert len(stopped) == len(binary)
    assert 0 < sum(a != b for a, b in zip(stopped, binary, strict=True)) <= 12
    assert stopped_at_main(b"no program") is None
    assert stopped_at_main(binary.replace(b"main\0", b"niam\0")) is None


def test_identities() -> None:
    assert environment_names() == [
        "cachegrind",
        "cachegrind-host",
        "cachegrind-host-strict",
        "gem5-pie",
        "gem5-skylake",
        "skylake",
    ]
    standard, strict = map(load_environment_spec, ("cachegrind-host", "cachegrind-host-strict"))
    facts = {"compiler": "g++ 12", "valgrind": "valgrind-3.19.0"}
    one, other = Environment(standard, facts), Environment(strict, facts)
    assert (standard.comparator, strict.comparator) == ("standard", "strict")
    assert one.environment_id != other.environment_id
    assert one.simulation_id == other.simulation_id, "another comparator needs no new simulation"
    newer = Environment(standard, {**facts, "valgrind": "valgrind-3.22.0"})
    assert newer.simulation_id != one.simulation_id
    assert newer.environment_id != one.environment_id
    recompiled = Environment(standard, {**facts, "compiler": "g++ 13"})
    assert recompiled.environment_id != one.environment_id
    assert recompiled.simulation_id == one.simulation_id, "a binary's own sum says how it was compiled"
