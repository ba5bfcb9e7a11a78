#!/usr/bin/env python3
"""How sensitive gem5 is to one parameter of the simulated machine: start-up and work of three small programs.

usage: PIE_GEM5_BINARY=… python tools/gem5_sensitivity.py [ENVIRONMENT]      (default: gem5-skylake; about ten minutes)

A parameter that slows down start-up without slowing down work in step can explain a difference in start-up alone.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping
from typing import Any

from pie_bench.execution.environment import Environment, EnvironmentSpec, load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.pool import LocalPool
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.simulators.gem5.spec import Gem5Spec
from pie_bench.execution.simulators.kind import open_simulator
from pie_bench.execution.toolchain import Toolchain

PROGRAMS = {
    "stdio": '#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d", n); }',
    "iostream": "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << n; }",
    "sorting": (
        "#include <algorithm>\n#include <cstdio>\n#include <vector>\nint main() { unsigned x = 1;"
        "std::vector<int> v(20000); for (auto& e : v) { x = x * 1664525u + 1013904223u; e = x >> 8; }"
        'std::sort(v.begin(), v.end()); printf("%d", v[777]); }'
    ),
}
LATENCY = ("tag_latency", "data_latency")
VARIANTS: dict[str, dict[tuple[str, ...], object]] = {
    "as it is": {},
    "page-walk cache: 4 cycles": {("caches", "walker", name): 4 for name in LATENCY},
    "L1I: 2 cycles": {("caches", "l1i", name): 2 for name in LATENCY},
    "L2: 16 cycles (14)": {("caches", "l2", name): 16 for name in LATENCY},
    "L3: 54 cycles (44)": {("caches", "l3", name): 54 for name in LATENCY},
    "L3: response after 10 cycles (1)": {("caches", "l3", "response_latency"): 10},
    "L3: mostly inclusive": {("caches", "l3", "clusivity"): "mostly_incl"},
    "buses: 16 bytes (192)": {("bus_width_bytes",): 16},
    "memory: DDR4-2400 8x8": {("memory", "dram"): "DDR4_2400_8x8"},
    "memory: DDR3-1600 8x8": {("memory", "dram"): "DDR3_1600_8x8"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", nargs="?", default="gem5-skylake")
    spec, sandbox = load_environment_spec(parser.parse_args().environment), choose_sandbox()
    environment = open_environment(spec, sandbox)
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, environment.root)
    binaries = {name: toolchain.compile(code).binary for name, code in PROGRAMS.items()}

    def ticks(job: tuple[str, str]) -> tuple[tuple[str, str], int]:
        variant, program = job
        changed = Environment(
            with_changes(spec, VARIANTS[variant]), environment.facts, environment.root, environment.found
        )
        binary = binaries[program]
        assert binary is not None, f"{program} does not compile"
        (measurement,) = open_simulator(changed, sandbox).measure(binary, [b"7\n"])
        assert measurement.outcome == "ok", f"{variant}, {program}: {measurement.outcome} {measurement.detail}"
        return job, measurement.counters["ticks"]

    jobs = [(variant, program) for variant in VARIANTS for program in PROGRAMS]
    found = dict(LocalPool().map_unordered(ticks, jobs))
    print(f"{'':34}" + "".join(f"{program:>12}" for program in PROGRAMS))
    print(f"{'as it is':34}" + "".join(f"{found['as it is', program] / 1e9:9.4f} ms" for program in PROGRAMS))
    for variant in [*VARIANTS][1:]:
        ratios = [found[variant, program] / found["as it is", program] - 1 for program in PROGRAMS]
        print(f"{variant:34}" + "".join(f"{ratio:+12.2%}" for ratio in ratios))


def with_changes(spec: EnvironmentSpec, changes: Mapping[tuple[str, ...], object]) -> EnvironmentSpec:
    assert isinstance(spec.simulator, Gem5Spec), f"{spec.environment} does not simulate in gem5"
    parameters: dict[str, Any] = copy.deepcopy(dict(spec.simulator.parameters))
    for (*path, last), value in changes.items():
        part = parameters
        for name in path:
            part = part[name]
        part[last] = value
    return spec.model_copy(update={"simulator": spec.simulator.model_copy(update={"parameters": parameters})})


if __name__ == "__main__":
    main()
