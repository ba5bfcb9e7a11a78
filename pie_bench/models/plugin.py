"""A third-party model that is just a class with `generate(requests)`: its settings, and defaults for what it lacks."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, create_model

from pie_bench.data.pair import Pair
from pie_bench.errors import PieBenchError
from pie_bench.models.budget import Budget
from pie_bench.models.entry import ModelEntry, check_names, checked_arguments
from pie_bench.models.model import Completion, Model, Request
from pie_bench.registry import Registered


class ClassEntry(ModelEntry):
    """`arguments` are the class's own: the fields of its pydantic class `Settings`, which it is then built from, or
    else the parameters of its constructor."""

    arguments: Mapping[str, str] = {}
    _registered: Registered = PrivateAttr()
    _made_from: type = PrivateAttr()

    @classmethod
    def of(cls, registered: Registered, made_from: type) -> ClassEntry:
        entry = cls(adapter=registered.name)
        entry._registered = registered
        entry._made_from = made_from
        return entry

    @property
    def label(self) -> str:
        return f"{self._registered.target} of {self._whose()}"

    def _whose(self) -> str:
        return f"{self._registered.package} {self._registered.version}".rstrip()

    def exact(self, cache_dir: Path) -> str | None:
        return f"{self._registered.target} {self._whose()}"

    def with_arguments(self, arguments: Mapping[str, str]) -> ClassEntry:
        settings, _ = self._settings()
        if settings.model_config.get("extra") != "allow":
            check_names(self.adapter, arguments, list(settings.model_fields))
        checked_arguments(settings, {}, arguments)
        entry = self.of(self._registered, self._made_from)
        return entry.model_copy(update={"arguments": dict(arguments)})

    def open(self, name: str, pairs: Mapping[str, Pair], cache_dir: Path, budget: Budget) -> Model:
        """Raises UserError, naming the package, when the class cannot be instantiated."""
        settings_class, own = self._settings()
        settings = checked_arguments(settings_class, {}, self.arguments)
        try:
            given = {key: getattr(settings, key) for key in [*settings.model_fields_set, *(settings.model_extra or ())]}
            made = self._made_from(settings) if own else self._made_from(**given)
        except PieBenchError:
            raise
        except Exception as error:
            raise self._registered.broken(f"{type(error).__name__}: {error}") from error
        return _Opened(name, str(self.exact(cache_dir)), made, self._registered)

    def _settings(self) -> tuple[type[BaseModel], bool]:
        """The class that checks the arguments, and whether it is the plug-in's own."""
        own = getattr(self._made_from, "Settings", None)
        if isinstance(own, type) and issubclass(own, BaseModel):
            return own, True
        return _of_constructor(self._made_from), False


def _of_constructor(made_from: type) -> type[BaseModel]:
    """A pydantic class with a field for each parameter of the constructor, typed by its annotation."""
    try:
        hints = typing.get_type_hints(made_from.__init__)  # type: ignore[misc]
    except Exception:  # a name that exists only for type checkers
        hints = {}
    fields: dict[str, Any] = {}
    extra: typing.Literal["allow", "forbid"] = "forbid"
    for parameter in inspect.signature(made_from).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = "allow"
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hints.get(parameter.name, Any), default)
    config = ConfigDict(extra=extra, arbitrary_types_allowed=True, protected_namespaces=())
    return create_model(made_from.__name__, __config__=config, **fields)


class _Opened(Model):
    """Wraps the object with what results and stages expect of a model and it may lack."""

    def __init__(self, name: str, exact: str, made: Any, registered: Registered):
        self._made = made
        self._registered = registered
        self.name = name
        self.resolved = f"{exact} {getattr(made, 'resolved', '')}".rstrip()
        own = getattr(made, "identity", None)
        if own is not None:
            self.identity = {"plugin": exact, "prompting": "chat", **own}
        for optional in ("context", "count_tokens"):
            if getattr(made, optional, None) is not None:
                setattr(self, optional, getattr(made, optional))

    @property
    def notes(self) -> Mapping[str, str]:  # type: ignore[override]
        return getattr(self._made, "notes", {})

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for completion in self._made.generate(requests):
            if not isinstance(completion, Completion):
                raise self._registered.broken(f"generate yields {type(completion).__name__}, expected Completion")
            yield completion

    def close(self) -> None:
        close = getattr(self._made, "close", None)
        if close is not None:
            close()
