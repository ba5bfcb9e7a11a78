"""Programs are inspected within limits, whatever they contain: too much of anything is the program's fault."""

import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_bench.data.pair import TestCase
from pie_bench.execution.integrity import apart as module
from pie_bench.execution.integrity.apart import Apart, evidence_of
from pie_bench.execution.integrity.forbidden import MOST_CODE_BYTES, Look, TooMuchError
from pie_bench.execution.integrity.literals import known_tests, split_source
from pie_bench.execution.isa import X86_64
from pie_bench.execution.pool import cpu_seconds_of_children
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.execution.toolchain import Toolchain

TESTS = [TestCase(str(n), b"%d\n" % (n * 7919 + 100003), b"%d\n" % (n * 104729 + 1234567)) for n in range(60)]
# Tables made by the assembler from a one-line source.
TABLE = """#include <cstdio>
extern "C" int big[];
asm(".section .rodata\\nbig: .set v,1\\n.rept %d\\n.long v\\n.set v,v+2011\\n.endr\\n.text");
int main() { unsigned n; if (scanf("%%u", &n) != 1) return 1; printf("%%d\\n", big[n]); }
"""
CODE = '#include <cstdio>\nint main() { puts("x"); if (getchar() == 7) asm(".rept %d\\ncpuid\\n.endr"); }\n'


@pytest.fixture
def apart() -> Iterator[Apart]:
    made = Apart()
    yield made
    made.close()


def seen(code: str, apart: Apart, toolchain: Toolchain) -> str | None:
    compiled = toolchain.compile(code)
    assert compiled.binary is not None, compiled.log
    return evidence_of(Look(code, compiled.binary, "", TESTS), apart, toolchain).evidence


def test_a_table_of_megabytes_costs_the_harness_nothing(apart: Apart, toolchain: Toolchain) -> None:
    binary = toolchain.compile(TABLE % 1_000_000).binary
    assert binary is not None
    tracemalloc.start()
    before = time.process_time()
    assert evidence_of(Look(TABLE, binary, "", TESTS), apart, toolchain).evidence is None
    assert time.process_time() - before < 1, "what is sent is all that is done here"
    assert tracemalloc.get_traced_memory()[1] < 40e6
    tracemalloc.stop()


def test_a_workers_cpu_time_counts_while_it_lives_and_once(apart: Apart, toolchain: Toolchain) -> None:
    what = Look(TABLE, toolchain.compile(TABLE % 1_000_000).binary or b"", "", TESTS)
    before = cpu_seconds_of_children()
    apart.look(what)
    alive = cpu_seconds_of_children() - before
    assert alive > 0.1, "it has imported and looked"
    apart.close()
    assert alive <= cpu_seconds_of_children() - before < 2 * alive


def test_exceeding_a_limit_is_reported(apart: Apart, toolchain: Toolchain) -> None:
    with pytest.raises(TooMuchError, match=r"12\.\d MB of data \(limit: 8\.4 MB\)"):
        seen(TABLE % 3_000_000, apart, toolchain)
    with pytest.raises(TooMuchError, match="MB of code"):
        seen(CODE % MOST_CODE_BYTES, apart, toolchain)
    assert seen(CODE % 1, apart, toolchain) == "cpuid in main", "the worker still answers"


def test_a_large_but_mostly_empty_array_is_within_the_limits(apart: Apart, toolchain: Toolchain) -> None:
    code = '#include <cstdio>\nint a[8000000] = {1};\nint main() { int n; scanf("%d", &n); printf("%d", a[n]); }'
    assert seen(code, apart, toolchain) is None


def test_a_number_of_any_length_can_be_read(apart: Apart, toolchain: Toolchain) -> None:
    """Python refuses to parse more than 4300 digits."""
    code = f'#include <cstdio>\nint main() {{ int n; scanf("%d", &n); }}\n#if 0\n{"9" * 9000} 0x{"f" * 9000}\n#endif\n'
    assert seen(code, apart, toolchain) is None


def test_a_worker_that_dies_is_replaced_and_one_that_dies_again_is_the_programs_doing(
    apart: Apart, toolchain: Toolchain
) -> None:
    good = CODE % 1
    assert seen(good, apart, toolchain) == "cpuid in main"
    os.kill(apart._idle[0].pid, signal.SIGKILL)
    assert seen(good, apart, toolchain) == "cpuid in main"

    class Dying(Apart):
        def _worker(self):
            worker = super()._worker()
            worker.kill()
            worker.wait()
            return worker

    with pytest.raises(TooMuchError, match="the worker died"):
        seen(good, Dying(), toolchain)


def test_without_a_worker_it_is_our_error(monkeypatch: pytest.MonkeyPatch, toolchain: Toolchain) -> None:
    monkeypatch.setattr(module.sys, "executable", "/bin/false")
    with pytest.raises(SandboxError, match="cannot start the process that analyses programs"):
        seen(CODE % 1, Apart(), toolchain)


def test_what_cannot_be_disassembled_is_the_programs_doing(apart: Apart, toolchain: Toolchain) -> None:
    class Failing:
        isa = X86_64

        def disassemble(self, binary: bytes) -> str:
            raise SandboxError("objdump: it was stopped")

        def disassembled(self, code: str) -> str:
            return ""

    binary = toolchain.compile(CODE % 1).binary or b""
    found = evidence_of(Look(CODE, binary, "", TESTS), apart, Failing()).evidence
    assert found == "it cannot be disassembled (objdump: it was stopped)"


def test_many_threads_may_ask(apart: Apart, toolchain: Toolchain) -> None:
    binary = toolchain.compile(CODE % 1).binary or b""
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(evidence_of(Look("", binary, "", ()), apart, toolchain).evidence))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["cpuid in main"] * 4


PARSERS: dict[str, Callable[[str], object]] = {
    "split_source": split_source,
    "known_tests": lambda text: known_tests(text, text.encode(errors="replace"), "", TESTS[:5]),
}
PIECES = (
    '"',
    "'",
    "/*",
    "*/",
    "//",
    "\\\n",
    'R"(',
    ')"',
    "#if 0\n",
    "{",
    "(",
    "1,",
    "0x",
    "9",
    "1.5",
    "\n",
    " ",
    "main(",
)
UNITS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), min_size=1, max_size=5).map("".join).filter(bool)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=30)
@given(UNITS)
def test_time_grows_with_the_text_and_no_faster(name: str, unit: str) -> None:
    """Eight times the text takes at most about twenty times the work; a quadratic parser would do 64 times as much."""
    small, large = (unit * (size // len(unit)) for size in (3_000, 24_000))

    def cost(text: str) -> float:
        began = time.thread_time()
        PARSERS[name](text)
        return time.thread_time() - began

    few, many = cost(small), cost(large)
    if many > 0.05 and many > 24 * few:  # once may be the machine's doing
        few, many = (min(cost(text) for _ in range(3)) for text in (small, large))
        assert many < 24 * max(few, 0.002)
