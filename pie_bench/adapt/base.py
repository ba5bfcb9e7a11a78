"""The model to adapt: a checkpoint as `hf:` and `vllm:` take it, or a GGUF file converted back into one."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pie_bench.errors import PieBenchError, UserError
from pie_bench.models.checkpoint import CheckpointEntry, find_checkpoint, prompting_of
from pie_bench.models.entry import ModelEntry
from pie_bench.models.llama_cpp import LlamaCppEntry
from pie_bench.models.weights import get_weights

Prompting = Literal["text", "chat"]
INSTALL = "pip install 'pie_bench[adapt]'"


@dataclass(frozen=True)
class Base:
    """`exact` identifies the model independently of its location, `label` begins the names of models adapted from it;
    `context` is in tokens (None: unknown)."""

    name: str
    exact: str
    label: str
    prompting: Prompting
    tokenizer: Any
    config: Any
    _source: dict[str, Any]

    @property
    def context(self) -> int | None:
        found: int | None = getattr(self.config, "max_position_embeddings", None)
        return found

    def load(self, dtype: str = "float32") -> Any:
        """Loads the weights as a transformers model on the CPU; the Trainer moves it. PieBenchError on failure."""
        import torch
        import transformers

        try:
            with redirect_stderr(io.StringIO()):  # it shows a progress bar for every tensor of a GGUF file
                load = transformers.AutoModelForCausalLM.from_pretrained
                model: Any = load(dtype=getattr(torch, dtype), **self._source)
            return _unquantized(model) if "gguf_file" in self._source else model
        except Exception as error:
            raise PieBenchError(f"model {self.name}: cannot be loaded ({_said(error)})") from error


def open_base(name: str, entry: ModelEntry, cache_dir: Path) -> Base:
    """Finds the model and its tokenizer; `load` loads the weights.

    UserError for a model that cannot be trained locally: one behind a server, or one that replays answers.
    """
    if not isinstance(entry, (CheckpointEntry, LlamaCppEntry)):
        raise UserError(
            f"model {name}: {entry.adapter} models have no local weights to adapt; give hf:ID_OR_FOLDER, the name of "
            "an open model, or --provider openai for a fine-tuning service"
        )
    require_packages()
    import transformers

    if isinstance(entry, CheckpointEntry):
        checkpoint = find_checkpoint(entry)
        source: dict[str, Any] = {
            "pretrained_model_name_or_path": checkpoint.where,
            "revision": checkpoint.revision,
            "trust_remote_code": entry.trust_remote_code,
        }
        exact, wanted, label = checkpoint.exact, entry.prompting, checkpoint.adapted
    else:
        exact, wanted, label = str(entry.exact(cache_dir)), entry.prompting, None
        file = get_weights(entry.weights, cache_dir) if entry.weights else Path(entry.path or "").expanduser()
        source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(**source)
        config: Any = transformers.AutoConfig.from_pretrained(**source)
    except Exception as error:
        raise UserError(f"model {name}: cannot be read ({_said(error)})") from error
    return Base(name, exact, label or _label(name), prompting_of(wanted, tokenizer), tokenizer, config, source)


def require_packages() -> None:
    """Raises UserError if the extra `adapt` is not installed."""
    try:
        import accelerate  # noqa: F401
        import peft  # noqa: F401
        import trl  # noqa: F401
    except ImportError as error:
        raise UserError(f"adapting models needs more packages ({error}); {INSTALL}") from None


def _label(name: str) -> str:
    """`codellama-7b` as it is, and without adapter, owner and folders: `hf:Qwen/Qwen3-0.6B` is `Qwen3-0.6B`."""
    last = Path(name.rpartition(":")[2]).name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last).strip("._") or "local"


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _unquantized(model: Any) -> Any:
    """The same weights in a model that can be saved: transformers refuses to save one loaded from a GGUF file."""
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = type(model)(config)
    plain.load_state_dict(model.state_dict())
    plain.generation_config = model.generation_config
    return plain.to(model.dtype)
