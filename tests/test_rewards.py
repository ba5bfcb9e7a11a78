"""Rewards, called as trainers call them."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench import Judge, load_pair
from pie_bench.errors import UserError
from pie_bench.execution.judge import Judgement
from pie_bench.rewards import Shape, Speedup, text_of
from pie_bench.run.guard import GuardFinding
from pie_bench.run.verdict import TestResult, Verdict
from tests.serve.conftest import server
from tests.tiny import PAIRS

__all__ = ["server"]

PAIR = "m006_quilt_streams-m006_quilt_chars"  # the cheapest of mini
SOURCE = Verdict("p", "source", 0, "e", "ok", runtime_seconds=9.0, startup_seconds=1.0)
OK = Judgement("p", "candidate", 0, "e", "ok", runtime_seconds=3.0, startup_seconds=1.0, source=SOURCE)
TIMES = st.floats(0.001, 1e6)


def fenced(code: str) -> str:
    return f"This is faster:\n```cpp\n{code}\n```\n"


def call_as_trl(reward: Speedup, completions: list[Any], **columns: Any) -> list[float | None]:
    """As `GRPOTrainer._calculate_rewards` of trl 1.16 does."""
    assert not inspect.iscoroutinefunction(reward.__call__)
    return reward(
        prompts=["…"] * len(completions),
        completions=completions,
        completion_ids=[[1, 2]] * len(completions),
        **columns,
        trainer_state=object(),
        log_extra=print,
        log_metric=print,
    )


def call_as_verl(reward: Speedup, solution: str, pair_id: str) -> float:
    """As `NaiveRewardManager.run_single` of verl 0.9 does, behind `get_custom_reward_fn`."""
    function = partial(lambda raw, extra, *args, **kwargs: raw(*args, **{**kwargs, **extra}), reward.compute_score, {})
    assert not inspect.iscoroutinefunction(function)
    return function(
        data_source="pie_bench/mini",
        solution_str=solution,
        ground_truth=pair_id,
        extra_info={"num_turns": None, "rollout_reward_scores": {}},
    )


def test_trainers_get_the_same_rewards_here_and_through_a_server(server: str, cache: Any) -> None:
    pair = load_pair("mini", PAIR)
    broken, wrong = "int main() { return x; }", "int main() {}"
    completions: list[Any] = [
        fenced(pair.pair.tgt_code),
        [{"role": "assistant", "content": fenced(pair.pair.tgt_code)}],
        fenced(pair.pair.src_code),
        fenced(wrong),
        fenced(broken),
        "I do not know.",
    ]
    pair_ids = [PAIR] * len(completions)
    options: dict[str, Any] = {"split": "test", "partial": 0.25, "most": 64.0}
    local = Speedup("mini", **options)
    rewards = call_as_trl(local, completions, pair_id=pair_ids)
    with Judge() as judge:
        shape = local.shape
        expected = [shape.reward(judge(code, pair)) for code in (pair.pair.tgt_code, pair.pair.src_code, wrong, broken)]
    assert rewards == [expected[0], expected[0], *expected[1:], shape.broken]
    best, same = expected[:2]
    assert best is not None
    assert best > same == shape.correct
    assert expected[2:] == [0.0, -0.5]
    assert call_as_trl(local, completions, pair_id=pair_ids) == rewards
    assert call_as_trl(Speedup("mini", judge=server, **options), completions, pair_id=pair_ids) == rewards
    assert [call_as_verl(local, text_of(each), PAIR) for each in completions] == rewards
    assert local.compute_score(solution_str=completions[0], extra_info={"pair_id": PAIR}) == best
    local.close()


def test_what_the_guards_flag_is_wrong(server: str, cache: Any, tiny: Path) -> None:
    pair = load_pair(tiny, PAIRS[0])
    flagged = pair.pair.tgt_code.replace("main() {", "main() { { int a[3] = {}; volatile int k = 3; a[k] = 1; }", 1)
    assert flagged != pair.pair.tgt_code
    reward = Speedup(tiny, split="test", judge=server, guarded=True, wrong=-0.25)
    pair_ids = [PAIRS[0]] * 2
    first, second = call_as_trl(reward, [fenced(pair.pair.tgt_code), fenced(flagged)], pair_id=pair_ids)
    assert first is not None
    assert (first > 0.5, second) == (True, -0.25)
    good, bad = reward.scored([(PAIRS[0], fenced(pair.pair.tgt_code)), (PAIRS[0], fenced(flagged))])
    assert (good.reward, good.correct, good.flagged) == (first, True, False)
    assert (bad.reward, bad.correct, bad.flagged) == (second, True, True)
    assert good.speedup is not None
    assert first == reward.shape.correct + math.log2(good.speedup)


def test_the_training_dataset_finds_its_pairs_again() -> None:
    reward = Speedup("mini")
    rows = reward.training_dataset(limit=3)
    assert rows.column_names == ["prompt", "pair_id"]
    assert [message["role"] for message in rows[0]["prompt"]] == ["user"]
    assert reward._dataset.pair(rows[0]["pair_id"]).src_code.strip() in rows[0]["prompt"][0]["content"]
    row = reward.training_dataset(form="verl", limit=1)[0]
    assert row["reward_model"]["ground_truth"] == row["extra_info"]["pair_id"] == rows[0]["pair_id"]
    shown = reward.training_dataset("pie_fewshot_k2", limit=1)[0]["prompt"]
    assert len(str(shown)) > len(str(rows[0]["prompt"]))


@given(slow=TIMES, fast=TIMES, faster=TIMES, startup=st.booleans())
def test_a_faster_program_is_never_worth_less(slow: float, fast: float, faster: float, startup: bool) -> None:
    shape = Shape(least=0.5, most=8, startup=startup)

    def reward(seconds: float) -> float:
        source = replace(SOURCE, runtime_seconds=slow, startup_seconds=0.0)
        found = shape.reward(replace(OK, runtime_seconds=seconds, startup_seconds=0.0, source=source))
        assert found is not None
        return found

    assert reward(min(fast, faster)) >= reward(max(fast, faster))
    assert shape.correct - 1 <= reward(fast) <= shape.correct + 3


def test_what_a_verdict_is_worth() -> None:
    assert Shape(startup=True).reward(OK) == 0.5 + math.log2(3)
    assert Shape().reward(OK) == 0.5 + 2
    assert Shape(most=2).reward(OK) == 1.5
    assert Shape().reward(replace(OK, runtime_seconds=18.0)) == 0.5
    assert Shape(least=0.5).reward(replace(OK, runtime_seconds=18.0)) == -0.5
    assert Shape().reward(replace(OK, runtime_seconds=1.0)) == 4.5, "all its work is done before main"
    assert Shape().reward(replace(OK, outcome="infra_error")) is None
    assert Shape().reward(replace(OK, source=replace(SOURCE, outcome="infra_error", runtime_seconds=None))) is None
    flagged = GuardFinding("p", 0, "c", 3, "e", guard_input="signal 11")
    assert Shape(wrong=-1).reward(OK, flagged) == -1
    assert Shape(wrong=-1).reward(OK, replace(flagged, guard_input=None)) == 2.5
    tests = tuple(TestResult(str(number), "ok" if number else "wrong_output") for number in range(4))
    wrong = replace(OK, outcome="wrong_output", runtime_seconds=None, tests=tests)
    assert Shape(partial=0.4, wrong=-0.1).reward(wrong) == pytest.approx(0.2)
    assert Shape(partial=0.4).reward(replace(wrong, outcome="forbidden")) == -0.5
    assert Shape().reward(replace(wrong, outcome="compile_error", tests=())) == -0.5


def test_mistakes_are_reported() -> None:
    for options, says in (
        ({"least": 2, "most": 1}, "least is 2, most is 1"),
        ({"weight": math.nan}, "weight is nan; expected a finite number"),
        ({"wieght": 1}, "unexpected keyword argument 'wieght'"),
        ({"split": "nowhere"}, "unknown split 'nowhere'"),
        ({"judge": "nowhere"}, "'nowhere' is not a server URL"),
    ):
        with pytest.raises(UserError, match=says):
            Speedup("mini", **options)  # type: ignore[arg-type]
    reward = Speedup("mini")
    with pytest.raises(UserError, match="the training dataset has no column pair_id; make it with training_dataset"):
        call_as_trl(reward, ["x"])
    with pytest.raises(UserError, match="unknown pair 'm999'"):
        call_as_trl(reward, ["x"], pair_id=["m999"])
    with pytest.raises(UserError, match="2 completions for 1 pair ids"):
        call_as_trl(reward, ["x", "y"], pair_id=["m999"])
    with pytest.raises(UserError, match="is not a completion; expected text or messages"):
        call_as_trl(reward, [5], pair_id=["m999"])
