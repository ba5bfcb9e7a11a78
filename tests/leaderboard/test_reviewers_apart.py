"""Who brings an entry does not say in the same change who may verify it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.reviewers_apart import ENTRIES, REVIEWERS

ROOT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ([REVIEWERS], False),
        ([f"{ENTRIES}a.json"], False),
        ([f"{ENTRIES}a.json", "README.md"], False),
        ([REVIEWERS, f"{ENTRIES}a.json"], True),
    ],
)
def test_entries_and_keys_come_apart(tmp_path: Path, changed: list[str], refused: bool) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "base")
    base = git(tmp_path, "rev-parse", "HEAD").strip()
    for at, name in enumerate(changed):  # over several commits, too
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{at}\n")
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-q", "-m", name)
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "reviewers_apart.py", base], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == refused, done.stderr
    if refused:
        assert (
            done.stderr
            == f"{REVIEWERS}: changed together with {ENTRIES}a.json; a key comes in a pull request of its own\n"
        )
