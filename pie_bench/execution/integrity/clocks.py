"""Detects programs whose control flow depends on the clock, by running them under a slow and a fast fake clock: both
runs must execute about the same number of instructions in the simulator. Seeding a random generator from the clock is
harmless; timing oneself to find out where one runs, or computing until time is up, is not.
"""

from __future__ import annotations

from collections.abc import Sequence

from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.execution.simulators.simulator import Simulator
from pie_bench.execution.toolchain import Toolchain

WORLDS = {"slow": 1_000, "fast": 1_000_000_000}  # nanoseconds between two readings of the clock
MAX_RATIO = 1.5  # of instructions; another seed changes a hash table's by a few percent
_NOISE = 100_000  # instructions: smaller differences do not matter
# Linked into the program, so it takes precedence over the C library; weak, so that a program may define its own.
_CLOCK = """
#include <ctime>
#include <cstring>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timeb.h>
static long long now() { static long long looks = 0; return 1700000000000000000LL + STEP * looks++; }
static timespec spec() { long long t = now(); return {(time_t)(t / 1000000000), (long)(t % 1000000000)}; }
#define OWN __attribute__((weak))
extern "C" {
OWN int clock_gettime(clockid_t, timespec* t) noexcept { *t = spec(); return 0; }
OWN int timespec_get(timespec* t, int base) noexcept { *t = spec(); return base; }
OWN int gettimeofday(timeval* t, void*) noexcept { timespec s = spec(); *t = {s.tv_sec, s.tv_nsec / 1000}; return 0; }
OWN time_t time(time_t* t) noexcept { time_t s = spec().tv_sec; if (t) *t = s; return s; }
OWN clock_t clock() noexcept { return (clock_t)((now() - 1700000000000000000LL) / 1000); }
OWN clock_t times(tms* t) noexcept { memset(t, 0, sizeof *t); return t->tms_utime = now() / 10000000; }
OWN int ftime(timeb* t) { memset(t, 0, sizeof *t); timespec s = spec(); t->time = s.tv_sec; return 0; }
OWN int getrusage(__rusage_who_t, rusage* r) noexcept {
    memset(r, 0, sizeof *r); timespec s = spec(); r->ru_utime = {s.tv_sec - 1700000000, s.tv_nsec / 1000}; return 0;
}
}
"""


def clock_decides(
    code: str, inputs: Sequence[bytes], toolchain: Toolchain, simulator: Simulator, counter: str
) -> str | None:
    """Evidence that the clock decides what a program does on its shortest or longest input; None if there is none.
    `counter` is the simulator's instruction counter. Raises SandboxError if the program could not be run."""
    programs = {}
    for world, step in WORLDS.items():
        compiled = toolchain.compile(code, beside=f"#define STEP {step}LL\n{_CLOCK}")
        if compiled.binary is None:
            raise SandboxError(f"the program does not compile with a {world} clock: {compiled.log[:300]}")
        programs[world] = compiled.binary
    for data in dict.fromkeys((min(inputs, key=len), max(inputs, key=len))):
        (slow,), (fast,) = (simulator.measure(programs[world], [data]) for world in WORLDS)
        for run in (slow, fast):
            if run.outcome == "infra_error":
                raise SandboxError(run.detail)
        if (slow.outcome == "instruction_limit") != (fast.outcome == "instruction_limit"):
            return f"it does not end with a {'slow' if slow.outcome == 'instruction_limit' else 'fast'} clock"
        if (slow.outcome, slow.stdout_sha256, slow.exit_code) != (fast.outcome, fast.stdout_sha256, fast.exit_code):
            return "its output depends on the clock"
        counts = [run.counters.get(counter, 0) for run in (slow, fast)]
        if max(counts) > MAX_RATIO * min(counts) and max(counts) - min(counts) > _NOISE:
            return (
                f"its control flow depends on the clock: {counts[0]} instructions with a slow one, "
                f"{counts[1]} with a fast one"
            )
    return None
