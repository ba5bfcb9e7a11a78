"""Reads a split's raw rows one by one, from JSON Lines, parquet, a folder of `datasets`, or the hub.

Errors name file and line (for binary formats, the row).
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from pie_bench.data.spec import FILES, SPLITS, DatasetSpec, PluginSpec
from pie_bench.errors import UserError

if TYPE_CHECKING:
    import datasets

_BOM = b"\xef\xbb\xbf"
_BATCH = 1000  # rows of a parquet file held as Python objects at once


class MissingSplitError(UserError):
    """The dataset is fine but does not have this split."""


@dataclass(frozen=True)
class Rows:
    """A split's rows, numbered from 1. `where` names the file for messages, `unit` what the numbers count."""

    where: str
    unit: str
    numbered: Iterable[tuple[int, Mapping[str, Any]]]


def rows_of(spec: DatasetSpec, split: str) -> Rows:
    """The rows of one of our SPLITS. UserError if the split does not exist, or (while reading) for a broken file.

    A single file serves as the requested split, test or val; never as train, whose rows are shown with their answers.
    """
    if isinstance(spec, PluginSpec):
        return _plugin_rows(spec, split)
    path = spec.path()
    if path is None:
        return _hub_rows(spec, split)
    if path.is_file():
        if split == "train":
            raise MissingSplitError(
                f"dataset {spec.dataset}: no split 'train': {path} is a single file, which holds the pairs to "
                "optimize; a task that shows examples needs a folder with train.jsonl and test.jsonl"
            )
        return _file_rows(path)
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        return _saved_rows(spec, path, split)
    files = _files_of_split(path, spec.splits.get(split, ()))
    if not files:
        expected = path / f"{(*spec.splits.get(split, ()), split)[0]}.jsonl"
        raise MissingSplitError(
            f"dataset {spec.dataset}: no split {split!r}: {expected} does not exist, nor .jsonl.gz or .parquet; "
            f"{path.name} holds {_shown(_rows_in(path)) or 'no file of rows'}"
        )
    if len(files) == 1:
        return _file_rows(files[0])
    return Rows(str(path / f"{split}-*.parquet"), "row", _numbered(_parquet_rows(files)))


def _files_of_split(folder: Path, names: Iterable[str]) -> list[Path]:
    """The split's file, under the first of its names that exists; several for sharded parquet, as on the hub."""
    for name in names:
        for place in (folder, folder / "data"):
            found = [file for ending in FILES if (file := place / f"{name}{ending}").is_file()]
            if len(found) > 1:
                raise UserError(f"{place}: holds the split {name!r} twice: {_shown(f.name for f in found)}; keep one")
            shards = sorted(place.glob(f"{name}-*-of-*.parquet"))
            if found or shards:
                return found or shards
    return []


def _rows_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name.endswith(FILES))


def _shown(names: Iterable[str], most: int = 6) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (", …" if len(listed) > most else "")


def _numbered(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return enumerate(rows, start=1)


def _file_rows(path: Path) -> Rows:
    if path.name.endswith(".parquet"):
        return Rows(str(path), "row", _numbered(_parquet_rows([path])))
    return Rows(str(path), "line", _json_rows(path))


def _json_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with cast("IO[bytes]", gzip.open(path) if path.name.endswith(".gz") else path.open("rb")) as file:
            for line, data in enumerate(file, start=1):
                if line == 1:
                    data = _without_mark(path, data)
                if data.strip():
                    yield line, _json_row(f"{path}:{line}", data)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def _without_mark(path: Path, data: bytes) -> bytes:
    """The first line without a UTF-8 BOM; UserError if a BOM or NULs show that the file is in another encoding."""
    encoding = json.detect_encoding(data)
    if encoding.startswith(("utf-16", "utf-32")):
        name = encoding[:6].upper()
        raise UserError(f"{path}:1: is {name}; convert the file first: iconv -f {name} -t UTF-8")
    return data.removeprefix(_BOM)


def _json_row(where: str, data: bytes) -> Mapping[str, Any]:
    try:
        row = json.loads(data.decode(), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where}: byte {error.start + 1} (0x{data[error.start]:02x}) is not UTF-8; "
            "convert the file first, from Latin-1 for example: iconv -f LATIN1 -t UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not a row: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(f"{where}: not a row: {said}") from None
    if not isinstance(row, dict):
        hint = " (of a file that is one JSON array: jq -c '.[]')" if isinstance(row, list) else ""
        raise UserError(f"{where}: not a row: expected a JSON object, found {type(row).__name__}{hint}")
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} occurs twice")
    return found


def _parquet_rows(paths: Iterable[Path]) -> Iterator[Mapping[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    for path in paths:
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_BATCH):
                    yield from batch.to_pylist()
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            raise UserError(f"{path}: cannot be read ({_one_line(error)})") from None


def _saved_rows(spec: DatasetSpec, folder: Path, split: str) -> Rows:
    """A folder written by `save_to_disk`: one dataset per split, or a single one."""
    import datasets
    import pyarrow

    try:
        saved = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
        raise UserError(f"{folder}: cannot be read as a folder of datasets ({_one_line(error)})") from None
    if isinstance(saved, datasets.DatasetDict):
        name = _name_among(spec, split, saved)
        return Rows(f"{folder}/{name}", "row", _numbered(saved[name]))
    if split == "train":
        raise MissingSplitError(
            f"dataset {spec.dataset}: no split 'train': {folder} holds a single dataset, the pairs to optimize; "
            "a task that shows examples needs a DatasetDict with train and test"
        )
    return Rows(str(folder), "row", _numbered(saved))


def _hub_rows(spec: DatasetSpec, split: str) -> Rows:
    import datasets

    try:
        name = _name_among(spec, split, datasets.get_dataset_split_names(spec.hub_name))
        rows: datasets.Dataset = datasets.load_dataset(spec.hub_name, split=name)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise UserError(
            f"dataset {spec.dataset}: cannot be loaded ({_one_line(error)}); "
            "check the name and the connection to the Hugging Face hub"
        ) from None
    return Rows(f"{spec.source}:{split}", "row", _numbered(rows))


def _plugin_rows(spec: PluginSpec, split: str) -> Rows:
    rows = spec.rows(split)
    if rows is None:
        there = [name for name in SPLITS if name != split and spec.rows(name) is not None]
        raise MissingSplitError(f"dataset {spec.dataset}: no split {split!r}; it has {', '.join(there) or 'none'}")
    return Rows(f"{spec.dataset}:{split}", "row", _numbered(_mappings(spec.dataset, rows)))


def _mappings(dataset: str, rows: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise UserError(f"dataset {dataset}: row {number} is a {type(row).__name__}; expected a mapping of columns")
        yield row


def _name_among(spec: DatasetSpec, split: str, found: Iterable[str]) -> str:
    names = sorted(map(str, found))
    for name in spec.splits.get(split, ()):
        if name in names:
            return name
    raise MissingSplitError(f"dataset {spec.dataset}: no split {split!r}; it has {', '.join(names)}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
