"""A training's folder: one process at a time, and one training only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pie_bench.errors import UserError
from pie_bench.run.files import locked, write_json


def training_lock(out: Path) -> AbstractContextManager[Path]:
    """Creates the folder and locks out other processes. UserError while another process holds it."""
    return locked(
        out,
        cannot=lambda why: f"{out}: cannot be written ({why}); give another --out",
        busy=f"{out}: another process is working in this folder; wait for it",
    )


def begin(out: Path, identity: Mapping[str, Any]) -> None:
    """Records what the folder is for; UserError, naming the differences, if it already belongs to something else."""
    path = out / "training.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_json(path, identity)
        return
    except ValueError as error:
        raise UserError(f"{path}: not the record of a training ({error}); give another --out") from None
    if known != identity:
        names = ", ".join(sorted(_changed(known, identity)))
        raise UserError(
            f"{out}: holds a training with other settings ({names} changed); give another --out, or restore them"
        )


def _changed(known: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key in {*known, *now}:
        old, new = known.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changed(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}"
