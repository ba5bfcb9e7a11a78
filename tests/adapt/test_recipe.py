"""Recipes: the shipped ones hold the paper's settings, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pie_bench.adapt.lessons import load_task_of
from pie_bench.adapt.recipe import load_adapt_recipe, recipe_names
from pie_bench.errors import UserError
from tests.adapt.conftest import recipe


def test_the_papers_recipes_are_shipped() -> None:
    assert recipe_names() == ["all_selfplay", "chat", "full", "hq", "hq_selfplay", "lora", "perf_cond"]
    for name in recipe_names():
        found = load_adapt_recipe(name)
        assert found.recipe == name
        assert found.training.batch_size == 32
        assert found.max_tokens == (16000 if name == "chat" else 2000)
        assert load_task_of(found).prompt.tags == ((10,) if name == "perf_cond" else ())
    assert load_adapt_recipe("hq_selfplay").pairs == "hq"
    assert load_adapt_recipe("hq_selfplay").synthetic
    lora = load_adapt_recipe("lora").lora
    assert lora is not None
    assert (lora.r, lora.alpha) == (32, 16)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "include: full.yaml\nmax_token: 5\n",
            "own.yaml:2: max_token: unknown key 'max_token'",
        ),
        ("include: full.yaml\nmethod: lora\n", "method lora and the settings of lora must be given together"),
        ("include: full.yaml\ntraining: {micro_batch_size: 3}\n", "batch_size 32 is not a multiple of"),
        ("include: full.yaml\ntraining: {learning_rate: -1}\n", "own.yaml:2: training.learning_rate"),
    ],
)
def test_mistakes_are_named_with_file_and_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        load_adapt_recipe(tmp_path / "own.yaml")
    assert said in str(caught.value)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="no such recipe.*all_selfplay, chat, full, hq"):
        load_adapt_recipe("ful")


def test_a_task_that_shows_examples_is_refused() -> None:
    with pytest.raises(UserError, match="pie_fewshot_k2 shows examples"):
        load_task_of(recipe(task="pie_fewshot_k2"))
