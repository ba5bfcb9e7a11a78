"""Reduces gem5's statistics file, about 200 KB of text, to the few counters that explain a program's speed."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Counter: the statistics to read it from, in order (their names changed between v20.1 and v24).
COUNTERS: Mapping[str, tuple[str, ...]] = {
    "cycles": ("system.cpu.numCycles",),
    "branches": ("system.cpu.commit.branches", "system.cpu.commitStats0.numBranches", "system.cpu.branchPred.lookups"),
    "branch_mispredictions": ("system.cpu.commit.branchMispredicts",),
    "loads": ("system.cpu.commit.loads", "system.cpu.commitStats0.numLoadInsts"),
    "l1i_misses": ("system.cpu.icache.demandMisses::total", "system.cpu.icache.demand_misses::total"),
    "l1d_misses": ("system.cpu.dcache.demandMisses::total", "system.cpu.dcache.demand_misses::total"),
    "l2_misses": ("system.l2cache.demandMisses::total", "system.l2cache.demand_misses::total"),
    "l3_misses": ("system.l3cache.demandMisses::total", "system.l3cache.demand_misses::total"),
}
_LINE = re.compile(r"^(\S+)\s+(-?\d{1,18})(?:\s|$)")


def parse_statistics(text: str) -> dict[str, int]:
    """The `COUNTERS` of the first dump in a stats.txt, omitting counters whose statistic is absent.

    Some versions of gem5 omit statistics that are zero: no cache misses at all then gives no counter.
    """
    values: dict[str, int] = {}
    for line in text.partition("End Simulation Statistics")[0].splitlines():
        match = _LINE.match(line)
        if match is not None:
            values.setdefault(match[1], int(match[2]))
    found = {}
    for counter, names in COUNTERS.items():
        value = next((values[name] for name in names if name in values), None)
        if value is not None:
            found[counter] = value
    return found
