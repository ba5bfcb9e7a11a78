"""Writes tests/golden/prompts: each shipped task's prompts for two pairs of mini.

usage: python tools/golden_prompts.py     after raising the version of every task whose prompt changed
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pie_bench.data.load import load_dataset
from pie_bench.prompting.build import PromptBuilder
from pie_bench.task import load_task, task_names

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "prompts"
PAIRS = ("m003_tree-m003_table", "m008_laps_stream-m008_laps_c")


def prompts(cache_dir: Path) -> dict[str, str]:
    """File name to text: `TASK.v<version>.PROBLEM[.tag<tag>].txt`."""
    test = {pair.pair_id: pair for pair in load_dataset("mini", "test", with_tests=False).pairs}
    train = load_dataset("mini", "train", with_tests=False).pairs
    files = {}
    for name in task_names():
        task = load_task(name)
        builder = PromptBuilder(task, train, cache_dir)
        for pair in (test[pair_id] for pair_id in PAIRS):
            for index in range(max(1, len(task.prompt.tags))):
                tag = f".tag{task.prompt.tag(index)}" if task.prompt.tags else ""
                file = f"{name}.v{task.version}.{pair.problem_id}{tag}.txt"
                files[file] = builder.build(pair, index).text
    return files


def main() -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache_dir:
        wanted = prompts(Path(cache_dir))
    for stale in {path.name for path in GOLDEN.glob("*.txt")} - set(wanted):
        (GOLDEN / stale).unlink()
    for name, text in wanted.items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
    print(f"{len(wanted)} prompts in {GOLDEN}")


if __name__ == "__main__":
    main()
