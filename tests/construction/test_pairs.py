"""Splits, tags and the HQ subset, as functions."""

from __future__ import annotations

import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pie_bench.construction.pairs import assigned, highest, tag_of, thresholds
from pie_bench.construction.recipe import HighQuality, Splits

PROBLEMS = {f"p{number:05}": number * 86_400 for number in range(100)}


@given(st.integers(0, 1000), st.integers(0, 60), st.integers(0, 60))
def test_splits_have_the_sizes_asked_for(seed: int, val: int, test: int) -> None:
    found = assigned(PROBLEMS, Splits(seed=seed, val=val, test=test), {})
    sizes = {split: list(found.values()).count(split) for split in ("test", "val", "train")}
    assert sizes == {"test": test, "val": min(val, 100 - test), "train": 100 - test - min(val, 100 - test)}
    assert found == assigned(dict(reversed(PROBLEMS.items())), Splits(seed=seed, val=val, test=test), {})


def test_new_problems_are_a_split_and_published_ones_keep_theirs() -> None:
    since = datetime.date(1970, 1, 1) + datetime.timedelta(days=90)
    found = assigned(PROBLEMS, Splits(val=0.1, test=0.1, since=since), {"p00099": "test"})
    assert [problem for problem, split in found.items() if split == "new"] == [f"p{n:05}" for n in range(90, 99)]
    assert found["p00099"] == "test"
    assert list(found.values()).count("val") == 0, "beside published splits nothing is drawn"


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=200))
def test_equal_rewards_share_a_tag_and_higher_ones_have_no_lower(rewards: list[float]) -> None:
    cuts = thresholds(sorted(rewards))
    tags = {reward: tag_of(reward, cuts) for reward in rewards}
    ordered = [tags[reward] for reward in sorted(tags)]
    assert ordered == sorted(ordered)
    assert set(ordered) <= set(range(1, 11))


def test_deciles_are_equally_large() -> None:
    rewards = [number / 1000 for number in range(1, 1001)]
    tags = [tag_of(reward, thresholds(rewards)) for reward in rewards]
    assert [tags.count(tag) for tag in range(1, 11)] == [100] * 10


def test_the_highest_speedups_with_caps() -> None:
    def pair(source: str, target: str, user: str = "u") -> dict[str, Any]:
        return {"src_code_sha256": source, "tgt_code_sha256": target, "user_id": user}

    pairs = [pair("slow", f"fast{number}") for number in range(6)] + [pair("other", "fast0", "v")]
    assert highest(pairs, HighQuality()) == pairs[:4]
    assert highest(pairs, HighQuality(per_source=1)) == [pairs[0], pairs[6]]
    assert highest(pairs, HighQuality(per_source=1, per_target=1)) == [pairs[0]]
    assert highest(pairs, HighQuality(per_user=2)) == [pairs[0], pairs[1], pairs[6]]
