"""Limits what a compiler and all its children use together: control groups, version 1 or 2, if writable.

Resource limits apply to each process; where processes can fork (the stage `compile`), they do not limit the total.
Without a writable control group, the total is `processes` times `memory_bytes`.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pie_bench.execution.sandbox.sandbox import Limits

_REMOVAL_SECONDS = 5
_numbers = itertools.count()


@dataclass(frozen=True)
class Cgroups:
    """Where groups can be created: the parent folder by controller (the same one for all of version 2)."""

    version: int
    parents: Mapping[str, Path]

    @contextmanager
    def group(self, limits: Limits) -> Iterator[Callable[[int], None]]:
        """A group with these limits; yields a function that moves a process and its children into it.

        On exit, kills whatever is left in the group and removes it.
        """
        # The name identifies the owner, so that the remains of a killed harness can be found.
        name = f"pie_bench-{os.getpid()}-{next(_numbers)}"
        folders = {parent / name: self._settings(limits, {c for c, p in self.parents.items() if p == parent})
                   for parent in dict.fromkeys(self.parents.values())}  # fmt: skip
        try:
            for folder, settings in folders.items():
                folder.mkdir()
                for file, value in settings.items():
                    if "sw" not in file or (folder / file).exists():  # swap accounting may be off
                        (folder / file).write_text(str(value))
            yield lambda process: _add(process, list(folders))
        finally:
            for folder in folders:
                remove_group(folder)

    def _settings(self, limits: Limits, controllers: set[str]) -> dict[str, int]:
        settings = {}
        if "memory" in controllers and self.version == 1:
            settings["memory.limit_in_bytes"] = settings["memory.memsw.limit_in_bytes"] = limits.memory_bytes
        elif "memory" in controllers:
            # Not memory.oom.group: it would kill the sandbox's own process too, which knows how the compiler ended.
            settings |= {"memory.max": limits.memory_bytes, "memory.swap.max": 0}
        if "pids" in controllers:
            settings["pids.max"] = limits.processes + 4  # the sandbox's own
        return settings


@functools.cache
def find_cgroups() -> Cgroups | str:
    """What this process may use, determined by creating and removing a group; otherwise why there is none."""
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    problem = "no control groups with memory and processes are mounted"
    for version, parents in _places(own):
        found = Cgroups(version, parents)
        limits = Limits(
            cpu_seconds=1, wall_seconds=1, memory_bytes=1 << 30, output_bytes=1, stack_bytes=1 << 16, processes=16,
            tmp_bytes=1 << 12,
        )  # fmt: skip
        try:
            if version == 2:
                _pass_on(parents["memory"])
            with found.group(limits):
                return found
        except OSError as error:
            problem = f"{error.filename or parents['memory']}: {error.strerror}"
    return problem


def _places(own: list[list[str]]) -> Iterator[tuple[int, dict[str, Path]]]:
    mounted = [
        (point.replace("\\040", " "), root, kind, options.split(","))
        for root, point, kind, options in re.findall(
            r"^\d+ \d+ \S+ (\S+) (\S+) .* - (cgroup2?) \S+ (\S+)$", Path("/proc/self/mountinfo").read_text(), re.M
        )
    ]
    for point, root, kind, _ in mounted:
        if kind == "cgroup2":
            path = next((path for _, names, path in own if names == ""), "/")
            place = _below(point, root, path)
            for parent in (place, place.parent):  # a group with processes in it cannot delegate controllers
                if parent.is_relative_to(point):
                    yield 2, {"memory": parent, "pids": parent}
    parents = {}
    for controller in ("memory", "pids"):
        for point, root, kind, options in mounted:
            paths = [path for _, names, path in own if controller in names.split(",")]
            if kind == "cgroup" and controller in options and paths:
                parents[controller] = _below(point, root, paths[0])
    if "memory" in parents:
        yield 1, parents


def _below(point: str, root: str, path: str) -> Path:
    """The folder of the group `path` where the group `root` is mounted at `point`."""
    inside = os.path.relpath(path, root)
    return Path(point) if inside.startswith("..") else Path(point, inside)


def _pass_on(parent: Path) -> None:
    """Lets subgroups have limits. OSError if this user may not do that, or may not move processes into them."""
    control, members = parent / "cgroup.subtree_control", parent / "cgroup.procs"
    if not {"memory", "pids"} <= set(control.read_text().split()):
        control.write_text("+memory +pids")
    with members.open("a"):  # moving a process into a group requires write access here too
        pass


def _add(process: int, folders: list[Path]) -> None:
    """Adds a process with its existing children; future children join the group by themselves."""
    with suppress(OSError):  # it has ended
        for folder in folders:
            (folder / "cgroup.procs").write_text(str(process))
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            _add(int(child), folders)


def remove_group(folder: Path) -> None:
    """Kills whatever is left in a group and removes it; gives up if that takes too long."""
    until = time.monotonic() + _REMOVAL_SECONDS
    while folder.exists():
        with suppress(OSError):
            folder.rmdir()
            return
        with suppress(OSError, ProcessLookupError):
            for process in (folder / "cgroup.procs").read_text().split():
                os.kill(int(process), signal.SIGKILL)
        if time.monotonic() > until:
            return
        time.sleep(0.001)
