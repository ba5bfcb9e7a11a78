"""Describes a dataset: where its rows and tests are, and what its columns are called.

`pie.yaml` has the published columns, `published.yaml` facts about the published files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ConfigDict, Field, field_validator

from pie_bench import registry
from pie_bench.config import Located, Strict
from pie_bench.data.stored_tests import ARCHIVES
from pie_bench.errors import PieBenchError, UserError, unknown_name
from pie_bench.paths import PACKAGE_DIR

DATASETS = {"mini": "bundled: 10 test pairs, 40 training pairs", "pie": "PIE's published files, in PIE_DATA_DIR"}
SPLITS = ("train", "val", "test")
SCORED = "test"  # the split that the shipped tasks use
HUB = "hf:"
FILES = (".jsonl", ".jsonl.gz", ".parquet")
DATA_DIR = PACKAGE_DIR / "data"
REQUIRED_COLUMNS = ("src_code", "tgt_code")
_COLUMNS = (
    *("pair_id", "problem_id", "src_id", "tgt_id", *REQUIRED_COLUMNS, "tests", "kind", "rationale"),
    *("src_seconds", "tgt_seconds", "src_total_seconds", "tgt_total_seconds", "problem_date", "tag"),
)
_YAML = (".yaml", ".yml")
_NAME = r"^[A-Za-z0-9][A-Za-z0-9:./_-]*$"

RowsOfSplit = Callable[[str], "Iterable[Mapping[str, Any]] | None"]


class Place(Strict):
    """Where something published is available."""

    what: str
    url: str


class Published(Strict):
    """Facts about the published files: rows and problems per split, hashes by file name, and locations."""

    pairs: dict[str, int] = Field(default_factory=dict)
    problems: dict[str, int] = Field(default_factory=dict)
    sha256: dict[str, str] = Field(default_factory=dict)
    places: tuple[Place, ...] = ()


class DatasetSpec(Strict):
    """A dataset's YAML.

    `source` is a folder with one file per split (or one written by `datasets`), a single file, or `hf:OWNER/NAME`.
    `tests` is a folder of tests or an archive of one; relative paths start from the source's folder. Rows may also
    contain their own tests.
    """

    dataset: str = Field(pattern=_NAME)
    source: str = "."
    splits: dict[str, tuple[str, ...]]
    tests: str
    columns: dict[str, tuple[str, ...]]
    published: Published = Published()

    @field_validator("splits", "columns")
    @classmethod
    def _known(cls, value: dict[str, Any], info: Any) -> dict[str, Any]:
        known = SPLITS if info.field_name == "splits" else _COLUMNS
        for key in value:
            if key not in known:
                raise ValueError(str(unknown_name("key", key, known)))
        for key in REQUIRED_COLUMNS if info.field_name == "columns" else ():
            if not value.get(key):
                raise ValueError(f"{key} is missing: name the columns that hold it")
        return value

    @property
    def hub_name(self) -> str | None:
        """The name to give `datasets.load_dataset`; None for data on this machine."""
        return self.source.removeprefix(HUB) if self.source.startswith(HUB) else None

    def path(self) -> Path | None:
        """The folder or file with the rows; None if they come from elsewhere. UserError if it does not exist."""
        if self.hub_name is not None:
            return None
        source = self.source
        if source.startswith("$"):
            variable, _, rest = source.removeprefix("$").partition("/")
            value = os.environ.get(variable, "")
            if not value:
                pie = "; set it to the folder with PIE's test.jsonl and merged_test_cases, or use mini "
                raise UserError(
                    f"dataset {self.dataset}: {variable} is not set"
                    + (f"{pie}(where to get PIE: pie-bench dataset fetch)" if variable == "PIE_DATA_DIR" else "")
                )
            source = str(Path(value) / rest)
        path = Path(source).expanduser().resolve()
        if not (path.is_dir() or path.is_file()):
            name = f"{self.source.removeprefix('$')}={source}" if self.source.startswith("$") else source
            raise UserError(f"dataset {self.dataset}: {name} is not a folder or file")
        if path.is_file() and not path.name.endswith(FILES):
            raise UserError(f"dataset {self.dataset}: {path}: not a file of rows (expected {', '.join(FILES)})")
        return path

    def folder(self) -> Path | None:
        """Where relative paths start; None for rows from elsewhere. UserError as for `path`."""
        path = self.path()
        return path.parent if path is not None and path.is_file() else path

    def tests_path(self) -> Path | None:
        """Where the tests listed by rows should be, whether or not they exist; None if nothing says so."""
        folder = self.folder()
        if folder is None:  # no own folder: an absolute path, or next to PIE's
            pie = os.environ.get("PIE_DATA_DIR")
            folder = Path(pie).expanduser().resolve() if pie else None
        tests = Path(self.tests).expanduser()
        return tests if tests.is_absolute() else folder / tests if folder is not None else None


class PluginSpec(DatasetSpec):
    """A dataset whose rows come from a plug-in's function: `rows(split)`, None for a split that it does not have."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    rows: RowsOfSplit

    def path(self) -> None:
        return None


