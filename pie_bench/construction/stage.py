"""Stages of a build: each is a folder that appears atomically, with a hash of all that decides its content."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pie_bench.construction.database import table
from pie_bench.construction.findings import Findings
from pie_bench.construction.recipe import Recipe
from pie_bench.hashing import hash_of
from pie_bench.progress import Meter, shown
from pie_bench.run.files import write_json

_RECORD, _NOTED = "stage.json", "made_from.json"
EARLIER = "the stage before"  # one of the things that decide a stage
_VERSION = 2  # of what stages write: raising it rebuilds everything


@dataclass(frozen=True)
class Done:
    """A finished stage: its counts (the funnel), faults of its input, further facts for the manifest, and by name the
    hashes of what it was made from."""

    key: str
    counts: Mapping[str, int]
    findings: list[dict[str, Any]]
    facts: Mapping[str, Any]
    made_from: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What a stage's function returns."""

    counts: Mapping[str, int]
    findings: Findings
    facts: Mapping[str, Any]


class Workplace:
    """The folder of a build in progress: `stages/NAME/` each, with unfinished work in `stages/NAME.partial/`.

    Unfinished work is kept for the next attempt unless anything that decides it has changed.
    """

    def __init__(self, folder: Path, recipe: Recipe, base: Path):
        self.folder = folder
        self.recipe = recipe
        self.base = base
        self.stages = folder / "stages"
        self._said: set[str] = set()

    @property
    def temporary(self) -> Path:
        """Where DuckDB spills."""
        return self.stages / "spill"

    def path(self, stage: str, file: str) -> Path:
        """A file of a finished stage."""
        return self.stages / stage / file

    def programs(self) -> str:
        """The submissions with their code, as a table, from the parts written by the stage `programs`."""
        return table(*parts_in(self.stages / "programs"))

    def done(self, stage: str) -> Done | None:
        """The record of a stage; None if there is none yet."""
        try:
            record = json.loads((self.stages / stage / _RECORD).read_text(encoding="utf-8"))
            return Done(**record)
        except (FileNotFoundError, ValueError, TypeError):  # TypeError: from an older version
            return None

    def run(self, stage: str, decides: Mapping[str, Any], function: Callable[[Path], Outcome]) -> Done:
        """The stage's record; `function` fills its folder, unless it already exists for the same inputs.

        `decides` has by name all that decides what the stage writes. If that has changed, prints a line that says what.
        """
        made_from = {name: hash_of(value) for name, value in {**decides, "pie_bench": _VERSION}.items()}
        key = hash_of([stage, made_from])
        done = self.done(stage)
        if done is not None and done.key == key:
            return done
        final, partial = self.stages / stage, self.stages / f"{stage}.partial"
        noted = partial / _NOTED
        began = _noted(noted)
        if began != made_from:
            before = began if began is not None else None if done is None else done.made_from
            self._say_what_changed(stage, made_from, before)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            write_json(noted, made_from)
        outcome = function(partial)
        record = {
            "key": key,
            "made_from": made_from,
            "counts": dict(outcome.counts),
            "findings": outcome.findings.to_json(),
            "facts": dict(outcome.facts),
        }
        write_json(partial / _RECORD, record)
        shutil.rmtree(final, ignore_errors=True)
        noted.unlink()
        partial.rename(final)
        return Done(**json.loads((final / _RECORD).read_text(encoding="utf-8")))

    def _say_what_changed(self, stage: str, made_from: Mapping[str, str], before: Mapping[str, str] | None) -> None:
        """Prints one line on standard error with the changes not reported for an earlier stage."""
        names = {*made_from, *(before or ())} - {EARLIER} - self._said
        changed = sorted(name for name in names if before is not None and made_from.get(name) != before.get(name))
        self._said.update(changed)
        if changed:
            print(
                f"pie-bench: {self.recipe.dataset}: {stage} and all later stages are rebuilt: "
                f"{', '.join(changed)} changed since {self.folder} was started",
                file=sys.stderr,
            )


def _noted(path: Path) -> dict[str, str] | None:
    """What an unfinished stage was being made from; None if there is none."""
    try:
        noted: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return noted


@contextmanager
def metered(title: str, total: int | None, unit: str, *, scale: bool = False) -> Iterator[Meter]:
    """A meter with rate and time left."""
    meter = Meter(title, total, unit=unit, scale=scale, timed=True)
    with shown(meter):
        yield meter


@dataclass(frozen=True)
class Part:
    """A finished part of a stage: counts and findings; its rows are in a file next to it."""

    counts: Mapping[str, int]
    findings: list[dict[str, Any]]


def part(folder: Path, label: str, make: Callable[[Path], Part]) -> Part:
    """A part of a stage, made only once, even over several attempts. `make` writes the given parquet file."""
    record, final = folder / f"{label}.json", folder / f"{label}.parquet"
    if record.is_file():
        return Part(**json.loads(record.read_text(encoding="utf-8")))
    temporary = folder / f"{label}.unfinished"
    made = make(temporary)
    if temporary.exists():
        temporary.rename(final)
    write_json(record, {"counts": dict(made.counts), "findings": made.findings})
    return made


def parts_in(folder: Path) -> list[Path]:
    """The parquet files of the parts, in order."""
    return sorted(folder.glob("*.parquet"))


def summed(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Adds up counts by name."""
    return {key: counts.get(key, 0) + more.get(key, 0) for key in {**counts, **more}}
