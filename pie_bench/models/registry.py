"""The models by name: `models.yaml`, checked, and how each entry becomes a Model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pie_bench.config import Located, Strict
from pie_bench.data.pair import Pair
from pie_bench.errors import UserError, unknown_name
from pie_bench.models import entries
from pie_bench.models.budget import Budget
from pie_bench.models.entries import FORMS, Entry, NamedEntry
from pie_bench.models.model import Model
from pie_bench.models.weights import Weights
from pie_bench.paths import PACKAGE_DIR

MODELS_FILE = PACKAGE_DIR / "models" / "models.yaml"


class Registry(Strict):
    models: dict[str, NamedEntry]


def load_registry(path: Path = MODELS_FILE) -> Registry:
    """The registry; UserError with file and line for anything that is not as it should be."""
    return Located(path).validate(Registry)


def forms() -> list[str]:
    """The names that need an argument: `adapter:anything`."""
    return [f"{adapter}:{anything}" for adapter, (_, _, anything) in FORMS.items()]


def find_model(spec: str, arguments: Mapping[str, str]) -> Entry:
    """What `--model` and `--model-args` say: a name of the registry, or `adapter:anything`.

    Nothing is loaded or asked. Raises UserError for an unknown name and for arguments that the adapter does not take.
    """
    registry = load_registry().models
    adapter, colon, anything = spec.partition(":")
    entry: Entry
    if spec in registry:
        entry = registry[spec]
    elif colon and anything and adapter in FORMS:
        kind, field, _ = FORMS[adapter]
        known = [e for e in registry.values() if isinstance(e, kind) and getattr(e, field) == anything]
        entry = known[0] if known else kind.model_validate({"adapter": adapter, field: anything})
    else:
        raise UserError(f"{unknown_name('model', spec, registry)}; others: {', '.join(forms())}")
    return entry.with_arguments(arguments)


def load_model(name: str, entry: Entry, pairs: Mapping[str, Pair], cache_dir: Path, budget: Budget) -> Model:
    """The model, ready to answer; the caller closes it. `pairs` are those it will be asked about, by id.

    Weights that are not in `cache_dir` yet are downloaded. Raises UserError for what stands in the way, before
    anything is paid for: a file that is wrong or missing, weights that cannot be had, a server that cannot be reached
    or does not know the model, a wrong key, a limit on the cost of a model without a price.
    """
    if isinstance(entry, entries.OpenAIEntry):
        from pie_bench.models.openai import OpenAIModel

        return OpenAIModel(name, entry, budget)
    if isinstance(entry, entries.VllmEntry):
        from pie_bench.models.vllm import VllmModel

        return VllmModel(name, entry)
    if isinstance(entry, entries.HfEntry):
        from pie_bench.models.hf import HfModel

        return HfModel(name, entry)
    if isinstance(entry, entries.LlamaCppEntry):
        from pie_bench.models.llama_cpp import open_llama_cpp

        return open_llama_cpp(name, entry, cache_dir)
    if isinstance(entry, entries.ReplayEntry):
        from pie_bench.models.replay import ReplayModel

        return ReplayModel(name, Path(entry.path).expanduser(), other_prompts=entry.answers_for_other_prompts)
    from pie_bench.models.reference import ReferenceModel

    return ReferenceModel(name, pairs, entry.answer)


def weights_of(name: str) -> Weights:
    """The weights of a model in the registry; UserError for an unknown name or a model that has none to fetch."""
    entry = find_model(name, {})
    if not isinstance(entry, entries.LlamaCppEntry) or entry.weights is None:
        raise UserError(f"model {name!r} has no weights to fetch here")
    return entry.weights
