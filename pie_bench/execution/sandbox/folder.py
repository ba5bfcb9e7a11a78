"""A folder per run, for mechanisms that cannot mount: `/w` and `/tmp` stand for folders in it.

Names are as long as those they replace, because a simulator's counts depend on the length of a program's path. The
working directory is `/tmp` (visible to everyone, but the run's own folder is elsewhere), so that PWD is the same too.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import string
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pie_bench.execution.sandbox.memory import memory_file
from pie_bench.execution.sandbox.process import has_ended
from pie_bench.execution.sandbox.rooted import write_tools
from pie_bench.execution.sandbox.sandbox import Command, File, SandboxError, Stage

CWD = "/tmp"
_LETTERS = string.ascii_letters + string.digits
_MARK = ".pie_bench-"  # followed by the harness's process id


@dataclass(frozen=True)
class Folder:
    """`path` is read-only to the run; `path/t` is a compiler's temporary folder, `path/b` contains the root's
    programs."""

    path: Path

    def inside(self, text: str) -> str:
        """An argument with `/w/…` and `/tmp/…` replaced by their names here, of the same length.

        Only where they begin a word: quoted text is left alone.
        """
        text = re.sub(r"(?:(?<=^)|(?<=[\s=]))/w(?=/)", self.path.name, text)
        return re.sub(r"(?:(?<=^)|(?<=[\s=]))/tmp(?=/)", f"{self.path.name}/t", text)

    def outside(self, said: bytes, command: Command) -> bytes:
        """A message about the given files and the root's, with their original names restored."""
        for path in command.files:
            said = said.replace(self.inside(path).encode(), path.encode())
        return said.replace(str(command.root).encode(), b"") if command.root is not None else said


@contextmanager
def run_folder(command: Command, uid: int | None, stage: Stage) -> Iterator[Folder]:
    """Puts the command's files in a folder, removed at the end; a compiler gets a temporary folder in it, as `uid`."""
    path = _new_folder()
    try:
        (path / f"{_MARK}{os.getpid()}").touch()
        if stage == "compile":
            temporary = path / "t"
            temporary.mkdir(mode=0o700)
            if uid is not None:
                os.chown(temporary, uid, uid)
            if command.root is not None:
                write_tools(path / "b", command.root)
        for name, given in command.files.items():
            if not re.fullmatch(r"/w/[^/]+", name):
                raise SandboxError(f"{name}: without mounts, files can only be placed in /w")
            place = path / name.removeprefix("/w/")
            write_file(place, given)
        path.chmod(0o555 if uid is not None else 0o755)
        yield Folder(path)
    finally:
        if (path / "b").exists():
            (path / "b").chmod(0o755)
        shutil.rmtree(path, ignore_errors=True)


def write_file(place: Path, given: File) -> None:
    """Writes a file read-only for all; an executable one through another process.

    While a file is open for writing, here or in a process that happens to fork at that moment, the kernel refuses to
    execute it.
    """
    if not given.executable:
        place.write_bytes(given.content)
        place.chmod(0o444)
        return
    with memory_file("program", given.content) as content:
        done = subprocess.run(["/bin/cp", "/dev/stdin", place], stdin=content, capture_output=True, check=False)
    if done.returncode != 0:
        raise SandboxError(f"{place}: cannot be written ({done.stderr.decode(errors='replace').strip()})")
    place.chmod(0o555)


def _new_folder() -> Path:
    names = len(_LETTERS) ** 2
    start = random.randrange(names)
    for number in range(start, start + names):
        first, second = divmod(number % names, len(_LETTERS))
        path = Path(CWD, _LETTERS[first] + _LETTERS[second])
        try:
            path.mkdir(mode=0o755)
        except FileExistsError:
            if not is_left_over(path):
                continue
            shutil.rmtree(path, ignore_errors=True)
            with suppress(FileExistsError):
                path.mkdir(mode=0o755)
                return path
            continue
        except OSError as error:
            raise SandboxError(f"{path}: cannot be created ({error.strerror})") from None
        return path
    raise SandboxError(f"{CWD}: every folder with a two-letter name exists; remove some")


def is_left_over(path: Path) -> bool:
    """Whether it belongs to a run whose harness has ended."""
    if not path.is_dir() or path.is_symlink():
        return False
    marks = list(path.glob(f"{_MARK}*"))
    return len(marks) == 1 and has_ended(marks[0].name.removeprefix(_MARK))
