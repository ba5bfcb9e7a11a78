"""A transformers checkpoint, named by a hub id or a local folder and pinned to the hub's commit or the files' hash."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pie_bench.errors import UserError
from pie_bench.hashing import file_sha256, hash_of
from pie_bench.models.entry import ModelEntry
from pie_bench.models.model import Request
from pie_bench.prompting.prompt import Prompt

RECORD = "pie_bench.json"  # what `adapt train` writes beside the weights: how they were made
# Everything that decides an answer: weights, configuration, tokenizer. Not READMEs, images or other weight formats.
_FILES = ("*.safetensors", "*.bin", "*.json", "*.model", "*.txt", "*.jinja", "*.py")


class CheckpointEntry(ModelEntry):
    """A transformers checkpoint: a hub's id (with a `revision`) or a local folder."""

    FIXED = ModelEntry.FIXED | {"id"}
    FORM = ("id", "ID_OR_FOLDER")

    id: str = Field(min_length=1)
    revision: str | None = None
    prompting: Literal["auto", "text", "chat"] = Field(default="auto", description="auto: chat if it has a template")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    trust_remote_code: bool = False

    def exact(self, cache_dir: Path) -> str | None:
        """Known at once for a local folder; None for a hub id, which is resolved only when needed."""
        return find_checkpoint(self).exact if Path(self.id).expanduser().is_dir() else None

    def token_counter(self) -> tuple[Callable[[Prompt], int], str]:
        tokenizer = local_tokenizer(self)
        if tokenizer is None:
            return super().token_counter()
        prompting = prompting_of(self.prompting, tokenizer)
        return lambda prompt: len(token_ids(tokenizer, prompt, prompting)), "by the model's own tokenizer"


@dataclass(frozen=True)
class Checkpoint:
    """`where` and `revision` say what to load; `exact` identifies it independently of its location. `adapted`: the name
    of a model in a folder that `adapt train` exported."""

    where: str
    revision: str | None
    exact: str
    adapted: str | None = None

    @property
    def said(self) -> str:
        """What `resolved` begins with."""
        return f"{self.exact} adapted {self.adapted}" if self.adapted else self.exact


def find_checkpoint(entry: CheckpointEntry) -> Checkpoint:
    """Resolves the revision to a commit by asking the hub, or its local cache if HF_HUB_OFFLINE is set.

    UserError when the folder or the hub's model does not exist, or may not be read.
    """
    folder = Path(entry.id).expanduser()
    if folder.is_dir():
        paths = sorted({path for pattern in _FILES for path in folder.glob(pattern)})
        if not (folder / "config.json").is_file():
            raise UserError(f"{folder}: not a checkpoint: config.json is missing")
        exact = f"sha256:{hash_of([[path.name, file_sha256(path)] for path in paths])}"
        return Checkpoint(str(folder), None, exact, _adapted(folder))
    if entry.id.count("/") != 1 or entry.id.startswith((".", "/", "~")):
        raise UserError(f"model {entry.id!r}: neither a folder nor a hub id (OWNER/NAME)")
    from huggingface_hub import hf_hub_download

    try:
        config = hf_hub_download(entry.id, "config.json", revision=entry.revision)
    except Exception as error:  # its errors have no common class
        why = str(error).strip().splitlines()
        raise UserError(
            f"model {entry.id!r}: cannot be downloaded from the Hugging Face hub ({type(error).__name__}: "
            f"{why[0] if why else ''}); for a gated model set HF_TOKEN, or give a local folder"
        ) from None
    commit = Path(config).parent.name  # …/snapshots/<commit>/config.json
    return Checkpoint(entry.id, commit, f"{entry.id}@{commit}")


def _adapted(folder: Path) -> str | None:
    try:
        name = json.loads((folder / RECORD).read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, LookupError, TypeError):
        return None  # an ordinary checkpoint
    return name if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,120}", name) else None


def prompting_of(wanted: Literal["auto", "text", "chat"], tokenizer: Any) -> Literal["text", "chat"]:
    """How to prompt the model: as chat if it has a chat template, unless the settings say otherwise."""
    if wanted != "auto":
        return wanted
    return "chat" if getattr(tokenizer, "chat_template", None) else "text"


def token_ids(tokenizer: Any, prompt: Prompt, prompting: Literal["text", "chat"]) -> list[int]:
    """The prompt as the model reads it: its messages in the chat template, or the plain text."""
    if prompting == "text":
        return list(tokenizer.encode(prompt.text))
    messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return list(tokenizer.encode(text, add_special_tokens=False))


def tokenized(
    requests: Sequence[Request], tokenizer: Any, prompting: Literal["text", "chat"], name: str, context: int | None
) -> list[list[int]]:
    """The requests' prompts as tokens. UserError, naming the longest, if any leaves no room for its answer."""
    prompts = [token_ids(tokenizer, request.prompt, prompting) for request in requests]
    too_long = [
        (len(tokens), request)
        for tokens, request in zip(prompts, requests, strict=True)
        if context is not None and len(tokens) + request.sampling.max_tokens > context
    ]
    if too_long and context is not None:
        tokens, request = max(too_long, key=lambda item: item[0])
        most = request.sampling.max_tokens
        raise UserError(
            f"pair {request.pair_id}: its prompt has {tokens} tokens, {name} has room for {context - most} ({context} "
            f"less max_tokens {most}); {len(too_long)} of {len(prompts)} prompts do not fit, this one is the longest; "
            "show fewer examples, lower max_tokens or use another model"
        )
    return prompts


def identity_of(version: int, checkpoint: Checkpoint, entry: CheckpointEntry, **more: str) -> dict[str, Any]:
    """All that decides an answer besides prompt, sampling and seed; `more`: facts about the loaded model."""
    named_otherwise = {*entry.OPERATIONAL, "id", "revision"}
    decides = entry.model_dump(mode="json", exclude=named_otherwise)
    return decides | {"version": version, "checkpoint": checkpoint.exact} | more


def local_tokenizer(entry: CheckpointEntry) -> Any:
    """The checkpoint's tokenizer if both it and transformers are already on this machine, else None."""
    try:
        from transformers import AutoTokenizer
    except ImportError:
        return None
    try:
        return AutoTokenizer.from_pretrained(
            str(Path(entry.id).expanduser()), revision=entry.revision, local_files_only=True
        )
    except Exception:  # its errors have no common class; any of them makes the tokenizer unusable
        return None
