#!/usr/bin/env python3
"""Refuses a change that brings leaderboard entries and changes who may verify them (leaderboard/README.md).

usage: python tools/reviewers_apart.py BASE        # a commit: what HEAD changes since it branched off there
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

REVIEWERS, ENTRIES = "leaderboard/reviewers.json", "leaderboard/entries/"


def both(changed: Sequence[str]) -> str | None:
    """The first entry that is changed beside the reviewers' keys; None where it is one or the other."""
    entries = sorted(path for path in changed if path.startswith(ENTRIES))
    return entries[0] if entries and REVIEWERS in changed else None


def main(arguments: Sequence[str]) -> int:
    (base,) = arguments
    command = ["git", "diff", "--name-only", "--no-renames", "-z", f"{base}...HEAD"]
    changed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    entry = both(changed)
    if entry is None:
        return 0
    print(f"{REVIEWERS}: changed together with {entry}; a key comes in a pull request of its own", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
