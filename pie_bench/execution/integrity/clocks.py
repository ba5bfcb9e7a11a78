"""Whether a program's way depends on the clock: run twice under valgrind, with a clock that all but stands and one that
runs away, it must execute about the same instructions. A seed taken from the clock does not matter; a program that
times itself to find out where it runs, or computes until its time is up, does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pie_bench.execution.sandbox.sandbox import PROGRAM, REPORT_PATH, Command, File, Limits, Sandbox
from pie_bench.execution.simulators.cachegrind import parse_counters
from pie_bench.execution.toolchain import Toolchain

WORLDS = {"slow": 1_000, "fast": 1_000_000_000}  # nanoseconds that pass from one look at the clock to the next
MAX_RATIO = 1.5  # of instructions; another seed changes a hash table by a few percent
_NOISE = 100_000  # instructions that do not matter
_CPU_SECONDS = 20
_PRELOAD = "/w/clock.so"
_CLOCK = """
#include <ctime>
#include <cstring>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timeb.h>
static long long now() { static long long looks = 0; return 1700000000000000000LL + STEP * looks++; }
static timespec spec() { long long t = now(); return {(time_t)(t / 1000000000), (long)(t % 1000000000)}; }
extern "C" {
int clock_gettime(clockid_t, timespec* t) noexcept { *t = spec(); return 0; }
int timespec_get(timespec* t, int base) noexcept { *t = spec(); return base; }
int gettimeofday(timeval* t, void*) noexcept { timespec s = spec(); *t = {s.tv_sec, s.tv_nsec / 1000}; return 0; }
time_t time(time_t* t) noexcept { time_t s = spec().tv_sec; if (t) *t = s; return s; }
clock_t clock() noexcept { return (clock_t)((now() - 1700000000000000000LL) / 1000); }
clock_t times(tms* t) noexcept { memset(t, 0, sizeof *t); return t->tms_utime = now() / 10000000; }
int ftime(timeb* t) { memset(t, 0, sizeof *t); timespec s = spec(); t->time = s.tv_sec; return 0; }
int getrusage(__rusage_who_t, rusage* r) noexcept {
    memset(r, 0, sizeof *r); timespec s = spec(); r->ru_utime = {s.tv_sec - 1700000000, s.tv_nsec / 1000}; return 0;
}
}
"""


def clock_decides(
    binary: bytes,
    inputs: Sequence[bytes],
    toolchain: Toolchain,
    sandbox: Sandbox,
    limits: Limits,
    root: Path | None,
    environment: Mapping[str, str],
) -> str | None:
    """The evidence that the clock decides what a program does, on its shortest and its longest input; None when there
    is none. SandboxError when it could not be run."""
    clocks = {world: toolchain.library(f"#define STEP {step}LL\n{_CLOCK}") for world, step in WORLDS.items()}
    limits = limits.model_copy(update={"cpu_seconds": min(limits.cpu_seconds, _CPU_SECONDS)})
    for data in dict.fromkeys((min(inputs, key=len), max(inputs, key=len))):
        counted = {}
        for world, clock in clocks.items():
            finished = sandbox.run(
                Command(
                    ["/usr/bin/valgrind", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={REPORT_PATH}"]
                    + ["--vgdb=no", PROGRAM],
                    data,
                    {PROGRAM: File(binary, True), _PRELOAD: File(clock, True)},
                    {**environment, "LD_PRELOAD": _PRELOAD},
                    root,
                ),
                limits,
                "simulator",
            )
            if finished.cpu_limit or finished.stalled:
                return f"it does not end with a {world} clock"
            counted[world] = (parse_counters(finished.report).get("Ir", 0), finished.stdout, finished.exit_code)
        slow, fast = counted["slow"], counted["fast"]
        if slow[1:] != fast[1:]:
            return "its output depends on the clock"
        more, less = max(slow[0], fast[0]), min(slow[0], fast[0])
        if more > MAX_RATIO * less and more - less > _NOISE:
            return f"the clock decides its way: {slow[0]} instructions with a slow one, {fast[0]} with a fast one"
    return None
