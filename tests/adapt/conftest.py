"""A tiny model with random weights, and pairs short enough to learn by heart."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from pie_bench.adapt.recipe import AdaptRecipe

FAST = "int main() {{ return {n} * 16; }}"


def slow(number: int) -> str:
    """A sum of the number, often enough that a tiny model sees which it is."""
    return f"int main() {{ return {' + '.join([str(number)] * 16)}; }}"


@pytest.fixture(scope="session")
def adapt_packages() -> None:
    """Skips if the extra `adapt` is not installed; CI installs it in a separate environment (tools/setup.sh)."""
    for name in ("trl", "peft", "accelerate"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install -e '.[adapt]'")


@pytest.fixture(scope="session")
def tiny(adapt_packages: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from tests.models.tiny_checkpoint import make

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("tiny")
    make(folder, chat=False, context=2048)
    return folder


def row(number: int, *, problem: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "problem_id": problem or f"p{number:03}",
        "src_id": f"s{number}",
        "tgt_id": f"t{number}",
        "src_code": slow(number),
        "tgt_code": FAST.format(n=number),
        "tests": [{"input": "", "output": ""}],
        "src_agg_runtime": 10.0 + number,
        "tgt_agg_runtime": 1.0,
        "target_reward_pct_bin": number % 10 + 1,
        **more,
    }


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A dataset of eight training pairs, two for validation and one for testing."""
    folder = tmp_path / "short"
    write_rows(folder / "train.jsonl", [row(number) for number in range(8)])
    write_rows(folder / "val.jsonl", [row(number) for number in (20, 21)])
    write_rows(folder / "test.jsonl", [row(30)])
    return folder


def recipe(**changes: Any) -> AdaptRecipe:
    """Full fine-tuning in a few steps, with a test's own changes."""
    training = {"max_steps": 6, "batch_size": 4, "micro_batch_size": 2, "learning_rate": 3e-3, "save_steps": 2}
    settings: dict[str, Any] = {"recipe": "tiny", "task": "pie_finetuned", "max_tokens": 512}
    return AdaptRecipe.model_validate({**settings, **changes, "training": {**training, **changes.get("training", {})}})
