"""The models by name: `models.yaml`, checked, and how each entry becomes a Model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pie_bench.config import Located, Strict
from pie_bench.data.pair import Pair
from pie_bench.errors import UserError, unknown_name
from pie_bench.models.model import Model
from pie_bench.models.weights import Weights, get_weights
from pie_bench.paths import PACKAGE_DIR

MODELS_FILE = PACKAGE_DIR / "models" / "models.yaml"
REPLAY = "replay:"


class LlamaCppEntry(Strict):
    """A GGUF file run in this process. `context` is in tokens: prompt and answer together."""

    adapter: Literal["llama_cpp"]
    weights: Weights
    context: int = Field(ge=1)
    prompting: Literal["text", "chat"]


class ReferenceEntry(Strict):
    """Answers with one of the pair's own programs."""

    adapter: Literal["reference"]
    answer: Literal["src_code", "tgt_code"]


class Registry(Strict):
    models: dict[str, Annotated[LlamaCppEntry | ReferenceEntry, Field(discriminator="adapter")]]


def load_registry(path: Path = MODELS_FILE) -> Registry:
    """The registry; UserError with file and line for anything that is not as it should be."""
    return Located(path).validate(Registry)


def model_names() -> list[str]:
    """What `--model` takes: the registry's names, then the forms that need an argument."""
    return [*sorted(load_registry().models), f"{REPLAY}FILE"]


def load_model(spec: str, pairs: Mapping[str, Pair], cache_dir: Path) -> Model:
    """The model called `spec`, ready to answer; the caller closes it. `pairs` are those it will be asked about, by id.

    Weights that are not in `cache_dir` yet are downloaded. Raises UserError for an unknown name, a replay file that is
    wrong or missing, and weights that cannot be had.
    """
    if spec.startswith(REPLAY):
        from pie_bench.models.replay import ReplayModel

        return ReplayModel(spec, Path(spec.removeprefix(REPLAY)).expanduser())
    entry = _entry(spec)
    if isinstance(entry, ReferenceEntry):
        from pie_bench.models.reference import ReferenceModel

        return ReferenceModel(spec, pairs, entry.answer)
    from pie_bench.models.llama_cpp import LlamaCppModel

    path = get_weights(entry.weights, cache_dir)
    return LlamaCppModel(spec, path, entry.weights.sha256, entry.context, entry.prompting)


def weights_of(name: str) -> Weights:
    """The weights of a model in the registry; UserError for an unknown name or a model that has none."""
    entry = _entry(name)
    if not isinstance(entry, LlamaCppEntry):
        raise UserError(f"model {name!r} has no weights; nothing to fetch")
    return entry.weights


def _entry(name: str) -> LlamaCppEntry | ReferenceEntry:
    models = load_registry().models
    if name not in models:
        raise UserError(f"{unknown_name('model', name, models)}; recorded answers: {REPLAY}FILE")
    return models[name]
