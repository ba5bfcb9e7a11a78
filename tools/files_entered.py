"""Counts the package's files that one answer passes through, from its prompt to its leaderboard entry: those with a
function that runs during run → submit → merge of one answer.

    python tools/files_entered.py            # the number, by folder
    python tools/files_entered.py --list     # and which

Other processes (the sandbox's launcher, compiler, simulator) are not covered.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

import pie_bench

PACKAGE = Path(pie_bench.__file__).parent
OPTIMIZED = 0x1  # set for functions' code, but not for modules and class bodies
SETTINGS = "--task pie_retrieval_k2 --model reference --limit 1 --samples 1 --environment skylake"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name every file")
    listed = parser.parse_args().list
    files = sorted(entered_files())
    loaded = sum(name.partition(".")[0] == "pie_bench" for name in sys.modules)
    print(f"{len(files)} files whose functions run, {loaded} that are imported")
    for folder, count in sorted(Counter(str(file.parent) for file in files).items()):
        print(f"  {count:3} {folder}")
    if listed:
        print("\n".join(map(str, files)))


def entered_files() -> set[Path]:
    entered: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            entered.add(frame.f_code)

    from pie_bench.cli.main import main as command

    with tempfile.TemporaryDirectory() as name:
        os.environ["PIE_BENCH_CACHE"] = f"{name}/cache"
        board = Path(name) / "board"
        (board / "entries").mkdir(parents=True)
        commands = (
            ["run", *SETTINGS.split(), "--run-dir", f"{name}/run"],
            ["leaderboard", "submit", f"{name}/run", "--submitter", "x", "--out", f"{name}/bundle.zip"],
            ["leaderboard", "merge", f"{name}/bundle.zip", "--leaderboard", str(board)],
        )
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            for arguments in commands:
                said = io.StringIO()
                with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                    code = command(arguments)
                if code != 0:
                    raise SystemExit(f"{' '.join(arguments)}: exit code {code}\n{said.getvalue()}")
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    functions = {code for code in entered if code.co_flags & OPTIMIZED and not code.co_name.startswith("<")}
    paths = {Path(code.co_filename) for code in functions}
    return {path.relative_to(PACKAGE) for path in paths if path.is_relative_to(PACKAGE)}


if __name__ == "__main__":
    main()
