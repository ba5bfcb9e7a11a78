"""What a model learns from: the very prompts that evaluate it, whole answers, and a count of everything left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.adapt.lessons import (
    IGNORED,
    Funnel,
    encode,
    lessons,
    load_material,
    load_task_of,
    sum_of,
)
from pie_bench.adapt.recipe import AdaptRecipe
from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.prompting.build import PromptBuilder
from tests.adapt.conftest import recipe, row, write_rows


class Letters:
    """A tokenizer with one token per character; 0 begins a text, 1 ends an answer."""

    bos_token_id, eos_token_id = 0, 1

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [0] * add_special_tokens + [ord(sign) + 2 for sign in text]


def pair(source: str = "slow", target: str = "fast", **more: Any) -> Pair:
    return Pair(pair_id=more.pop("pair_id", "a-b"), problem_id="p", src_code=source, tgt_code=target, tests=(), **more)


def encoded(chosen: AdaptRecipe, pairs: list[Pair], tmp_path: Path) -> tuple[list[Any], Funnel]:
    funnel = Funnel()
    found = lessons(chosen, load_task_of(chosen), pairs, funnel, tmp_path)
    return encode(chosen, found, Letters(), "text", funnel), funnel


def test_prompts_are_those_that_evaluate_the_model(tmp_path: Path) -> None:
    chosen = recipe()
    (one,), funnel = encoded(chosen, [pair()], tmp_path)
    shown = PromptBuilder(load_task_of(chosen), [], tmp_path).build(pair())
    assert list(one.prompt) == Letters().encode(shown.text)
    assert (funnel.pairs, funnel.used, funnel.reasons) == (1, 1, {})


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_answers_count_in_the_loss_with_their_end_and_prompts_do_not(source: str, target: str) -> None:
    (one,), _ = encoded(recipe(), [pair(source, target)], Path())
    assert one.completion == (*Letters().encode(target, add_special_tokens=False), 1)
    assert one.labels == [IGNORED] * len(one.prompt) + list(one.completion)


def test_a_pair_that_does_not_fit_is_left_out_whole_and_counted(tmp_path: Path) -> None:
    room = len(encoded(recipe(), [pair()], tmp_path)[0][0].prompt) + len("fast") + 1
    chosen = recipe(max_tokens=room)
    found, funnel = encoded(chosen, [pair(), pair(target="fast!", pair_id="c-d")], tmp_path)
    assert [one.pair_id for one in found] == ["a-b"]
    assert funnel.to_json()["left_out"] == {f"more than max_tokens {room}": {"pairs": 1, "first": ["c-d"]}}


def test_a_source_that_the_task_would_cut_is_left_out(tmp_path: Path) -> None:
    found, funnel = encoded(recipe(max_tokens=5000), [pair("x" * 1501, pair_id="c-d"), pair("x" * 1500)], tmp_path)
    assert [one.pair_id for one in found] == ["a-b"]
    assert funnel.lines()[1] == "  1 left out: the source is longer than the 1500 characters shown (c-d)"


def test_published_cuts_as_the_authors_did_and_counts_it(tmp_path: Path) -> None:
    chosen = recipe(published=True, max_tokens=2000)
    long = pair("s" * 1600, "t" * 1600)
    found, funnel = encoded(chosen, [long, pair(target="t" * 1600, pair_id="c-d")], tmp_path)
    first, second = found
    assert first.tokens == 2000  # no end token: the model must not learn to stop in the middle
    assert first.completion[-1] != Letters.eos_token_id
    assert len(second.completion) == 1500 + 1
    assert second.completion[-1] == Letters.eos_token_id
    assert funnel.cut == ["a-b", "c-d"]


def test_each_pair_shows_its_own_tag(tmp_path: Path) -> None:
    chosen = recipe(task="pie_perf_cond")
    found = lessons(chosen, load_task_of(chosen), [pair(tag=3), pair(tag=10)], Funnel(), tmp_path)
    assert [lesson.prompt.text.split("optimize ")[1][:5] for lesson in found] == ["3/10.", "10/10"]
    assert found[1].prompt == PromptBuilder(load_task_of(chosen), [], tmp_path).build(pair())
    with pytest.raises(UserError, match="pair a-b: it has no tag"):
        lessons(chosen, load_task_of(chosen), [pair()], Funnel(), tmp_path)


def test_pairs_without_a_tag_are_useless_for_validation(pairs: Path) -> None:
    write_rows(pairs / "val.jsonl", [row(20), row(21, target_reward_pct_bin=None)])
    chosen = recipe(task="pie_perf_cond")
    found = load_material(chosen, str(pairs))
    assert [pair.pair_id for pair in found.validation_of(load_task_of(chosen))] == ["s20-t20"]
    assert len(found.validation_of(load_task_of(recipe()))) == 2


def test_hq_is_the_highest_speedups_of_each_problem(pairs: Path) -> None:
    write_rows(pairs / "train.jsonl", [row(number, problem=f"p{number % 2}") for number in range(8)])
    chosen = load_material(recipe(pairs="hq", hq_per_problem=2), str(pairs)).train
    assert [pair.pair_id for pair in chosen] == ["s4-t4", "s5-t5", "s6-t6", "s7-t7"]
    write_rows(pairs / "train.jsonl", [row(1, src_agg_runtime=None)])
    with pytest.raises(UserError, match="pair s1-t1 has no recorded times"):
        load_material(recipe(pairs="hq"), str(pairs))


def test_rows_from_selfplay_come_on_top(pairs: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "more.jsonl", [row(40, kind="synthetic")])
    found = load_material(recipe(synthetic=True), str(pairs), str(tmp_path / "more.jsonl"))
    assert [pair.pair_id for pair in found.train][-1] == "s40-t40"
    assert len(found.train) == 9
    assert len(found.validation) == 2
    write_rows(tmp_path / "folder" / "train.jsonl", [row(40, kind="synthetic")])
    assert load_material(recipe(synthetic=True), str(pairs), str(tmp_path / "folder")).train == found.train
    with pytest.raises(UserError, match="give --synthetic ROWS"):
        load_material(recipe(synthetic=True), str(pairs))
    with pytest.raises(UserError, match="takes no --synthetic"):
        load_material(recipe(), str(pairs), str(tmp_path / "more.jsonl"))


def test_problems_asked_later_are_not_learnt(pairs: Path) -> None:
    write_rows(pairs / "test.jsonl", [row(30, problem="p003")])
    with pytest.raises(UserError, match="pair s3-t3: its problem p003 is also in the test split"):
        load_material(recipe(), str(pairs))


def test_nothing_left_to_learn_from_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no pair is left to learn from \\(1: more than max_tokens 8\\)"):
        encoded(recipe(max_tokens=8), [pair()], tmp_path)


def test_the_sum_covers_content_and_order(tmp_path: Path) -> None:
    one, _ = encoded(recipe(), [pair(), pair(target="faster", pair_id="c-d")], tmp_path)
    assert sum_of(one) == sum_of(list(one)) != sum_of(one[::-1])
