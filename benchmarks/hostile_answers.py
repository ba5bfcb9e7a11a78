"""CPU seconds that extraction takes for ten megabytes of text designed to be slow, slowest first.

python -m benchmarks.hostile_answers
"""

from __future__ import annotations

import time

from pie_bench.prompting.extract import extract_code

UNITS = (
    *("{", "(", "main(", 'R"(', "/*\n", "a<b>::", "a<", "<a ", "&lt;", "> > \n", "[1] #include\n", "\u00a0"),
    *("`#include <a>", "`// ", "<br>", "main() {<br>", "#include <a>\\n", "#include <a>\\n{[", "<<<<<<< \n", "| \n"),
    *("cat <<E\n", "\\#include", "`a`\n", "<plan>", " "),
    *("```\n", "```cpp\n/*\n```\n", "<think>", "</think>\n", "<answer>\n", "</s>\n", "/*\n</s>\n", "<|channel|>"),
)
BEFORE = ("", "```cpp\n#include <cstdio>\nint main() {\n")


def hostile(before: str, unit: str, characters: int) -> str:
    """A unit repeated many times, after the beginning of an answer."""
    return before + (unit * (characters // len(unit) + 1))[:characters]


def seconds(text: str) -> float:
    """CPU seconds of extraction."""
    started = time.process_time()
    extract_code(text, "stop")
    return time.process_time() - started


def main() -> None:
    took = {(before, unit): seconds(hostile(before, unit, 10_000_000)) for before in BEFORE for unit in UNITS}
    for (before, unit), each in sorted(took.items(), key=lambda item: -item[1]):
        print(f"{each:5.2f} s  {unit!r}{' in a block' if before else ''}")


if __name__ == "__main__":
    main()
