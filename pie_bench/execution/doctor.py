"""What works on this machine: found out by doing it, with a remedy for what does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pie_bench.errors import PieBenchError
from pie_bench.execution.environment import Gem5Spec, environment_names, load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.sandbox.cgroups import find_cgroups
from pie_bench.execution.sandbox.choose import choose_sandbox, probe_sandboxes
from pie_bench.execution.simulators.gem5.golden import golden_ticks, not_usable
from pie_bench.execution.simulators.gem5.launch import gem5_candidates


@dataclass(frozen=True)
class Finding:
    """One thing that was tried: `says` is what was found, or what is wrong and the remedy."""

    what: str
    usable: bool
    says: str
    is_environment: bool = False


def examine(sandbox_name: str | None = None) -> Iterator[Finding]:
    """Every sandbox, every way to a gem5, and every environment, in this order; each is really run."""
    probed = probe_sandboxes()
    for name, found in probed.items():
        yield Finding(f"sandbox {name}", not isinstance(found, str), found if isinstance(found, str) else "works")
    groups = find_cgroups()
    says = groups if isinstance(groups, str) else f"version {groups.version}: {', '.join(groups.parents)}"
    remedy = (
        "; without, a compiler's processes are limited one by one only (run as root, or systemd-run --user --scope)"
    )
    yield Finding("control groups", not isinstance(groups, str), says + (remedy if isinstance(groups, str) else ""))
    try:
        sandbox = choose_sandbox(sandbox_name)
    except PieBenchError as error:
        yield Finding("sandbox", False, str(error))
        return
    yield Finding("sandbox", True, f"{sandbox.name} is used")
    for name in environment_names():
        spec = load_environment_spec(name)
        if isinstance(spec.simulator, Gem5Spec):
            for candidate in gem5_candidates(spec.simulator, sandbox):
                if isinstance(candidate, str):
                    yield Finding(f"gem5 of {name}", False, candidate)
                    continue
                try:
                    version, ticks = golden_ticks(candidate, spec)
                except PieBenchError as error:
                    yield Finding(f"gem5 of {name}", False, f"{candidate.description}: {error}")
                else:
                    problem = not_usable(spec.simulator, version, ticks)
                    known = "as known" if version in spec.simulator.golden_ticks else "none known for this version"
                    says = f"gem5 {version}, golden program {ticks} ticks ({known})"
                    yield Finding(f"gem5 of {name}", problem is None, f"{candidate.description}: {problem or says}")
    for name in environment_names():
        spec = load_environment_spec(name)
        try:
            environment = open_environment(spec, sandbox)
        except PieBenchError as error:
            is_gem5 = isinstance(spec.simulator, Gem5Spec) and str(error).startswith("no gem5")
            yield Finding(name, False, "no usable gem5, see above" if is_gem5 else str(error), True)
        else:
            compiler = environment.facts["compiler"]
            facts = environment.facts
            simulator = facts.get("valgrind") or (f"gem5 {facts['gem5']}" if "gem5" in facts else "QEMU 7.2's plugin")
            yield Finding(name, True, f"{compiler}, {simulator}, {environment.environment_id[:12]}", True)
