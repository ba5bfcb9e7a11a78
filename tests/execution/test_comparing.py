"""Comparators in an environment: which one decides, and checkers that are programs."""

from pathlib import Path

import pytest

from pie_bench.data.pair import Pair, TestCase
from pie_bench.errors import UserError
from pie_bench.execution.environment import Environment, absolute_environment, load_environment_spec
from pie_bench.execution.judge import Judge, PairWithTests

ANY_ORDER = r"""
#include "check.h"
int main(int argc, char **argv) {
    std::multiset<long long> found = numbers(argv[2]), wanted = numbers(argv[3]);
    if (found.count(-13)) return 3;
    if (found == wanted) return 0;
    std::fputs("wrong answer other numbers\n", stderr);
    return 1;
}
"""
HEADER = r"""
#include <cstdio>
#include <fstream>
#include <set>
static std::multiset<long long> numbers(const char *path) {
    std::ifstream in(path);
    std::multiset<long long> all;
    for (long long x; in >> x;) all.insert(x);
    return all;
}
"""
BACKWARDS = '#include <cstdio>\nint main() { puts("2"); puts("1"); }\n'
OTHERS = '#include <cstdio>\nint main() { puts("3"); puts("1"); }\n'
BREAKS_IT = '#include <cstdio>\nint main() { puts("-13"); }\n'


@pytest.fixture
def checkers(tmp_path: Path) -> Path:
    (tmp_path / "check.h").write_text(HEADER)
    (tmp_path / "q1.cpp").write_text(ANY_ORDER)
    return tmp_path


def _pair(problem: str) -> PairWithTests:
    tests = (TestCase("0", b"", b"1\n2\n"),)
    return PairWithTests(Pair("a-b", problem, "", "", ("0",)), tests)


def test_every_environment_has_every_comparator(checkers: Path) -> None:
    plain = load_environment_spec("skylake")
    assert load_environment_spec("skylake+standard") == plain
    assert load_environment_spec("gem5-pie").comparator == "paper", "it is there for parity"
    ids = {Environment(plain, {}).environment_id}
    for comparator in ("paper", "strict", f"checker:{checkers}"):
        spec = load_environment_spec(f"skylake+{comparator}")
        assert spec.comparator == comparator
        assert Environment(spec, {}).simulation_id == Environment(plain, {}).simulation_id
        ids.add(Environment(spec, {}).environment_id)
    assert len(ids) == 4, "numbers by different comparators are of different environments"


def test_the_content_of_checkers_is_part_of_the_environment_not_their_path(checkers: Path, tmp_path: Path) -> None:
    def environment_id() -> str:
        return Environment(load_environment_spec(f"skylake+checker:{checkers}"), {}).environment_id

    before = environment_id()
    (checkers / "check.h").write_text(HEADER + "// changed\n")
    assert environment_id() != before
    (checkers / "check.h").write_text(HEADER)
    assert environment_id() == before


def test_a_checkers_path_is_made_absolute(checkers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkers.parent)
    assert absolute_environment(f"skylake+checker:{checkers.name}") == f"skylake+checker:{checkers}"


@pytest.mark.parametrize("name", ["skylake+loose", "+strict", "skylake+checker:"])
def test_an_unknown_comparator_is_an_unknown_environment(name: str) -> None:
    with pytest.raises(UserError):
        load_environment_spec(name)


def test_a_checker_judges_only_its_own_problems(checkers: Path) -> None:
    with Judge(f"skylake+checker:{checkers}") as judge:
        assert judge(BACKWARDS, _pair("q1"), measured=False).outcome == "ok"
        wrong = judge(OTHERS, _pair("q1"), measured=False)
        assert wrong.outcome == "wrong_output"
        assert judge.explain(OTHERS, wrong, _pair("q1").tests, "q1") == "wrong answer other numbers"
        breaks = judge(BREAKS_IT, _pair("q1"), measured=False)
        assert breaks.outcome == "wrong_output", "an answer cannot make it an error of ours"
        assert "checker of q1 failed on test 0: exit code 3" in judge.explain(
            BREAKS_IT, breaks, _pair("q1").tests, "q1"
        )
        # Another problem has no checker: its outputs are compared.
        assert judge(BACKWARDS, _pair("q2"), measured=False).outcome == "wrong_output"


def test_a_checker_that_fails_on_every_output_is_named(checkers: Path) -> None:
    (checkers / "q1.cpp").write_text("int main() { return 3; }")
    said = "checker of q1 failed on test 0: exit code 3, and on the test's expected output; fix the checker"
    with Judge(f"skylake+checker:{checkers}") as judge, pytest.raises(UserError, match=said):
        judge(BACKWARDS, _pair("q1"), measured=False)


def test_a_checker_that_does_not_compile_is_named(checkers: Path) -> None:
    (checkers / "q1.cpp").write_text("int main( {")
    with Judge(f"skylake+checker:{checkers}") as judge, pytest.raises(UserError, match="q1 does not compile"):
        judge(BACKWARDS, _pair("q1"), measured=False)
