"""A real run on two pairs of `mini`, packed once for all tests of bundles."""

from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.leaderboard.bundle import pack
from pie_bench.run.run import Run

RUN = "--task pie_instruct --model reference --samples 2 --limit 2 --environment skylake".split()


@pytest.fixture(scope="session")
def finished_run(measured_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run: two pairs, the human rewrite twice each."""
    directory = tmp_path_factory.mktemp("board") / "run"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PIE_BENCH_CACHE", str(measured_cache))
        assert main(["run", *RUN, "--run-dir", str(directory)]) == 0
    return directory


@pytest.fixture(scope="session")
def packed(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run's bundle."""
    path = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    return pack(Run(finished_run), path, submitter="somebody", links=["https://example.org/run"])
