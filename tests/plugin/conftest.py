"""The example package, installed into a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]
PACKAGE = Path(__file__).parent / "package"


def install(package: Path, folder: Path, into: Path) -> Path:
    """The package in `into`, as pip installs it; offline. `folder`: where it is built."""
    copy = shutil.copytree(package, folder / package.name)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", into, copy], check=True, capture_output=True)
    return into


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the installed example package."""
    return install(PACKAGE, tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("installed"))


@pytest.fixture
def pie_bench(example: Path, tmp_path: Path, pytestconfig: pytest.Config) -> Command:
    """The command line, in a folder of its own, where the example package is installed."""

    def run(*arguments: str, also: tuple[Path, ...] = (), **variables: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(map(str, (example, *also, pytestconfig.rootpath)))
        environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": path, **variables}
        command = [sys.executable, "-m", "pie_bench.cli", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run
