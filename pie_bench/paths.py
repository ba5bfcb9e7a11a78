"""Locations on this machine: the package's folders, a clone's, and the cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from pie_bench.errors import UserError

PACKAGE_DIR = Path(__file__).resolve().parent
CLONE_DIR = PACKAGE_DIR.parent if (PACKAGE_DIR.parent / "tasks" / "_base.yaml").is_file() else None
TASKS_DIR = CLONE_DIR / "tasks" if CLONE_DIR else PACKAGE_DIR / "tasks"  # a clone's, else the installed ones
RECIPES_DIR = CLONE_DIR / "recipes" if CLONE_DIR else PACKAGE_DIR / "recipes"
ENVIRONMENTS_DIR = PACKAGE_DIR / "environments"
ROOTS_DIR = ENVIRONMENTS_DIR / "roots"


def leaderboard_dir(given: Path | None) -> Path:
    """The leaderboard's folder: the one given, else the clone's. UserError if there is neither."""
    if given is not None:
        return given
    if CLONE_DIR is None:
        raise UserError("an installed pie_bench has no leaderboard; give --leaderboard DIR, from a clone")
    return CLONE_DIR / "leaderboard"


def cache_dir() -> Path:
    """`PIE_BENCH_CACHE`, else `pie_bench` in the user's cache folder (XDG). Holds only what can be regenerated."""
    explicit = os.environ.get("PIE_BENCH_CACHE")
    if explicit:
        return Path(explicit).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().resolve() / "pie_bench"


def roots_dir() -> Path:
    """Where built root file systems are: `PIE_BENCH_ROOTS`, else `roots` in the cache folder.

    The sandbox enters them as an unprivileged user, who cannot enter root's home: for root without a `PIE_BENCH_CACHE`,
    they are in /var/cache.
    """
    explicit = os.environ.get("PIE_BENCH_ROOTS")
    if explicit:
        return Path(explicit).expanduser().resolve()
    if os.geteuid() == 0 and not os.environ.get("PIE_BENCH_CACHE"):
        return Path("/var/cache/pie_bench/roots")
    return cache_dir() / "roots"
