"""YAML configuration files: parsed with the location of every key, merged with their includes, validated.

Nothing is ignored: every error is reported with file, line and what was expected.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from pie_bench.errors import UserError, unknown_name

_MOST_KEYS = 100_000
Where = tuple[str, int]  # file, line
KeyPath = tuple[str | int, ...]
M = TypeVar("M", bound="Strict")


class Strict(BaseModel):
    """Base of everything read from YAML: unknown keys are errors, objects are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, data: Any) -> Any:
        unknown = [key for key in data if key not in cls.model_fields] if isinstance(data, Mapping) else []
        if unknown:
            key = str(unknown[0])
            said = PydanticCustomError(
                "unknown_key", "{said}", {"said": str(unknown_name("key", key, cls.model_fields))}
            )
            problem = InitErrorDetails(type=said, loc=(key,), input=data)
            raise ValidationError.from_exception_data(cls.__name__, [problem])
        return data


class Located:
    """A configuration file's data after its includes, and where each key came from.

    Includes are looked up next to the including file, then in the folder `shared`.
    """

    def __init__(self, path: Path, shared: Path | None = None):
        self.path = path
        self.data, self._where = _load_with_includes(path, shared, ())

    def where(self, *key_path: str | int) -> str:
        """`file:line` of a key, or of its nearest parent that appears in a file."""
        known: KeyPath = key_path
        while known and known not in self._where:
            known = known[:-1]
        file, line = self._where.get(known, (str(self.path), 1))
        return f"{file}:{line}"

    def validate(self, model: type[M], *at: str) -> M:
        """The data (or the part under the keys `at`) as a `model`; UserError with file, line and what was expected."""
        data: Any = self.data
        for part in at:
            data = data[part]
        try:
            return model.model_validate(data)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
        location: KeyPath = tuple(problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] != "missing" and not isinstance(problem["input"], dict):
            message += f" (found {problem['input']!r})"
        key = ".".join(map(str, (*at, *location))) or "file"
        raise UserError(f"{self.where(*at, *location)}: {key}: {message}")


def names_in(folder: Path) -> list[str]:
    """Names of the configurations in a folder: its YAML files, except those that start with `_` (to be included)."""
    return sorted(path.stem for path in folder.glob("*.yaml") if not path.stem.startswith("_"))


def load_named(kind: str, name: str, folder: Path, model: type[M], *, shared: Path | None = None) -> tuple[M, Located]:
    """The configuration `name` in `folder`; its key `kind` must repeat the file's name."""
    if name not in names_in(folder):
        raise unknown_name(kind, name, names_in(folder))
    located = Located(folder / f"{name}.yaml", shared)
    value = located.validate(model)
    if getattr(value, kind) != name:
        raise UserError(f"{located.where(kind)}: {kind}: expected {name!r}, the name of the file")
    return value, located


def _load_with_includes(
    path: Path, shared: Path | None, chain: tuple[Path, ...]
) -> tuple[dict[str, Any], dict[KeyPath, Where]]:
    """The YAML mapping at `path`, merged over what it includes, and where each key came from."""
    if path in chain:
        names = " → ".join(p.name for p in (*chain[chain.index(path) :], path))
        raise UserError(f"{chain[-1]}: circular include: {names}")
    data, where = parse_yaml(path)
    include = data.pop("include", None)
    if include is None:
        return data, where
    file, line = where.pop(("include",))
    included: Any = [include] if isinstance(include, str) else include
    if not isinstance(included, list) or not all(isinstance(name, str) for name in included):
        raise UserError(f"{file}:{line}: include: expected a file name or a list of them")
    merged: dict[str, Any] = {}
    merged_where: dict[KeyPath, Where] = {}
    for name in included:
        target = next((folder / name for folder in (path.parent, shared) if folder and _is_file(folder / name)), None)
        if target is None:
            raise UserError(f"{file}:{line}: include: no such file: {name:.300}")
        base, base_where = _load_with_includes(target, shared, (*chain, path))
        merged = deep_merge(merged, base)
        merged_where |= base_where
    return deep_merge(merged, data), merged_where | where


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # not a valid file name
        return False


def deep_merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merges `over` into `base`: mappings key by key; everything else, including lists, is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = deep_merge(merged[key], value) if both else value
    return merged


@functools.lru_cache(maxsize=64)
def _composed(text: str) -> yaml.Node | None:
    """The text's tree, which nobody changes. One command asks for the same few files again and again."""
    return yaml.compose(text, Loader=yaml.SafeLoader)


def parse_yaml(path: Path) -> tuple[dict[str, Any], dict[KeyPath, Where]]:
    """Parses a YAML file with one mapping; returns it with file and line of every key.

    Raises UserError with file and line for broken YAML, a duplicate key, or anything but a mapping.
    """
    where: dict[KeyPath, Where] = {}
    try:
        root = _composed(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: broken YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: broken YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError(f"{path}: broken YAML: nested too deeply") from None
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{path}:1: expected a mapping of keys to values")
    constructor = yaml.SafeLoader("")

    def build(node: yaml.Node, at: KeyPath) -> Any:
        if len(where) > _MOST_KEYS:  # aliases let a few lines hold any number
            raise UserError(f"{path}:{node.start_mark.line + 1}: more than {_MOST_KEYS} values")
        where.setdefault(at, (str(path), node.start_mark.line + 1))
        if isinstance(node, yaml.MappingNode):
            result: dict[str, Any] = {}
            for key_node, value_node in node.value:
                line = key_node.start_mark.line + 1
                if not isinstance(key_node, yaml.ScalarNode):
                    raise UserError(f"{path}:{line}: expected a name before the colon")
                key = key_node.value
                if key in result:
                    raise UserError(f"{path}:{line}: duplicate key {key!r}")
                where[at + (key,)] = (str(path), line)
                result[key] = build(value_node, at + (key,))
            return result
        if isinstance(node, yaml.SequenceNode):
            return [build(item, at + (index,)) for index, item in enumerate(node.value)]
        try:
            return constructor.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            line = node.start_mark.line + 1
            said = getattr(error, "problem", None) or error
            raise UserError(f"{path}:{line}: {node.value!r:.40}: {said}") from None

    try:
        data = build(root, ())
    except RecursionError:
        raise UserError(f"{path}: broken YAML: nested too deeply") from None
    return data, where
