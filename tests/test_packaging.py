"""What an installation holds: every file of the package, not only its modules."""

import configparser
from pathlib import Path

import pytest


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
