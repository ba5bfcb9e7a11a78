"""What a dataset is: where its rows and tests lie, and what its columns are called.

`pie.yaml` has the published columns, `published.yaml` what is known of the published files alone.
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
SCORED = "test"  # the split that the shipped tasks ask about
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
    """Where something published can be had."""

    what: str
    url: str


class Published(Strict):
    """What is known of the published files: rows and problems a split, sums by file name, where they are."""

    pairs: dict[str, int] = Field(default_factory=dict)
    problems: dict[str, int] = Field(default_factory=dict)
    sha256: dict[str, str] = Field(default_factory=dict)
    places: tuple[Place, ...] = ()


class DatasetSpec(Strict):
    """A dataset's YAML.

    `source` is a folder with a file a split (or one that `datasets` wrote), a single file, or `hf:OWNER/NAME`. `tests`
    is a folder of tests or an archive of one; a relative path starts from the source's folder. A row may hold its tests
    itself.
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
                raise ValueError(f"{key} is missing: say which columns hold it")
        return value

    @property
    def hub_name(self) -> str | None:
        """What `datasets.load_dataset` is asked for; None for what lies on this machine."""
        return self.source.removeprefix(HUB) if self.source.startswith(HUB) else None

    def path(self) -> Path | None:
        """The folder or file with the rows; None where they come from elsewhere. UserError when it does not exist."""
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
        """Where relative paths start; None for rows that come from elsewhere. UserError as `path`."""
        path = self.path()
        return path.parent if path is not None and path.is_file() else path

    def tests_path(self) -> Path | None:
        """Where tests that rows only list lie, whether anything is there or not; None where nothing says so."""
        folder = self.folder()
        if folder is None:  # no folder of their own: an absolute path, or beside PIE's
            pie = os.environ.get("PIE_DATA_DIR")
            folder = Path(pie).expanduser().resolve() if pie else None
        tests = Path(self.tests).expanduser()
        return tests if tests.is_absolute() else folder / tests if folder is not None else None


class PluginSpec(DatasetSpec):
    """A dataset whose rows another package's function gives: `rows(split)`, None for a split that it does not have."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    rows: RowsOfSplit

    def path(self) -> None:
        return None


def load_spec(name: str | os.PathLike[str]) -> DatasetSpec:
    """The dataset that `--dataset` names.

    `mini`, `pie`, `hf:OWNER/NAME`, a YAML file, a file of rows (FILES), a folder, the name of a plug-in's dataset or
    `MODULE:OBJECT`. Raises UserError for an unknown name, and for a YAML that is not as it should be (file, line, what
    was expected).
    """
    name = os.fspath(name)
    if name == "pie":
        return Located(DATA_DIR / "published.yaml").validate(DatasetSpec)
    if name == "mini":
        return _with_pie_columns(name, str(DATA_DIR / "mini"))
    if name.startswith(HUB):
        if not re.match(_NAME, name):
            hub_folder = "a folder on this machine is given without hf:"
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
    """The datasets that have a name of their own, each with a line that says what it is."""
    added = registry.registered("datasets")
    return DATASETS | {name: f"from the package {found.package}" for name, found in added.items()}


def absolute_name(name: str) -> str:
    """The same dataset, named so that it is found from every folder: files and folders by their absolute path."""
    if name in dataset_names() or name.startswith(HUB):
        return name
    return str(_existing(name) or name)


def _existing(name: str) -> Path | None:
    """The file or folder that the name is a path of; None where nothing is there."""
    try:
        path = Path(name).expanduser().resolve()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):  # a name that no file can have
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
    """What a dataset without a name is called in results: never its whole path, which is this machine's own."""
    stem = path.name
    for ending in (*FILES, *_YAML):
        stem = stem.removesuffix(ending) or stem
    if path.is_file() and stem in (*SPLITS, "validation"):
        stem = path.parent.name  # FOLDER/test.jsonl
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).lstrip("._-") or "data"
    return f"own:{name}" if name in DATASETS else name


def _from_registry(name: str) -> DatasetSpec:
    """A dataset that another package adds, or the object that an import string names."""
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
    """The function, with what it raises (or its rows do) as UserErrors that name it and its package."""

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
