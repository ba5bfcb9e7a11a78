"""Finds out what works on this machine by trying it, with a remedy for what does not."""

from __future__ import annotations

from collections.abc import Iterator

from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import PieBenchError
from pie_bench.execution.environment import environment_names, load_environment_spec
from pie_bench.execution.executor import open_environment, open_executor
from pie_bench.execution.sandbox.cgroups import find_cgroups
from pie_bench.execution.sandbox.choose import choose_sandbox, probe_sandboxes
from pie_bench.execution.simulators.kind import Finding, kind_of
from pie_bench.paths import cache_dir


def examine_cluster(address: str | None, sandbox_name: str | None = None) -> Iterator[Finding]:
    """Every node of a Ray cluster: whether it judges in the default environment as this machine does. UserError where
    this machine is in no cluster, or cannot be used itself."""
    from pie_bench.execution.ray_pool import connected, examine, installed_version

    connected(address)
    executor = open_executor(DEFAULT_ENVIRONMENT, cache_dir(), choose_sandbox(sandbox_name))
    as_here = (
        f"pie_bench {installed_version()}, {DEFAULT_ENVIRONMENT} {executor.environment.environment_id[:12]}, "
        f"a program measured as here ({executor.proof[:12]})"
    )
    for name, why, cpus in examine(address, executor):
        yield Finding(f"node {name}", why is None, why or f"{cpus} CPUs, {as_here}", True)


def examine(sandbox_name: str | None = None) -> Iterator[Finding]:
    """Every sandbox, every way to a simulator, and every environment, in this order; each is actually run."""
    probed = probe_sandboxes()
    for name, found in probed.items():
        yield Finding(f"sandbox {name}", not isinstance(found, str), found if isinstance(found, str) else "works")
    groups = find_cgroups()
    says = groups if isinstance(groups, str) else f"version {groups.version}: {', '.join(groups.parents)}"
    remedy = (
        "; without, a compiler's processes are only limited individually (run as root, or systemd-run --user --scope)"
    )
    yield Finding("control groups", not isinstance(groups, str), says + (remedy if isinstance(groups, str) else ""))
    try:
        sandbox = choose_sandbox(sandbox_name)
    except PieBenchError as error:
        yield Finding("sandbox", False, str(error))
        return
    yield Finding("sandbox", True, f"{sandbox.name} is used")
    specs = [load_environment_spec(name) for name in environment_names()]
    simulators_missing = set()
    for spec in specs:
        findings = list(kind_of(spec.simulator).examine(spec, sandbox))
        if findings and not any(finding.usable for finding in findings):
            simulators_missing.add(spec.environment)
        yield from findings
    for spec in specs:
        try:
            environment = open_environment(spec, sandbox)
        except PieBenchError as error:
            is_above = spec.environment in simulators_missing and str(error).startswith("no ")
            says = f"no usable {spec.simulator.kind}, see above" if is_above else str(error)
            yield Finding(spec.environment, False, says, True)
        else:
            simulator = kind_of(spec.simulator).version(environment.facts)
            says = f"{environment.facts['compiler']}, {simulator}, {environment.environment_id[:12]}"
            yield Finding(spec.environment, True, says, True)
