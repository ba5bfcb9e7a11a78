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
    """The submissions that were made, and what must come of them."""

    source: Path
    out: Path
    expected: dict[str, Any]
    manifest: dict[str, Any]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codenet")
    make(folder, problems=2, users=4, submissions=40)
    return folder


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A larger one, with every kind of dirt, whose times are recorded: no program is run."""
    source = tmp_path_factory.mktemp("recorded")
    expected = make(source, problems=6, users=8, submissions=900)
    tests = ("0", "1", "2", "100")
    times = [
        {"submission_id": submission, "seconds": dict.fromkeys(tests, 1.0 + level)}
        for submission, level in sorted(expected["levels"].items())
    ]
    write_jsonl(source / "times.jsonl", times)
    text = (source / "recipe.yaml").read_text().replace("environment: skylake\n", "")
    text += "check: {native: false}\ntimes: {path: times.jsonl, environment: levels}\n"
    (source / "recipe.yaml").write_text(text)
    out = tmp_path_factory.mktemp("built-recorded") / "made"
    return Made(
        source, out, json.loads((source / "expected.json").read_text()), build_dataset(source / "recipe.yaml", out)
    )


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
