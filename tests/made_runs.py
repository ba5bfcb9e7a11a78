"""Fixtures: small made-up runs. Nothing in them was measured, but everything that follows a run works on them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.made_run import make_dataset, make_run
from pie_bench.stages.finished import FinishedRun
from pie_bench.stages.plan import plan_of
from pie_bench.stages.score import score


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data`, and two scored runs `a` (4 samples) and `b` (2 samples) over its 30 pairs of 12 problems."""
    folder = tmp_path_factory.mktemp("made")
    make_dataset(folder / "data", pairs=30, problems=12, tests=5)
    before = os.environ.get("PIE_DATA_DIR")
    os.environ["PIE_DATA_DIR"] = str(folder / "data")
    try:
        for name, samples, seed in (("a", 4, 0), ("b", 2, 1)):
            directory = make_run(folder / name, samples, seed)
            score(plan_of(directory), directory)
    finally:
        if before is None:
            del os.environ["PIE_DATA_DIR"]
        else:
            os.environ["PIE_DATA_DIR"] = before
    return folder


@pytest.fixture
def made(made_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of made-up runs, with its data as PIE's."""
    monkeypatch.setenv("PIE_DATA_DIR", str(made_folder / "data"))
    return made_folder


@pytest.fixture
def run_a(made: Path) -> FinishedRun:
    return FinishedRun(made / "a")
