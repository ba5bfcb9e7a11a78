"""Which models can be adapted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pie_bench.adapt.base import _label, open_base
from pie_bench.errors import UserError
from pie_bench.models.registry import find_model


@pytest.mark.parametrize("name", ["reference", "openai:gpt-x"])
def test_a_model_without_weights_here_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="models have no local weights to adapt; give hf:ID_OR_FOLDER"):
        open_base(name, find_model(name, {}), tmp_path)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("codellama-7b", "codellama-7b"),
        ("hf:Qwen/Qwen3-0.6B", "Qwen3-0.6B"),
        ("hf:/home/me/my tuned/", "my_tuned"),
        ("llama_cpp:~/models/m.gguf", "m.gguf"),
        ("hf:..", "local"),
    ],
)
def test_adapted_models_are_named_after_their_base_without_its_folders(name: str, label: str) -> None:
    assert _label(name) == label


@pytest.mark.adapt
def test_a_folder_without_a_checkpoint_is_reported(adapt_packages: None, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a checkpoint: config.json is missing"):
        open_base("hf", find_model(f"hf:{tmp_path}", {}), tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="model hf: cannot be read"):
        open_base("hf", find_model(f"hf:{tmp_path}", {}), tmp_path)
