"""The prompts of the shipped tasks, byte for byte: they never change without a new version."""

import sys
from pathlib import Path

import pytest

from pie_bench.task import task_names

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import golden_prompts

REMEDY = (
    "a prompt changed: raise `version` of its task (results of different prompts are not comparable), "
    "then run: python tools/golden_prompts.py"
)


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return golden_prompts.prompts(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("task", task_names())
def test_a_prompt_never_changes_under_its_version(task: str, now: dict[str, str]) -> None:
    mine = {name: text for name, text in now.items() if name.startswith(f"{task}.")}
    assert len(mine) >= 2
    for name, text in mine.items():
        path = golden_prompts.GOLDEN / name
        assert path.is_file(), f"{path} is not there: {REMEDY}"
        assert path.read_bytes() == text.encode(), f"{path}: {REMEDY}"


def test_no_golden_prompt_is_left_over(now: dict[str, str]) -> None:
    assert {path.name for path in golden_prompts.GOLDEN.iterdir()} == set(now), REMEDY
