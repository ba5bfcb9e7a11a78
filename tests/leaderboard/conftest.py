"""A real run on the two pairs of a tiny dataset that takes PIE's name, packed once for all tests of bundles."""

from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.leaderboard.bundle import pack
from pie_bench.leaderboard.signing import FILE, make_key
from pie_bench.run.files import write_json
from pie_bench.run.run import Run

RUN = "--task pie_instruct --model reference --samples 2 --dataset pie --environment skylake".split()


@pytest.fixture(autouse=True)
def as_pie(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tests know the run's dataset by the name that a bundle has for it."""
    monkeypatch.setenv("PIE_DATA_DIR", str(tiny))


@pytest.fixture(scope="session")
def finished_run(measured_cache: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run: two pairs, the human rewrite twice each."""
    directory = tmp_path_factory.mktemp("board") / "run"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PIE_BENCH_CACHE", str(measured_cache))
        environment.setenv("PIE_DATA_DIR", str(tiny))
        assert main(["run", *RUN, "--run-dir", str(directory)]) == 0
    return directory


@pytest.fixture(scope="session")
def packed(finished_run: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run's bundle."""
    path = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PIE_DATA_DIR", str(tiny))
        return pack(Run(finished_run), path, submitter="somebody", links=["https://example.org/run"])


@pytest.fixture
def reviewer_key(tmp_path: Path) -> Path:
    """The private key of a reviewer whom the leaderboard in `tmp_path / "board"` lists."""
    path = tmp_path / "reviewer.key"
    list_reviewers(tmp_path / "board", {"a reviewer": make_key(path)})
    return path


def list_reviewers(board: Path, keys: dict[str, str]) -> None:
    """Makes these names and public keys a leaderboard's reviewers."""
    write_json(board / FILE, {"reviewers": [{"name": name, "key": key} for name, key in keys.items()]})
