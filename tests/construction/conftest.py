"""A small CodeNet made by the project, and the dataset built from it, once a session."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pie_bench.construction.build import build_dataset
from tools.make_codenet import make


@dataclass(frozen=True)
class Made:
    """What was made, and what must come of it."""

    source: Path
    out: Path
    expected: dict[str, Any]
    manifest: dict[str, Any]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codenet")
    make(folder, problems=2, users=4, submissions=60)
    return folder


@pytest.fixture(scope="session")
def built(source: Path, measured_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The whole pipeline, with real compilers and the simulator."""
    out = tmp_path_factory.mktemp("built") / "made"
    before = os.environ.get("PIE_BENCH_CACHE")
    os.environ["PIE_BENCH_CACHE"] = str(measured_cache)
    try:
        manifest = build_dataset(source / "recipe.yaml", out)
    finally:
        if before is None:
            del os.environ["PIE_BENCH_CACHE"]
        else:
            os.environ["PIE_BENCH_CACHE"] = before
    return Made(source, out, json.loads((source / "expected.json").read_text()), manifest)


def rows(out: Path) -> list[dict[str, Any]]:
    """All rows of a dataset, whatever their split."""
    files = [out / f"{split}.jsonl" for split in ("train", "val", "test", "new")]
    return [json.loads(line) for file in files if file.is_file() for line in file.read_text().splitlines()]


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path
