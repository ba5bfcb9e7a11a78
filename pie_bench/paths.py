"""Where things lie on this machine: the clone's folders and the cache folder."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parent
TASKS_DIR = PACKAGE_DIR.parent / "tasks"
LEADERBOARD_DIR = PACKAGE_DIR.parent / "leaderboard"
ENVIRONMENTS_DIR = PACKAGE_DIR / "environments"


def cache_dir() -> Path:
    """`PIE_BENCH_CACHE`, else `pie_bench` in the user's cache folder (XDG). Holds only what can be made again."""
    explicit = os.environ.get("PIE_BENCH_CACHE")
    if explicit:
        return Path(explicit).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().resolve() / "pie_bench"
