"""Removes what a killed harness (`kill -9`, a power cut) left behind, at the next start.

Its processes end with it, or with its control groups here. The next `ContainerSandbox` removes Docker's containers.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from pie_bench.execution.sandbox.cgroups import find_cgroups, remove_group
from pie_bench.execution.sandbox.folder import CWD, is_left_over
from pie_bench.execution.sandbox.process import has_ended


def sweep() -> None:
    """Removes this user's run folders, temporary folders and control groups whose harness is gone."""
    folder = Path(CWD)
    for path in [*folder.glob("??"), *folder.glob("pie_bench-*-*")]:
        with suppress(OSError):
            if path.lstat().st_uid == os.geteuid() and (is_left_over(path) or _of_the_dead(path)):
                shutil.rmtree(path, ignore_errors=True)
    groups = find_cgroups()
    for parent in dict.fromkeys(groups.parents.values()) if not isinstance(groups, str) else ():
        for group in parent.glob("pie_bench-*-*"):
            if _of_the_dead(group):
                remove_group(group)


def _of_the_dead(path: Path) -> bool:
    """Whether its name shows that it was made by a process that is gone."""
    named = re.match(r"pie_bench-(\d+)-", path.name)
    return named is not None and path.is_dir() and not path.is_symlink() and has_ended(named[1])
