"""Finds models by name, in `models.yaml`, among adapters and in plug-in packages, and opens them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pie_bench import registry
from pie_bench.config import Located, Strict
from pie_bench.data.pair import Pair
from pie_bench.errors import UserError, unknown_name
from pie_bench.models.budget import Budget
from pie_bench.models.entry import ModelEntry
from pie_bench.models.model import Model
from pie_bench.models.plugin import ClassEntry
from pie_bench.models.weights import Weights
from pie_bench.paths import PACKAGE_DIR
from pie_bench.registry import Registered

MODELS_FILE = PACKAGE_DIR / "models" / "models.yaml"


class _Names(Strict):
    models: dict[str, dict[str, Any]]


def named_entries(path: Path = MODELS_FILE) -> dict[str, ModelEntry]:
    """The named models, in file order, followed by those that plug-in packages add.

    UserError with file and line for anything invalid, and for duplicate names.
    """
    located, names = _read(path)
    found = {name: _entry(located, names, name) for name in names}
    for added in registry.registered("models").values():
        if not added.built_in:
            if added.name in found:
                raise added.broken(f"{path.name} already has a model of this name")
            what = _added(added)
            if isinstance(what, ModelEntry):
                found[added.name] = what
    return found


def forms() -> list[str]:
    """The names that take an argument: `adapter:anything`."""
    found = []
    for added in registry.registered("models").values():
        what = _added(added)
        if isinstance(what, type) and what.FORM is not None:
            found.append(f"{added.name}:{what.FORM[1]}")
    return found


def find_model(spec: str, arguments: Mapping[str, str]) -> ModelEntry:
    """Resolves `--model` and `--model-args`: a name, `adapter:anything`, or an import string.

    Opens nothing and sends no request. Raises UserError for an unknown name or argument, or an invalid value.
    """
    return _find(spec).with_arguments(arguments)


def load_model(name: str, entry: ModelEntry, pairs: Mapping[str, Pair], cache_dir: Path, budget: Budget) -> Model:
    """The model, ready to answer; the caller closes it. `pairs`: those it will be asked about, by id.

    Downloads weights that are not in `cache_dir` yet. Raises UserError, before anything is paid for, if the model
    cannot be used: a wrong or missing file, unavailable weights, a server that cannot be reached or does not know the
    model, a wrong key, a cost limit for a model without a price.
    """
    return entry.open(name, pairs, cache_dir, budget)


def weights_of(name: str) -> Weights:
    """The weights of a model; UserError for an unknown name or a model without weights to download."""
    weights = find_model(name, {}).to_fetch()
    if weights is None:
        raise UserError(f"model {name!r} has no weights to download")
    return weights


def provenance(spec: str) -> dict[str, str] | None:
    """Which plug-in provides the model for `--model`; None if none does."""
    if spec in _read(MODELS_FILE)[1]:
        return None
    prefix = spec.partition(":")[0]
    if spec != prefix and registry.find_if_there("models", prefix) is not None:
        return registry.provenance("models", prefix)
    return registry.provenance("models", spec)


def _find(spec: str) -> ModelEntry:
    located, names = _read(MODELS_FILE)
    if spec in names:
        return _entry(located, names, spec)
    prefix, _, anything = spec.partition(":")
    added = registry.find_if_there("models", prefix)
    if added is not None and anything:
        adapter = _added(added)
        if isinstance(adapter, type) and adapter.FORM is not None:
            return _of_form(adapter, prefix, anything, located, names)
    if added is None and registry.is_import_string(spec):
        added = registry.find("models", spec) if "." in prefix else registry.find_if_there("models", spec)
        anything = ""
    what = _added(added) if added is not None and not anything else None
    if isinstance(what, ModelEntry):
        return what
    known = {*names, *(each.name for each in registry.registered("models").values() if not each.built_in)}
    others = f"{', '.join(forms())}, package.module:Class"
    raise UserError(f"{unknown_name('model', spec, known)}; others: {others}")


def _of_form(
    adapter: type[ModelEntry], prefix: str, anything: str, located: Located, names: Mapping[str, dict[str, Any]]
) -> ModelEntry:
    """`adapter:anything`, from models.yaml if listed there, else from the adapter's defaults."""
    assert adapter.FORM is not None
    field = adapter.FORM[0]
    for name, said in names.items():
        if said.get("adapter") == prefix and said.get(field) == anything:
            return _entry(located, names, name)
    return adapter.model_validate({"adapter": prefix, field: anything})


def _read(path: Path) -> tuple[Located, dict[str, dict[str, Any]]]:
    located = Located(path)
    return located, located.validate(_Names).models


def _entry(located: Located, names: Mapping[str, dict[str, Any]], name: str) -> ModelEntry:
    adapter = str(names[name].get("adapter"))
    found = registry.find_if_there("models", adapter)
    what = _added(found) if found is not None else None
    if not isinstance(what, type):
        known = (each for each in registry.BUILT_IN["models"])
        where = located.where("models", name, "adapter")
        raise UserError(f"{where}: models.{name}.adapter: {unknown_name('adapter', adapter, known)}")
    return located.validate(what, "models", name)


def _added(added: Registered) -> type[ModelEntry] | ModelEntry:
    """An adapter class, if it takes an argument or further settings, else a complete entry."""
    what = added.load()
    if isinstance(what, ModelEntry):
        return what
    if isinstance(what, type) and issubclass(what, ModelEntry):
        needs_more = any(
            field.is_required() for name, field in what.model_fields.items() if name not in ("adapter", "note")
        )
        return what if added.built_in or needs_more else what.model_validate({"adapter": added.name})
    if callable(getattr(what, "generate", None)) and isinstance(what, type):
        return ClassEntry.of(added, what)
    raise added.broken(f"expected a class with generate(requests), or a ModelEntry; found {type(what).__name__}")
