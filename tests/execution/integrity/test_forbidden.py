"""Cheating is found and named; honest programs are left alone."""

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.data.load import PairDataset, load_dataset
from pie_bench.data.pair import TestCase
from pie_bench.execution.executor import Executor
from pie_bench.execution.integrity.forbidden import find, read_program
from pie_bench.execution.integrity.literals import known_tests, split_source
from pie_bench.execution.toolchain import Toolchain
from pie_bench.run.verdict import Candidate, Verdict
from tests.execution.integrity.cheats import ANSWERS, CHEATS, CLOCKS, HONEST, SLOW, TESTS


def judged(executor: Executor, code: str, role: str = "candidate") -> Verdict:
    return executor.execute(Candidate("pair", role, 0, code, src_code=SLOW), TESTS, measured=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_named_with_its_evidence_before_it_runs(executor: Executor, name: str) -> None:
    _, evidence, code = CHEATS[name]
    verdict = judged(executor, code)
    assert verdict.outcome == "forbidden", verdict.compile_log or verdict.detail
    assert evidence in verdict.detail
    assert verdict.tests == ()


def test_there_are_enough_of_enough_kinds() -> None:
    assert len(CHEATS) + len(CLOCKS) >= 20
    assert {kind for kind, _, _ in CHEATS.values()} == {"simulator", "probe", "clock", "environment", "table"}


@pytest.mark.parametrize("name", CLOCKS)
def test_the_clock_decides_nothing(executor: Executor, name: str) -> None:
    evidence, code = CLOCKS[name]
    verdict = judged(executor, code)
    assert (verdict.outcome, evidence in verdict.detail) == ("forbidden", True), verdict.detail


@pytest.mark.parametrize("name", HONEST)
def test_honest_programs_are_right(executor: Executor, name: str) -> None:
    verdict = judged(executor, HONEST[name])
    assert (verdict.outcome, verdict.detail) == ("ok", ""), verdict.compile_log


def test_what_the_slow_program_does_too_is_no_evidence(executor: Executor) -> None:
    code = CHEATS["LD_PRELOAD"][2]
    assert executor.execute(Candidate("p", "candidate", 0, code, src_code=code), TESTS, measured=False).outcome == "ok"


def test_the_datasets_own_programs_are_not_under_suspicion(executor: Executor) -> None:
    assert judged(executor, CHEATS["if and puts"][2], role="target").outcome == "ok"


def check(toolchain: Toolchain, dataset: PairDataset, most: int) -> list[str]:
    """Findings in honest programs of a dataset, each as if it were the answer to a program that has nothing in common
    with it: a sample of `most`."""
    programs = [(pair, code) for pair in dataset.pairs for code in (pair.src_code, pair.tgt_code)]
    found = []
    for pair, code in random.Random(0).sample(programs, min(most, len(programs))):
        binary = toolchain.compile(code).binary
        if binary is not None:
            program = read_program(code, binary)
            evidence = find(program, "", dataset.tests(pair), toolchain)
            found += [f"{pair.pair_id}: {evidence}"] if evidence else []
    return found


def test_no_false_alarm_in_mini(toolchain: Toolchain) -> None:
    assert check(toolchain, load_dataset("mini", "train", with_tests=True), 5) == []


@pytest.mark.skipif(not os.environ.get("PIE_DATA_DIR"), reason="PIE_DATA_DIR is not set")
def test_no_false_alarm_in_pie(toolchain: Toolchain) -> None:
    assert check(toolchain, load_dataset("pie", "test", with_tests=True), 5) == []


def test_files_that_are_not_programs() -> None:
    with pytest.raises(ValueError, match="not a program"):
        read_program("", b"#!/bin/sh\n")


def test_source_is_split_as_the_compiler_sees_it() -> None:
    code = r"""int a = 1; // "no" 1234
/* 'x' "no" */ char c = '"', d = '\''; auto s = "yes \"1\"" "2"; auto r = R"x(raw "3" // )x";"""
    bare, strings = split_source(code)
    assert strings == ['yes "1"', "2", 'raw "3" // ']
    assert "1234" not in bare
    assert "int a = 1;" in bare


@given(st.text(alphabet="\"'\\/*R()\nx0 ", max_size=60))
def test_any_text_can_be_split(code: str) -> None:
    split_source(code)
    known_tests(code, code.encode(), "", TESTS)


@given(st.lists(st.integers(10**5, 10**9), min_size=10, max_size=30, unique=True), st.integers(0, 9))
def test_a_few_answers_among_many_are_not_a_table(answers: list[int], known: int) -> None:
    tests = [TestCase(str(i), b"1", str(answer).encode()) for i, answer in enumerate(answers)]
    code = "int t[] = {" + ",".join(map(str, answers[: min(known, 4)])) + "};"
    assert known_tests(code, b"", "", tests) is None
    assert known_tests(code, b"", code, tests) is None


def test_a_dense_table_that_hits_by_chance_is_not_blamed() -> None:
    tests = [TestCase(str(i), b"1", str(answer).encode()) for i, answer in enumerate(range(2003, 2500, 31))]
    assert known_tests(" ".join(f"{n}," for n in range(1000, 9000)), b"", "", tests) is None
    assert known_tests(" ".join(f"{n}," for n in ANSWERS), b"", "", TESTS) is not None
