"""Mutants: the mistakes that are made, and which inputs find them."""

from dataclasses import replace

import pytest

from pie_bench.cli.main import main
from pie_bench.construction.mutants import Kills, Mutant, _of_pair, chosen, mutations
from pie_bench.data.load import PairDataset
from pie_bench.data.pair import TestCase
from pie_bench.execution.executor import Executor

CODE = """#include <iostream>
int main() {
    long long n, s = 0;
    std::cin >> n;
    int kept[10];
    for (int i = 0; i < n; i++) {
        if (i > 3) s += i; else s -= 1;
    }
    std::cout << s << "\\n";
}
"""


def test_mistakes_of_every_kind_are_made_where_they_can_be() -> None:
    found = {(each.kind, each.line, each.change) for each in mutations(CODE)}
    assert found >= {
        ("overflow", 3, "long long → int"),
        ("off-by-one", 6, "< → <="),
        ("off-by-one", 7, "> → >="),
        ("bound", 7, "3 → 4"),
        ("dropped case", 7, "(i > 3) → (false)"),
        ("dropped case", 7, "else s -= 1; → "),
    }
    assert not any(line == 5 for _, line, _ in found), "an array's size is no case"
    for each in mutations(CODE):
        assert each.code != CODE and each.code.count("\n") == CODE.count("\n")


def test_each_kind_has_its_turn_and_the_seed_decides() -> None:
    picked = chosen(CODE, 4, "pair")
    assert {each.kind for each in picked} == {"off-by-one", "bound", "overflow", "dropped case"}
    assert picked == chosen(CODE, 4, "pair")
    assert len(chosen(CODE, 100, "pair")) == len(mutations(CODE))
    assert chosen("", 4, "pair") == []


def test_what_tests_miss_larger_inputs_find(executor: Executor, mini: PairDataset) -> None:
    pair = replace(mini.pairs[0], src_code=CODE, tgt_code=CODE)
    small = [TestCase("0", b"1\n", b"-1\n"), TestCase("1", b"3\n", b"-3\n")]
    large = [TestCase("s0", b"100000\n", b"4999949990\n")]
    found = _of_pair(pair, small, large, executor, 8)
    assert found.has == ("tests", "stress") and found.weak
    overflow = next(each for each in found.mutants if each.change == "long long → int")
    assert overflow.found_by == ("stress",)
    assert (found.killed("tests") or 0) < (found.killed("stress") or 0) <= (found.killed(None) or 0)
    assert found.killed("guards") is None


def test_rates_by_hand() -> None:
    mutants = tuple(Mutant("bound", 1, "0 → 1", "0" * 64, by) for by in ((), ("tests",), ("tests", "guards")))
    found = Kills(mutants, ("tests", "guards"))
    assert (found.killed("tests"), found.killed("guards"), found.killed("stress"), found.killed(None)) == (
        2,
        1,
        None,
        2,
    )
    assert found.weak and not Kills(mutants[1:], ("tests",)).weak and not Kills((), ()).weak


def test_the_verb_lists_problems_and_weak_ones(cache: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "mutants", "mini", "--problems", "m001", "--mutants", "3"]) == 0
    said = capsys.readouterr().out
    assert "of 3 mutants the tests find" in said and "weak (tests find less than 80 %)" in said
