"""The length of a program in tokens: of C++, of a Hugging Face tokenizer, or of a model file's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pie_bench.cpp import code_tokens
from pie_bench.errors import UserError

CPP_TOKENS = "C++ tokens"
_FILE = "tokenizer.json"
Count = Callable[[str], int]


@contextmanager
def counter(tokenizer: str | None) -> Iterator[tuple[str, Count]]:
    """The name of the tokens, and a function that counts them in a text, without special tokens.

    `tokenizer`: a `tokenizer.json` or its folder, a GGUF file, the name of a model with embedded weights (`smollm2`),
    or a repository on the Hugging Face hub; None counts C++ tokens. UserError if it cannot be used or needs a package
    that is not installed.
    """
    if tokenizer is None:
        yield CPP_TOKENS, lambda code: len(code_tokens(code))
        return
    path = Path(tokenizer).expanduser()
    model_file = path if path.suffix == ".gguf" else None if path.exists() else _embedded(tokenizer)
    if model_file is None:
        loaded = _loaded(tokenizer, path)
        yield tokenizer, lambda code: len(loaded.encode(code, add_special_tokens=False).ids)
        return
    from pie_bench.models.budget import Budget
    from pie_bench.models.llama_cpp import LlamaCppEntry
    from pie_bench.paths import cache_dir

    entry = LlamaCppEntry(adapter="llama_cpp", path=str(model_file), prompting="text", context=512)
    model = entry.open(model_file.name, {}, cache_dir(), Budget())
    try:
        yield tokenizer, model.count_text
    finally:
        model.close()


def _embedded(name: str) -> Path | None:
    """The weights of a model that has some, fetched if needed."""
    from pie_bench.models.registry import named_entries
    from pie_bench.models.weights import get_weights
    from pie_bench.paths import cache_dir

    entry = named_entries().get(name)
    weights = None if entry is None else entry.to_fetch()
    return None if weights is None else get_weights(weights, cache_dir())


def _loaded(name: str, path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UserError(f"{name}: counting its tokens needs a package: pip install tokenizers") from None
    if path.is_dir():
        path /= _FILE
        if not path.is_file():
            raise UserError(f"{path}: no such file; a tokenizer's folder contains one (save_pretrained writes it)")
    elif path.suffix == ".json" and not path.is_file():
        raise UserError(f"--tokenizer {path}: no such file")
    try:
        if path.is_file():
            return Tokenizer.from_file(str(path))
        return Tokenizer.from_pretrained(name)
    except Exception as error:  # the library raises nothing narrower
        said = " ".join(str(error).split())[:200]
        expected = f"a {_FILE}, its folder, a GGUF file, smollm2, or OWNER/NAME on the Hugging Face hub"
        raise UserError(f"--tokenizer {name}: cannot be used ({said}); expected {expected}") from None
