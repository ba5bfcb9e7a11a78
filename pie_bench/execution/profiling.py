"""Where a program spends its cycles, by line; the lines come from debug information for the same code."""

from __future__ import annotations

from collections import Counter

from pie_bench.execution import elf
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.execution.simulators.simulator import Profiler
from pie_bench.execution.subject import Workshop
from pie_bench.hashing import sha256
from pie_bench.run.measurement import Profile


def profile(code: str, data: bytes, workshop: Workshop) -> Profile | None:
    """Where a program spends its cycles on one input; cached. None if the simulator cannot tell, or the program fails.

    The source is compiled again with `-g`, which does not change the code; this is checked. Raises SandboxError.
    """
    simulator, toolchain, store = workshop.simulator, workshop.toolchain, workshop.store
    key = sha256(code.encode(errors="replace")), sha256(data), workshop.environment.environment_id
    known = store.get_profile(*key)
    if known is not None or not isinstance(simulator, Profiler):
        return known
    binary, with_lines = toolchain.compile(code).binary, toolchain.compile(code, "-g").binary
    if binary is None or with_lines is None:
        return None
    content = elf.loaded(binary)
    if content is None or content != elf.loaded(with_lines):
        raise SandboxError(f"program {sha256(binary)[:12]}: compiling it with -g changes its code")
    # The program's own functions are those that begin in its source text, whatever was inlined into them.
    functions = elf.functions(binary)
    begins = toolchain.source_lines(with_lines, [begin for begin, _ in functions])
    own = [found for found, lines in zip(functions, begins, strict=True) if lines[-1:] != [None] and lines]
    spent = simulator.profile(binary, data, own)
    if spent is None:
        return None
    addresses = sorted({*spent.own, *spent.called})
    lines: Counter[int] = Counter()
    for address, found in zip(addresses, toolchain.source_lines(with_lines, addresses), strict=True):
        line = next((each for each in found if each is not None), None)
        if line is not None:
            lines[line] += spent.own.get(address, 0) + spent.called.get(address, 0)
    cycles = sum(spent.own.values()) + sum(spent.called.values()) + spent.elsewhere
    made = Profile(*key, cycles, tuple(sorted((line, count) for line, count in lines.items() if count)))
    store.put_profile(made)
    return made
