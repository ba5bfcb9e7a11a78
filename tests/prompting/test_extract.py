import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.cpp import code_tokens
from pie_bench.prompting.extract import Extraction, extract_code

HELLO = '#include <cstdio>\n\nint main() {\n    puts("hello");\n    return 0;\n}\n'
FAST = '#include <cstdio>\nint main() {\n    int n;\n    return scanf("%d", &n) - 1; // it\'s fast\n}\n'
HELPER_LAST = (
    "#include <cstdio>\nint twice(int);\nint main() { return twice(0); }\nint twice(int a) {\n    return 2 * a;\n}\n"
)
DECLARED_LAST = (
    "#include <cstdio>\nvoid solve(); int main() { solve(); }\n\nconst long long INF = 1e18;\nint n, d[9];\n"
    'struct P { int a; };\nvoid solve() {\n    puts("}");\n}\n'
)
TRICKY = r"""#include <cstdio>
#define OPEN {
// } a brace in a comment }
/* } */
const char *raw = R"x(}}} )" }})x";
const char *plain = "} \" }";
int main()
try {
    char c = '}', q = '\'';
    return 1'000 - 1000;
}
catch (...) { return 1; }
"""
PROGRAMS = {
    "hello": HELLO,
    "fast": FAST,
    "helper behind main": HELPER_LAST,
    "declarations behind main": DECLARED_LAST,
    "braces that do not count": TRICKY,
    "brace on the next line": "long long f(int a) // twice\n{\n    return a;\n}\nint main(void)\n{\n}\n",
    "no type": "main() {\n}\n",
    "trailing return type": "typedef long long ll;\nauto main() -> int {\n}\n",
    "main of a namespace": "namespace sol {\nvoid main() {\n}\n}\nint main() {\n    sol::main();\n}\n",
    "template": "template <typename T>\nT id(T a) { return a; }\nint main() {\n    return id(0);\n}\n",
    "class": "class A : B {\n};\nint main() {\n}\n",
    "globals": "std::vector<int> a, b;\nint dp[10][20] = {\n    {1},\n};\nint main() {\n}\n",
}
BEFORE = [
    "",
    "\n\n",
    "# optimized version of the same code:\n\n",
    "Sure! Here's the (faster) program; it doesn't use cin, and main() {is} short:\n\n",
    "### Optimized code\n1. short answer: using a table, the class of inputs is small;\n\n",
]
AFTER = [
    "",
    "\n",
    "\n\nExplanation: it isn't slow (at all) {any more}; I'd measure it.\nThe main() function reads once.\n",
]
FENCES = [("```cpp", "```"), ("```", "```"), ("~~~c++", "~~~"), ("````C++ title", "`````"), ("  ```", "  ```  ")]


def code(text: str, finish_reason: str = "stop", **options: str) -> str:
    extraction = extract_code(text, finish_reason, **options)
    assert extraction.code is not None, extraction.reason
    return extraction.code


@pytest.mark.parametrize("finish_reason", ["stop", "length"])
@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_found_between_prose(name: str, before: str, after: str, finish_reason: str) -> None:
    assert code(before + PROGRAMS[name].strip() + after, finish_reason) == PROGRAMS[name]


@pytest.mark.parametrize("fence", FENCES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_found_in_a_fence(name: str, fence: tuple[str, str]) -> None:
    opening, closing = fence
    for finish_reason in ("stop", "length"):
        text = f"It's here:\n{opening}\n{PROGRAMS[name]}{closing}\nDone; it's (very) {{fast}}."
        assert code(text, finish_reason) == PROGRAMS[name]
        assert code(text.replace("\n", "\r\n"), finish_reason) == PROGRAMS[name]


def test_among_equal_blocks_the_last_program_counts() -> None:
    snippet = "```cpp\nint x; // in main() only\n```\n"
    found = extract_code(f"{snippet}```\n{FAST}```\n```\n{HELLO}```\n{snippet}", "stop")
    assert found.code == HELLO
    assert found.alternatives == (FAST,), "what compiles decides"


def test_a_block_that_repeats_the_source_gives_way() -> None:
    original = "```cpp\n// the original\n" + HELLO.replace("    ", "\t") + "```\n"
    answer = f"### Original\n{original}### Optimized\n```cpp\n{FAST}```\n"
    assert code(answer) == FAST, "by its heading"
    unnamed = answer.replace("### Original\n", "").replace("### Optimized\n", "").replace("// the original\n", "")
    assert code(f"{unnamed}{original}", src_code=HELLO) == FAST
    assert "the original" in code(original, src_code=HELLO)
    assert code(original + HELLO_IN_OPEN_FENCE, src_code=HELLO) == HELLO
    assert extract_code(original + HELLO_IN_OPEN_FENCE, "length", src_code=HELLO).reason == "truncated"


HELLO_IN_OPEN_FENCE = "```cpp\n" + HELLO


def test_a_closing_fence_may_stand_behind_the_code() -> None:
    assert code(f"```cpp\n{HELLO.strip()}```\nmore") == HELLO


def test_a_language_tag_opens_a_new_block() -> None:
    assert code(f"Look:\n```\nprose\n```cpp\n{HELLO}```\n") == HELLO


def test_a_bare_fence_behind_a_program_closes_it() -> None:
    for finish_reason in ("stop", "length"):
        assert code(f"\n{HELLO}```\n\nAnother one:\n```cpp\n{FAST}```\nand", finish_reason) == HELLO


def test_a_snippet_in_a_fence_does_not_hide_a_program_outside() -> None:
    assert code(f"The loop\n```cpp\nint i;\n```\nis slow:\n\n{HELLO}") == HELLO


def test_an_open_fence() -> None:
    assert code("Here:\n" + HELLO_IN_OPEN_FENCE) == HELLO
    assert extract_code("Here:\n" + HELLO_IN_OPEN_FENCE, "length") == Extraction(None, "truncated")
    assert extract_code("Here:\n```cpp", "length") == Extraction(None, "truncated")
    assert extract_code("Here:\n```cpp\nint i;", "stop") == Extraction(None, "no_code")


def test_a_main_that_never_closes() -> None:
    assert extract_code("Fast:\n" + HELLO[:-3], "length") == Extraction(None, "truncated")
    assert code("Fast:\n" + HELLO[:-3]) == HELLO[:-3] + "\n"


def test_a_function_behind_main_that_never_closes() -> None:
    assert extract_code(HELPER_LAST[:-3], "length") == Extraction(None, "truncated")
    assert code(HELPER_LAST[:-3]) == HELPER_LAST[:-3].rstrip("\n") + "\n"


@pytest.mark.parametrize("part", ["#include <cstdio>\nint f() { return", "int main()", "/*\n * fast", "// C++\n"])
def test_cut_before_main(part: str) -> None:
    assert extract_code(part, "length") == Extraction(None, "truncated")
    assert extract_code(part, "stop") == Extraction(None, "no_code")


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "The program is optimal already: main() reads once; nothing to do.",
        "def main():\n    print(1)\n\nmain()\n",
        "```python\ndef main():\n    print(1)\n```",
        "class of problems\nusing a table is fast\nFirst, we read; then we add,\n",
    ],
)
@pytest.mark.parametrize("finish_reason", ["stop", "length", "content_filter", ""])
def test_no_code(text: str, finish_reason: str) -> None:
    assert extract_code(text, finish_reason) == Extraction(None, "no_code")


