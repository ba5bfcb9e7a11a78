"""DuckDB over parquet, which keeps millions of rows out of memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

MEMORY = "1GB"  # DuckDB's limit; the rest spills to files next to the build
_ROW_GROUP = 100_000
_BATCH = 1000  # rows held as Python objects at once


@contextmanager
def database(temporary: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that spills into `temporary`. Single-threaded: rows stay in file order."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit='{MEMORY}'")
        connection.execute("SET threads=1")
        connection.execute("SET enable_progress_bar=false")
        connection.execute(f"SET temp_directory={literal(str(temporary))}")
        yield connection


def literal(value: str | Path) -> str:
    """Text as an SQL literal."""
    return "'" + str(value).replace("'", "''") + "'"


def name(column: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def listed(values: Sequence[str | Path]) -> str:
    """A list of texts as an SQL literal."""
    return "[" + ", ".join(map(literal, values)) + "]"


def table(*paths: Path) -> str:
    """Parquet files with the same columns, as one table."""
    return f"(FROM read_parquet({listed(paths)}))"


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """Writes the rows of a query to a parquet file; returns their number."""
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP}"
    connection.execute(f"COPY ({query}) TO {literal(path)} ({options})")
    counted = connection.execute(f"SELECT count(*) FROM {table(path)}").fetchone()
    assert counted is not None
    return int(counted[0])


def one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """The single value that a query returns."""
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[dict[str, Any]]:
    """The rows of a query, a few at a time, on a separate cursor, so that other queries can run meanwhile."""
    cursor = connection.cursor()
    cursor.execute(query)
    columns = [column[0] for column in cursor.description]
    while batch := cursor.fetchmany(_BATCH):
        for row in batch:
            yield dict(zip(columns, row, strict=True))


class ParquetRows:
    """Writes rows to a parquet file, a batch at a time. `schema` maps columns to Arrow types."""

    def __init__(self, path: Path, schema: Mapping[str, str]):
        import pyarrow
        import pyarrow.parquet

        self._schema = pyarrow.schema([(column, pyarrow.type_for_alias(kind)) for column, kind in schema.items()])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._waiting: list[dict[str, Any]] = []
        self._bytes = 0

    def add(self, row: dict[str, Any], weight: int = 0) -> None:
        """Adds a row; `weight` is its size in bytes, if that matters."""
        self._waiting.append(row)
        self._bytes += weight
        if len(self._waiting) >= 20_000 or self._bytes >= 32_000_000:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        if self._waiting:
            self._writer.write_table(pyarrow.Table.from_pylist(self._waiting, schema=self._schema))
        self._waiting, self._bytes = [], 0

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def __enter__(self) -> ParquetRows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
