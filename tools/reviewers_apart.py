#!/usr/bin/env python3
"""Rejects a change that adds both leaderboard entries and a key that may verify them (leaderboard/README.md).

usage: python tools/reviewers_apart.py BASE        # a commit: what HEAD changes since it branched off there
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

REVIEWERS, ENTRIES = "leaderboard/reviewers.json", "leaderboard/entries/"


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


def keys_at(revision: str) -> set[str]:
    """Who may verify: names with their keys. Nobody without the file; the whole text of one that cannot be read."""
    try:
        text = git("show", f"{revision}:{REVIEWERS}")
    except subprocess.CalledProcessError:
        return set()
    try:
        return {json.dumps(reviewer, sort_keys=True) for reviewer in json.loads(text)["reviewers"]}
    except (ValueError, KeyError, TypeError):
        return {text}


def main(arguments: Sequence[str]) -> int:
    (base,) = arguments
    start = git("merge-base", base, "HEAD").strip()
    brought = git("diff", "--name-only", "--no-renames", "--diff-filter=d", "-z", start, "HEAD", "--", ENTRIES).split(
        "\0"
    )
    if not brought[0] or keys_at("HEAD") <= keys_at(start):
        return 0
    print(
        f"{REVIEWERS}: a key is added together with {brought[0]}; it comes in a pull request of its own",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
