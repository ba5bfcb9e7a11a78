"""A place of its own for each run, for mechanisms that mount nothing: `/w` and `/tmp` stand for folders in there.

Names are as long as those that they stand for: what a simulator counts depends on the length of a program's path.
The working directory is `/tmp` (in front of everyone's eyes, but the run's own folder is elsewhere), so that PWD is the
same too.
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
_MARK = ".pie_bench-"  # and the harness's process id


@dataclass(frozen=True)
class Folder:
    """`path` is read-only to the run; `path/t` is a compiler's temporary folder, `path/b` has the root's programs."""

    path: Path

    def inside(self, text: str) -> str:
        """An argument with `/w/…` and `/tmp/…` as they are called here, in as many characters.

        Only where they begin a word: what stands in quotes is left alone.
        """
        text = re.sub(r"(?:(?<=^)|(?<=[\s=]))/w(?=/)", self.path.name, text)
        return re.sub(r"(?:(?<=^)|(?<=[\s=]))/tmp(?=/)", f"{self.path.name}/t", text)

    def outside(self, said: bytes, command: Command) -> bytes:
        """What was said of the given files and of the root's, with the names they were given by."""
        for path in command.files:
            said = said.replace(self.inside(path).encode(), path.encode())
        return said.replace(str(command.root).encode(), b"") if command.root is not None else said


@contextmanager
def run_folder(command: Command, uid: int | None, stage: Stage) -> Iterator[Folder]:
    """The command's files in a folder, which is removed at the end; a compiler has a temporary one in it, as `uid`."""
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
    """Read-only for all; by another process if it is to be executed.

    While a file is open for writing, here or in a process that this one forks at that moment, the kernel refuses to
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
            raise SandboxError(f"{path}: cannot be made ({error.strerror})") from None
        return path
    raise SandboxError(f"{CWD}: every folder with a two-letter name exists; remove some")


def is_left_over(path: Path) -> bool:
    """Whether it is a run's whose harness has ended."""
    if not path.is_dir() or path.is_symlink():
        return False
    marks = list(path.glob(f"{_MARK}*"))
    return len(marks) == 1 and has_ended(marks[0].name.removeprefix(_MARK))
