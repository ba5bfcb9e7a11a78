"""A change that adds an entry must not also change who may verify it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.reviewers_apart import ENTRIES, REVIEWERS

ROOT = Path(__file__).parents[2]
ENTRY = f"{ENTRIES}a.json"


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def listed(*names: str) -> str:
    return json.dumps({"reviewers": [{"name": name, "key": "k"} for name in names]})


@pytest.mark.parametrize(
    ("before", "changes", "refused"),
    [
        (None, {REVIEWERS: listed("a")}, False),
        (None, {ENTRY: "1", "README.md": "x"}, False),
        (None, {REVIEWERS: listed(), ENTRY: "1"}, False),  # the board begins: nobody may verify yet
        (listed("a"), {REVIEWERS: listed(), ENTRY: "1"}, False),  # a key is removed, and its entries are rewritten
        (None, {REVIEWERS: listed("a"), ENTRY: "1"}, True),
        (listed("a"), {REVIEWERS: listed("a", "b"), ENTRY: "1"}, True),
        (listed("a"), {ENTRY: "1", REVIEWERS: listed("a").replace("k", "l")}, True),
        (listed("a"), {REVIEWERS: "no JSON", ENTRY: "1"}, True),
    ],
)
def test_entries_and_keys_come_separately(
    tmp_path: Path, before: str | None, changes: dict[str, str], refused: bool
) -> None:
    git(tmp_path, "init", "-q")
    for at, (name, text) in enumerate([(REVIEWERS, before), *changes.items()]):  # over several commits, too
        if text is not None:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", str(at))
    base = git(tmp_path, "rev-list", "--max-parents=0", "HEAD").strip()
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "reviewers_apart.py", base], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == refused, done.stderr
    if refused:
        said = f"a key is added together with {ENTRY}; it comes in a pull request of its own"
        assert done.stderr == f"{REVIEWERS}: {said}\n"
