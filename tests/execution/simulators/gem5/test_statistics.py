"""What is kept of gem5's statistics file."""

from hypothesis import given
from hypothesis import strategies as st

from pie_bench.execution.simulators.gem5.statistics import COUNTERS, parse_statistics

NEW = """
---------- Begin Simulation Statistics ----------
simSeconds                                   0.000162                       # Number of seconds simulated (Second)
simTicks                                    161545098                       # Number of ticks simulated (Tick)
system.cpu.numCycles                           564843                       # Number of cpu cycles simulated (Cycle)
system.cpu.cpi                               4.915001                       # CPI: cycles per instruction
system.cpu.branchPred.lookups                   40001                       # Number of BP lookups (Count)
system.cpu.commit.branchMispredicts              2711                       # mispredicted branches (Count)
system.cpu.commit.branches                      22222                       # Number of branches committed (Count)
system.cpu.dcache.demandMisses::cpu.data         1555                       # number of demand misses (Count)
system.cpu.dcache.demandMisses::total            1555                       # number of demand misses (Count)
system.cpu.icache.demandMisses::total            1120                       # number of demand misses (Count)
system.l2cache.demandMisses::total               2000                       # number of demand misses (Count)

---------- End Simulation Statistics   ----------

---------- Begin Simulation Statistics ----------
system.cpu.numCycles                                1                       # of a second dump
---------- End Simulation Statistics   ----------
"""
OLD = NEW.replace("demandMisses", "demand_misses")


def test_the_first_dump_of_either_version_is_read() -> None:
    expected = {
        "cycles": 564843,
        "branches": 22222,
        "branch_mispredictions": 2711,
        "l1d_misses": 1555,
        "l1i_misses": 1120,
        "l2_misses": 2000,
    }
    assert parse_statistics(NEW) == parse_statistics(OLD) == expected


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_no_text_breaks_the_parser(text: str) -> None:
    assert set(parse_statistics(text)) <= set(COUNTERS)
    assert set(parse_statistics("system.cpu.numCycles 1\n" + text)) >= {"cycles"}
