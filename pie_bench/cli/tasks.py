"""`tasks`: lists what --task accepts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("tasks", help="list tasks and groups", description="List what --task accepts.")
    parser.add_argument("--include-path", type=Path, metavar="DIR", help="a folder with your own tasks")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(verb=tasks)


def tasks(arguments: argparse.Namespace) -> int:
    from pie_bench.stages.plan import task_folders
    from pie_bench.task import folder_of, group_names, load_task, select_tasks, task_names

    folders = task_folders(arguments.include_path)
    names, groups = task_names(*folders), group_names(*folders)
    loaded = {name: load_task(name, *folders) for name in names}
    if arguments.json:
        rows = [
            {
                "name": name,
                "version": task.version,
                "description": task.description,
                "strategy": task.fewshot.strategy,
                "k": task.fewshot.k,
                "encoder": task.fewshot.encoder,
                "samples": task.sampling.n,
                "dataset": task.dataset,
                "metrics": task.metrics,
                "folder": str(folder_of(name, *folders)),
            }
            for name, task in loaded.items()
        ]
        of_groups = [{"name": name, "tasks": select_tasks([name], *folders)} for name in groups]
        print(json.dumps({"tasks": rows, "groups": of_groups}, indent=2, ensure_ascii=False))
        return 0
    width = max(map(len, [*names, *groups]))
    shown = ""
    for folder in folders:
        for name in names:
            if folder_of(name, *folders) == folder:
                if shown != str(folder) and len(folders) > 1:
                    shown = str(folder)
                    print(f"{shown}:")
                task = loaded[name]
                how = task.fewshot.strategy + (f" {task.fewshot.k}" if task.fewshot.k else "")
                print(f"{name:<{width}}  {how:<11}  {task.description}")
    for name in groups:
        print(f"{name:<{width}}  group: {', '.join(select_tasks([name], *folders))}")
    return 0