@pytest.mark.parametrize("text", ["", "   \n\n"])
def test_an_empty_answer_that_was_cut_went_into_hidden_reasoning(text: str) -> None:
    assert extract_code(text, "stop") == Extraction(None, "no_code")
    found = extract_code(text, "length")
    assert (found.reason, "hidden reasoning" in found.rule) == ("truncated", True)


def test_another_program_behind_the_first_is_dropped() -> None:
    assert code(f"{HELPER_LAST}\n{DECLARED_LAST}") == HELPER_LAST
    assert code(f"{HELLO}int main() {{\n}}\n") == HELLO


def test_a_declaration_behind_main_without_a_function_is_dropped() -> None:
    assert code(HELLO + "int unused;\nint cut = 1") == HELLO


PIECES = [*PROGRAMS.values(), *BEFORE, *AFTER, "```", "```cpp", "~~~", "\n", "{", "}", "(", "main", "int main() {", '"']
PIECES += ["'", 'R"(', "/*", "//", "#", "\\\n", "\r", "#define A {", "catch", "\x00", "\ud800", "é"]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)), st.sampled_from(["stop", "length", ""]))
def test_any_text_gives_a_program_or_a_reason(text: str, finish_reason: str) -> None:
    extraction = extract_code(text, finish_reason, src_code=HELLO)
    if extraction.code is None:
        assert extraction.reason in ({"no_code", "truncated"} if finish_reason == "length" else {"no_code"})
    else:
        assert extraction.reason is None
        assert "main" in extraction.code
        assert extraction.code.endswith("\n")
        assert all(line in text for line in extraction.code.split("\n"))


@given(st.sampled_from([HELLO, FAST, HELPER_LAST, PROGRAMS["globals"], PROGRAMS["template"]]), st.data())
def test_a_cut_answer_is_never_half_a_program(program: str, data: st.DataObject) -> None:
    cut = program[: data.draw(st.integers(0, len(program)))]
    extraction = extract_code(cut, "length")
    if extraction.code is not None:
        assert extraction.code.count("{") == extraction.code.count("}")


@pytest.mark.parametrize(
    "text",
    ["main(" * 20_000, "/*" * 50_000, "#/*" * 30_000, "int a(" + ") //" * 20_000, "#\\\n" * 20_000, "```\n" * 20_000],
    ids=["calls", "comments", "directives", "signature", "continuations", "fences"],
)
def test_long_answers_take_linear_time(text: str) -> None:
    assert extract_code(text, "stop").code is None


@pytest.mark.pie_data
def test_real_answers_all_hold_a_program() -> None:
    path = Path(os.environ.get("PIE_DATA_DIR", "")) / "model_answers.jsonl"
    if "PIE_DATA_DIR" not in os.environ or not path.is_file():
        pytest.skip("no real model answers: PIE_DATA_DIR/model_answers.jsonl is absent")
    for line in path.read_text(encoding="utf-8").splitlines():
        answer = json.loads(line)["completion"]
        found = code(answer)
        assert "main" in code_tokens(found)
        if "```" not in answer:
            assert code_tokens(found) == code_tokens(answer)


@pytest.mark.parametrize(
    ("text", "doubtful"),
    [
        (f"```cpp\n{HELLO}```\n", False),
        (f"Slow:\n```cpp\n{FAST}```\nOptimized:\n```cpp\n{HELLO}```\n", False),
        (f"```cpp\n{FAST}```\nor\n```cpp\n{HELLO}```\n", True),
        (f"```cpp\n{HELLO}```\n```cpp\n{HELLO}```\n", False),
        (f"A first attempt:\n```cpp\n{HELLO}```\n", True),
        ("```python\nprint(1)\n```\n", True),
        ("It cannot be faster.", False),
    ],
)
def test_a_reader_is_told_where_to_look(text: str, doubtful: bool) -> None:
    assert extract_code(text, "stop").doubtful is doubtful
