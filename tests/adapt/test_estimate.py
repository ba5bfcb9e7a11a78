"""Estimates: the arithmetic agrees with known figures and with a real, tiny training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pie_bench.adapt.estimate import Shape, estimate_training
from pie_bench.adapt.lessons import Encoded, Funnel
from pie_bench.adapt.recipe import load_adapt_recipe
from pie_bench.cli.main import main
from tests.adapt.conftest import recipe

LLAMA_13B = Shape(parameters=13_000_000_000, adapter=100_000_000, layers=40, hidden=5120, vocabulary=32016)


def of(count: int, tokens: int) -> list[Encoded]:
    return [Encoded(str(number), tuple(range(tokens - 10)), tuple(range(10))) for number in range(count)]


def test_full_fine_tuning_takes_16_bytes_a_parameter_and_fsdp_shares_them() -> None:
    alone = estimate_training(load_adapt_recipe("full"), of(64, 1000), Funnel(), LLAMA_13B)
    assert alone.states_gib == pytest.approx(13e9 * 16 / 2**30)
    shared = estimate_training(load_adapt_recipe("full"), of(64, 1000), Funnel(), LLAMA_13B, gpus=8, fsdp=True)
    assert shared.states_gib == pytest.approx(alone.states_gib / 8)
    copies = estimate_training(load_adapt_recipe("full"), of(64, 1000), Funnel(), LLAMA_13B, gpus=8)
    assert copies.states_gib == alone.states_gib


def test_a_low_rank_adapter_has_optimizer_states_for_its_own_parameters_only() -> None:
    found = estimate_training(load_adapt_recipe("lora"), of(64, 1000), Funnel(), LLAMA_13B)
    assert found.trainable == 100_000_000
    assert found.states_gib == pytest.approx((13e9 * 4 + 1e8 * 16) / 2**30)


def test_the_papers_training_has_2437_steps() -> None:
    found = estimate_training(load_adapt_recipe("full"), of(77967, 20), Funnel(), LLAMA_13B, tflops=150, gpus=8)
    assert found.steps == 2437
    assert found.trained_tokens == pytest.approx(77967 * 20, rel=1e-3)
    assert found.hours == pytest.approx(8 * 13e9 * found.trained_tokens / (150e12 * 8) / 3600)


def test_checkpoints_save_memory_and_max_steps_end_a_training() -> None:
    kept = {"gradient_checkpointing": False}
    few = estimate_training(recipe(training={"gradient_checkpointing": True}), of(8, 500), Funnel(), LLAMA_13B)
    all_of_it = estimate_training(recipe(training=kept), of(8, 500), Funnel(), LLAMA_13B)
    assert few.activations_gib < all_of_it.activations_gib / 3
    assert (few.steps, few.trained_tokens, few.longest) == (6, 6 * 4 * 500, 500)


@pytest.mark.adapt
def test_a_models_shape_is_read_from_its_configuration(tiny: Path) -> None:
    from peft import get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    from pie_bench.adapt.estimate import shape_of
    from pie_bench.adapt.train import _peft_config

    chosen = recipe(method="lora", lora={"r": 4, "alpha": 8})
    found = shape_of(AutoConfig.from_pretrained(tiny), chosen)
    model: Any = AutoModelForCausalLM.from_pretrained(tiny)
    assert found.parameters == sum(each.numel() for each in model.parameters())
    assert (found.layers, found.hidden) == (2, 64)
    adapted = get_peft_model(model, _peft_config(chosen))
    assert found.adapter == adapted.get_nb_trainable_parameters()[0]


@pytest.mark.adapt
def test_the_command_prints_the_estimate(
    tiny: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text("include: full.yaml\nmax_tokens: 250\n")
    options = ["--model", f"hf:{tiny}", "--dataset", str(pairs), "--tflops", "0.001"]
    assert main(["adapt", "estimate", str(tmp_path / "own.yaml"), *options]) == 0
    said = capsys.readouterr().out
    assert "8 of 8 pairs are used" in said
    assert "steps       1 of 32 pairs" in said
    assert "GiB a GPU (1, each holds all of it)" in said
