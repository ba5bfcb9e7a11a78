"""What a verdict says about how its program was read; and, among programs presented alike, the one that compiles."""

from pathlib import Path

from pie_bench.data.pair import Pair, TestCase
from pie_bench.execution.executor import open_executor
from pie_bench.run.generation import Generation
from pie_bench.run.verdict import Verdict
from pie_bench.stages.execute import candidate_of

GOOD = '#include <cstdio>\nint main() {\n    puts("1");\n}\n'
BROKEN = GOOD.replace("puts", "putz")
PAIR = Pair("a-b", "p1", "int main() {}\n", "", ("0",))
TESTS = (TestCase("0", b"", b"1\n"),)


def _judged(text: str, finish_reason: str, folder: Path) -> tuple[Verdict, str | None]:
    candidate = candidate_of(Generation("a-b", 0, text, finish_reason), PAIR)
    verdict = open_executor("skylake", folder).execute(candidate, TESTS, measured=False)
    return Verdict.from_json(verdict.to_json()), candidate.judged(verdict.code_sha256)


def test_a_verdict_says_how_its_program_was_read(tmp_path: Path) -> None:
    text = f"<think>\nhm\n</think>\n```java\nclass A {{}}\n```\nFaster:\n```cpp\n{GOOD}```\n"
    verdict, code = _judged(text, "stop", tmp_path)
    assert (verdict.outcome, code) == ("ok", GOOD)
    assert verdict.reading is not None
    assert verdict.reading.rule.endswith("called the answer")
    assert verdict.reading.passed_over == ("thinking in <think>", "block 1: in java")


def test_among_programs_presented_alike_the_one_that_compiles_counts(tmp_path: Path) -> None:
    verdict, code = _judged(f"```cpp\n{GOOD}```\nor\n```cpp\n{BROKEN}```\n", "stop", tmp_path)
    assert (verdict.outcome, code) == ("ok", GOOD)
    assert verdict.reading is not None and "does not compile" in verdict.reading.rule


def test_without_a_program_the_verdict_says_what_there_was_instead(tmp_path: Path) -> None:
    verdict, code = _judged("```java\npublic class Main { }\n```\n", "stop", tmp_path)
    assert (verdict.outcome, code) == ("no_code", None)
    assert verdict.detail == "no program: block 1: in java"
