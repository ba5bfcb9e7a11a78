"""What 64 KB of an answer cost the harness in its own process, whatever they repeat: CPU seconds and memory."""

import sys
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pie_bench.cpp import main_parameters
from pie_bench.data.pair import TestCase
from pie_bench.execution.integrity import guards
from pie_bench.execution.integrity.guard_inputs import guard_inputs
from pie_bench.execution.integrity.literals import known_tests, split_source
from pie_bench.plain import plain, plain_within, shown_name
from pie_bench.prompting.extract import extract_code
from pie_bench.prompting.programs import lexed_once

SIZE = 1 << 16
MOST_SECONDS, MOST_BYTES = 0.2, 100 << 20
BUSY = 5  # times: a busy machine's slowdown; anything not linear takes a hundred times as long
TESTS = [TestCase(str(n), f"{n * 7919}\n".encode(), f"{n * 104729}\n".encode()) for n in range(1, 20)]
INPUTS = [test.input for test in TESTS]

PARSERS: dict[str, Callable[[str], object]] = {
    "extraction": lambda text: extract_code(text, "stop"),
    "literals": split_source,
    "parameters of main": lambda text: main_parameters(split_source(text)[0]),
    "known tests, in the text": lambda text: known_tests(text, b"", "", TESTS),
    "known tests, in the data": lambda text: known_tests("", text.encode(errors="replace")[: SIZE // 8 * 8], "", TESTS),
    "the sanitizers' words": guards._SAID.search,
    "a test's input": lambda text: guard_inputs([*INPUTS, text.encode(errors="replace")], 3, 1),
    "plain text": lambda text: (plain(text), plain_within([text]), shown_name(text)),
}
_PIECES = st.sampled_from(
    [*"\"'`/\\*<>{}()[]#|&; \n\t-.0x9eE", *('R"(', ')"', "//", "/*", "*/", "```", "```cpp\n", "main(", "int ", "1 ")]
    + ["#include <", "<think>", "\u202e", "\x1b[", "\ud800"]
)
units = st.lists(_PIECES | st.text(max_size=3), min_size=1, max_size=6).map("".join).filter(bool)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=8)
@given(
    units, st.sampled_from(["", "```cpp\nint main() {", "int main() { /*", '"', 'R"x(']), st.sampled_from(["", "}\n"])
)
@example("*/e;(}", "int main() { /*", "")  # declarations on one line, each of which had the whole line read: 18 s
@example("#include <", "", "}\n")  # each looked for its end in the rest of the line: 1 s
def test_it_is_cheap(name: str, unit: str, before: str, after: str) -> None:
    text = (before + unit * (SIZE // len(unit) + 1))[: SIZE - len(after)] + after
    seconds = min(_seconds(PARSERS[name], text) for _ in range(2))
    assert seconds <= BUSY * MOST_SECONDS


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=3)
@given(units)
def test_it_is_small(name: str, unit: str) -> None:
    text = (unit * (SIZE // len(unit) + 1))[:SIZE]
    tracemalloc.start()
    try:
        PARSERS[name](text)
        assert tracemalloc.get_traced_memory()[1] <= MOST_BYTES
    finally:
        tracemalloc.stop()


def _seconds(parser: Callable[[str], object], text: str) -> float:
    """CPU seconds, without line tracing such as coverage's."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        lexed_once.cache_clear()  # of the run before
        began = time.process_time()
        parser(text)
        return time.process_time() - began
    finally:
        sys.settrace(tracer)
