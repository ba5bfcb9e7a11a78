"""The folder of a training: one process at a time, and one training for good."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pie_bench.errors import UserError
from pie_bench.run.files import write_json

RECORD = "pie_bench.json"  # what a finished model is and what it learnt from


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keeps a second process out of the folder, which is made. UserError while another is in it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = (out / ".lock").open("w")
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); give another --out") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{out}: another process is working in this folder; wait for it") from None
        yield


def begin(out: Path, identity: Mapping[str, Any]) -> None:
    """Notes what the folder is for; UserError, with what differs, where it is for something else already."""
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
            f"{out}: was begun with other settings ({names} changed): another training; give another --out, or "
            "put them back"
        )


def _changed(known: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key in {*known, *now}:
        old, new = known.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changed(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}"
