"""Writes an adapted model's folder, which `hf:`, `vllm:` and the Hub accept as is: weights, configuration, tokenizer
and the training record."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pie_bench.adapt.base import Base
from pie_bench.models.checkpoint import RECORD
from pie_bench.run.files import write_json


def write_model(folder: Path, model: Any, state: Mapping[str, Any], base: Base, record: Mapping[str, Any]) -> None:
    """Writes the folder atomically: it exists complete or not at all. `state` has all weights, gathered.

    A model trained on plain text gets no chat template, so that it is prompted as it was trained.
    """
    from transformers import GenerationConfig

    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    tokenizer = base.tokenizer
    model.config.use_cache = True
    model.config.eos_token_id = tokenizer.eos_token_id
    # The task decides how samples are drawn; only where an answer ends is up to the model.
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(partial, state_dict={_uncompiled(name): value for name, value in state.items()})
    template = tokenizer.chat_template
    try:
        if base.prompting == "text":
            tokenizer.chat_template = None
        tokenizer.save_pretrained(partial)
    finally:
        tokenizer.chat_template = template
    write_json(partial / RECORD, record)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def write_adapter(folder: Path, model: Any, state: Mapping[str, Any], base: Base) -> None:
    """A LoRA adapter in peft's format, with the exact identity of its base model."""
    model.save_pretrained(folder, state_dict=dict(state))
    path = folder / "adapter_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, settings | {"base_model_name_or_path": base.exact})
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty template


def _uncompiled(name: str) -> str:
    """A weight's name in the model as it was before torch.compile wrapped it."""
    return name.removeprefix("_orig_mod.")
