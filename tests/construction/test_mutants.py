"""Mutants: which mistakes are introduced, and which inputs find them."""

from dataclasses import replace
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.construction.mutants import _of_pair, chosen, mutations
from pie_bench.data.load import PairDataset
from pie_bench.data.mutants import read_mutants
from pie_bench.data.pair import TestCase
from pie_bench.data.stress import read_stress
from pie_bench.execution.executor import Executor
from pie_bench.hashing import sha256

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


def test_larger_inputs_find_what_tests_miss(executor: Executor, mini: PairDataset) -> None:
    pair = replace(mini.pairs[0], src_code=CODE, tgt_code=CODE)
    small = [TestCase("0", b"1\n", b"-1\n"), TestCase("1", b"3\n", b"-3\n")]
    large = [TestCase("s0", b"100000\n", b"4999949990\n")]
    mutants, has = _of_pair(pair, small, large, executor, 8)
    assert has == ("tests", "stress")
    overflow = next(each for each in mutants if each.change == "long long → int")
    assert overflow.found_by == ("stress",)
    by_tests, by_stress = (sum(side in each.found_by for each in mutants) for side in has)
    assert by_tests < by_stress


def test_the_verb_lists_problems_and_weak_ones_and_keeps_them(
    cache: Path, mini: PairDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mutants.json"
    command = ["dataset", "mutants", "mini", "--mutants", "3", "--out", str(path)]
    assert main([*command, "--problems", "m001"]) == 0
    said = capsys.readouterr().out
    assert "of 3 mutants the tests find" in said and "weak (tests find less than 80 %)" in said
    before = read_mutants(path, "mini", "test")
    assert before is not None and set(before.problems) == {"m001"}
    of_problem = [pair for pair in mini.pairs if pair.problem_id == "m001"]
    assert before.problems["m001"].made_from == mini.sum_of(of_problem) != mini.fingerprint()
    assert main([*command, "--problems", "m004"]) == 0
    after = read_mutants(path, "mini", "test")
    assert after is not None and set(after.problems) == {"m001", "m004"}
    assert after.problems["m001"] == before.problems["m001"]


def test_what_is_shipped_is_of_the_shipped_programs_and_inputs(mini: PairDataset) -> None:
    assert mini.folder is not None
    shipped = read_mutants(mini.folder / "mutants.test.json", "mini", "test")
    assert shipped is not None
    sums = {name: mini.sum_of(pairs) for name, pairs in mini.by_problem().items()}
    assert {name: each.made_from for name, each in shipped.problems.items()} == sums
    inputs = read_stress(mini.folder / "stress.test.json", "mini", "test")
    assert {name: each.stress_sha256 for name, each in shipped.problems.items()} == {
        name: inputs.sum_of(name) for name in shipped.problems
    }
    for name, each in shipped.problems.items():
        code = mini.pair(each.pair).tgt_code
        known = {sha256(found.code.encode()) for found in mutations(code)}
        assert {mutant.program_sha256 for mutant in each.mutants} <= known, name
