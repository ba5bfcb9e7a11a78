"""What setup.cfg cannot say: `tasks/` and `recipes/` lie beside the package in a clone, inside it once installed."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithFolders(build_py):
    """Copies them into the built package. An editable installation finds the clone's."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for source, target in self._files():
                target.parent.mkdir(parents=True, exist_ok=True)
                self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list:
        return [*super().get_outputs(include_bytecode), *(str(target) for _, target in self._files())]

    def _files(self) -> list:
        paths = [path for folder in ("tasks", "recipes") for path in sorted(Path(folder).rglob("*.yaml"))]
        return [(path, Path(self.build_lib) / "pie_bench" / path) for path in paths]


setup(cmdclass={"build_py": BuildWithFolders})
