"""An adapted model's folder: what `hf:` and `vllm:` load as it is, and the Hub takes; nothing but weights,
configuration, tokenizer and the record of how it was made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pie_bench.adapt.base import Base
from pie_bench.adapt.folder import RECORD
from pie_bench.run.files import write_json


def write_model(folder: Path, model: Any, state: Mapping[str, Any], base: Base, record: Mapping[str, Any]) -> None:
    """Writes the folder in one step: it is there whole, or not at all. `state` has all weights, gathered.

    A model that was trained on plain text has no chat template, so that it is prompted as it was trained.
    """
    from transformers import GenerationConfig

    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    tokenizer = base.tokenizer
    model.config.use_cache = True
    model.config.eos_token_id = tokenizer.eos_token_id
    # Samples are drawn as a task says; only where an answer ends is the model's own.
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
    """A LoRA adapter as peft keeps it, with the exact identity of the model that it belongs to."""
    model.save_pretrained(folder, state_dict=dict(state))
    path = folder / "adapter_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, settings | {"base_model_name_or_path": base.exact})
    (folder / "README.md").unlink(missing_ok=True)  # peft's template, with nothing filled in


def _uncompiled(name: str) -> str:
    """A weight's name in the model as it was before torch.compile wrapped it."""
    return name.removeprefix("_orig_mod.")