def load_spec(name: str | os.PathLike[str]) -> DatasetSpec:
    """The dataset that `--dataset` names.

    `mini`, `pie`, `hf:OWNER/NAME`, a YAML file, a file of rows (FILES), a folder, the name of a plug-in's dataset or
    `MODULE:OBJECT`. Raises UserError for an unknown name, and for an invalid YAML file (with file, line and what was
    expected).
    """
    name = os.fspath(name)
    if name == "pie":
        return Located(DATA_DIR / "published.yaml").validate(DatasetSpec)
    if name == "mini":
        return _with_pie_columns(name, str(DATA_DIR / "mini"))
    if name.startswith(HUB):
        if not re.match(_NAME, name):
            hub_folder = "give a local folder without hf:"
            raise UserError(f"dataset {name}: expected {HUB}OWNER/NAME ({hub_folder})")
        return _with_pie_columns(name, name)
    if name.endswith(_YAML):
        return _load_yaml(Path(name).expanduser().resolve(), name)
    path = _existing(name)
    if path is not None and name not in dataset_names():
        return _with_pie_columns(_name_of(path), str(path))
    if "/" in name or name.endswith(FILES):
        raise UserError(f"dataset {name}: no such file or folder")
    return _from_registry(name)


def dataset_names() -> dict[str, str]:
    """The named datasets, each with a one-line description."""
    added = registry.registered("datasets")
    return DATASETS | {name: f"from the package {found.package}" for name, found in added.items()}


def absolute_name(name: str) -> str:
    """A name for the dataset that is valid from any folder: files and folders become absolute paths."""
    if name in dataset_names() or name.startswith(HUB):
        return name
    return str(_existing(name) or name)


def _existing(name: str) -> Path | None:
    """The file or folder at this path; None if there is nothing."""
    try:
        path = Path(name).expanduser().resolve()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):  # not a valid file name
        return None


def _with_pie_columns(dataset: str, source: str) -> DatasetSpec:
    located = Located(DATA_DIR / "pie.yaml")
    located.data |= {"dataset": dataset, "source": source}
    return located.validate(DatasetSpec)


def _load_yaml(path: Path, name: str) -> DatasetSpec:
    if not path.is_file():
        raise UserError(f"dataset {name}: no such file")
    located = Located(path, DATA_DIR)
    located.data.setdefault("dataset", _name_of(path))
    spec = located.validate(DatasetSpec)
    if spec.dataset in DATASETS:
        raise UserError(f"{located.where('dataset')}: dataset: {spec.dataset} is taken; give it a name of its own")
    changes = {}
    if spec.hub_name is None and not spec.source.startswith(("$", "/", "~")):
        changes["source"] = str(path.parent / spec.source)
    elif spec.hub_name is not None and any((path.parent / f"{spec.tests}{end}").exists() for end in ("", *ARCHIVES)):
        changes["tests"] = str(path.parent / spec.tests)
    return spec.model_copy(update=changes)


def _name_of(path: Path) -> str:
    """The name of an unnamed dataset in results: never its whole path, which is specific to this machine."""
    stem = path.name
    for ending in (*FILES, *_YAML):
        stem = stem.removesuffix(ending) or stem
    if path.is_file() and stem in (*SPLITS, "validation"):
        stem = path.parent.name  # FOLDER/test.jsonl
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).lstrip("._-") or "data"
    return f"own:{name}" if name in DATASETS else name


def _from_registry(name: str) -> DatasetSpec:
    """A dataset from a plug-in, or the object that an import string names."""
    added = registry.find_if_there("datasets", name)
    if added is None:
        own = f"{HUB}OWNER/NAME, a folder, a file ({', '.join(FILES)}) or a YAML file"
        raise UserError(f"{unknown_name('dataset', name, dataset_names())} (also: {own})")
    value = added.load()
    if isinstance(value, DatasetSpec):
        return value
    if isinstance(value, (str, os.PathLike, ModuleType)):
        return load_spec(registry.path_of(added, value)).model_copy(update={"dataset": name})
    if callable(value):
        return PluginSpec(**_with_pie_columns(name, ".").model_dump() | {"rows": _naming(added, value)})
    raise added.broken(f"expected a path or a function of a split's name, found {type(value).__name__}")


def _naming(added: registry.Registered, rows: RowsOfSplit) -> RowsOfSplit:
    """Wraps the function: its errors, and those of its rows, become UserErrors that name it and its package."""

    def broken(split: str, error: Exception) -> UserError:
        return added.broken(f"rows({split!r}): {type(error).__name__}: {error}")

    def each(split: str, found: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        try:
            yield from found
        except PieBenchError:
            raise
        except Exception as error:
            raise broken(split, error) from error

    def rows_of_split(split: str) -> Iterable[Mapping[str, Any]] | None:
        try:
            found = rows(split)
        except PieBenchError:
            raise
        except Exception as error:
            raise broken(split, error) from error
        return None if found is None else each(split, found)

    return rows_of_split
