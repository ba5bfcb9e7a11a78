"""Writes docs/task-cards.md, a card for each shipped task; with --check, says whether it is what the tasks say."""

from __future__ import annotations

import sys
from pathlib import Path

from pie_bench.publish.cards import task_card
from pie_bench.task import load_task, task_names

PAGE = Path(__file__).resolve().parent.parent / "docs" / "task-cards.md"
HEAD = """# Task cards

What each task asks and how it is scored, made from its YAML by `python tools/task_cards.py`. All tasks share what they
measure and its limits ([methodology](methodology.md)): correctness is agreement with the tests' outputs, speed is
simulated time on the tests' inputs, and programs are short and single-threaded, from programming contests. Their data
may have been part of a model's training: `pie-bench analyse contamination` compares by date.

"""


def page() -> str:
    return HEAD + "\n".join(task_card(load_task(name)) for name in task_names())


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        current = PAGE.read_text(encoding="utf-8") == page()
        print("current" if current else f"{PAGE}: run python tools/task_cards.py")
        sys.exit(not current)
    PAGE.write_text(page(), encoding="utf-8")
