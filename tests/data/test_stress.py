"""Stress inputs: stored as generator, seed and hash, regenerated bit for bit, read as tests."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pie_bench.data.load import load_dataset
from pie_bench.data.spec import load_spec
from pie_bench.data.stress import (
    FAMILY_SIZES,
    MIN_SHARE,
    StressSet,
    StressTests,
    packed,
    read_stress,
    rebuilt,
    stress_path,
    unpacked,
    write_stress,
)
from pie_bench.errors import UserError


@pytest.fixture(scope="module")
def mini_path() -> Path:
    return stress_path(load_spec("mini"), "test")


@pytest.fixture(scope="module")
def mini_set(mini_path: Path) -> StressSet:
    return read_stress(mini_path, "mini", "test")


# Files are read first: another user may have no access to the interpreter's.
ELSEWHERE = """
import os, sys
from pathlib import Path
from pie_bench.data.stress import read_stress, rebuilt
path = Path(sys.argv[1])
found = read_stress(path, "mini", "test")
os.umask(0o077)
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(1000)
    os.setuid(1000)
print(rebuilt(found, path), found.sum)
"""


def test_minis_inputs_are_made_again_with_their_sums_by_another_user_in_another_folder(
    mini_set: StressSet, mini_path: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    variables = {"HOME": str(tmp_path), "LANG": "C", "TZ": "Asia/Tokyo", "PYTHONPATH": str(pytestconfig.rootpath)}
    command = [sys.executable, "-c", ELSEWHERE, str(mini_path)]
    made = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True)
    inputs = sum(len(problem.inputs) for problem in mini_set.problems.values())
    assert made.stdout.split() == [str(inputs), mini_set.sum]


def test_every_pair_of_mini_has_five_inputs_that_are_mostly_work_and_a_family(mini_set: StressSet) -> None:
    for pair in mini_set.pairs.values():
        assert sum(share >= MIN_SHARE for share in pair.shares.values()) >= 5
    for problem in mini_set.problems.values():
        sizes = [each.size for each in problem.inputs if each.family]
        assert sizes == sorted(set(sizes)) and FAMILY_SIZES - 1 <= len(sizes) <= FAMILY_SIZES
        assert problem.tried == problem.agreed + problem.disagreed + problem.too_few


def test_they_are_tests_of_the_dataset(mini_set: StressSet) -> None:
    dataset, paper = load_dataset("mini", "test", stress=True), load_dataset("mini", "test")
    assert dataset.name == "mini+stress" and len(dataset.pairs) == len(paper.pairs)
    assert dataset.fingerprint() != paper.fingerprint()
    pair = dataset.pairs[0]
    assert pair.tests == tuple(mini_set.pairs[pair.pair_id].shares)
    assert all(test.input and test.expected_output for test in dataset.tests(pair))


def test_a_pair_whose_programs_changed_has_none(mini_set: StressSet) -> None:
    pair = load_dataset("mini", "test").pairs[0]
    assert mini_set.tests_of(pair)
    assert mini_set.tests_of(replace(pair, src_code=pair.src_code + "\n")) == ()
    assert mini_set.tests_of(replace(pair, pair_id="another")) == ()


def test_a_pair_without_work_has_none(mini_set: StressSet) -> None:
    pair = load_dataset("mini", "test").pairs[0]
    known = mini_set.pairs[pair.pair_id].model_copy(update={"shares": {"s0": MIN_SHARE - 0.01}})
    assert mini_set.model_copy(update={"pairs": {pair.pair_id: known}}).tests_of(pair) == ()


def test_a_changed_input_or_output_is_noticed(mini_set: StressSet, mini_path: Path) -> None:
    data = json.loads(mini_path.read_text())
    first = data["problems"]["m001"]["inputs"][0]
    for change in ({"seed": 99}, {"output": packed(b"none\n")}):
        problem = data["problems"]["m001"] | {"inputs": [first | change]}
        changed = StressSet.model_validate(data | {"problems": {"m001": problem}})
        with pytest.raises(UserError, match="m001: s0: its (input|output) does not match its hash"):
            rebuilt(changed, mini_path)
    assert StressTests(mini_set, mini_path).has(("m001", "input", "s0"))
    assert not StressTests(mini_set, mini_path).has(("m001", "input", "s99"))


def test_its_hash_does_not_depend_on_the_compression(mini_set: StressSet) -> None:
    problem = mini_set.problems["m001"]
    other = [each.model_copy(update={"output": "another packing"}) for each in problem.inputs]
    problems = {**mini_set.problems, "m001": problem.model_copy(update={"inputs": tuple(other)})}
    assert mini_set.model_copy(update={"problems": problems}).sum == mini_set.sum


def test_sets_are_written_and_read(mini_set: StressSet, tmp_path: Path) -> None:
    write_stress(tmp_path / "set.json", mini_set)
    assert read_stress(tmp_path / "set.json", "mini", "test") == mini_set


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "has no stress inputs yet; make them: pie-bench dataset stress mini --split val"),
        ("{}", "Field required"),
        ("x", "Invalid JSON"),
    ],
)
def test_mistakes_in_a_file_are_reported(content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=said):
        read_stress(path, "mini", "val")


def test_a_set_of_another_dataset_is_refused(mini_path: Path) -> None:
    with pytest.raises(UserError, match="of mini/test, not pie/test"):
        read_stress(mini_path, "pie", "test")


def test_packing() -> None:
    assert unpacked(packed(b"1 2\n" * 1000), "x") == b"1 2\n" * 1000
    for text in ("?", packed(b"x" * ((4 << 20) + 1)), "eA=="):
        with pytest.raises(UserError, match="x: output"):
            unpacked(text, "x")
