"""The leaderboard as a static site: `index.html` and one page per entry, without server or network access."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from pie_bench.errors import UserError
from pie_bench.leaderboard.entry import SCHEMA_VERSION, check_version, read_entry
from pie_bench.leaderboard.shown import GROUPED_BY, METHODS, TIMES, UNKNOWN, Bounded, Shown, State, adapt, or_dash
from pie_bench.leaderboard.signing import check_signature, read_reviewers
from pie_bench.report.templates import templates_in
from pie_bench.report.text import embedded
from pie_bench.run.results import HEADLINE

_FOLDER = Path(__file__).with_name("site")
_RANKED_BY = "speedup"
_COLUMNS = (_RANKED_BY, *(name for name in HEADLINE if name != _RANKED_BY))
_GENERATOR = b'<meta name="generator" content="pie-bench leaderboard render">'


def shown_entries(leaderboard: Path) -> list[tuple[Shown, bytes]]:
    """Every entry with its file's bytes, by file name. UserError if there is none, or if one is not JSON, of another
    version, or verified without a reviewer's signature."""
    found = []
    reviewers = read_reviewers(leaderboard)
    for path in sorted((leaderboard / "entries").glob("*.json")):
        text = path.read_bytes()
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise UserError(f"{path}: not an entry: {error}; fix or remove the file") from None
        if not isinstance(raw, dict):
            raise UserError(f"{path}: not an entry: {type(raw).__name__}, not an object; fix or remove the file")
        check_version(raw.get("schema_version", SCHEMA_VERSION), str(path))
        if raw.get("status") == "verified":
            check_signature(read_entry(text, str(path)), reviewers, str(path))
        found.append((adapt(_identity(path.stem), raw), text))
    if not found:
        raise UserError(f"{leaderboard / 'entries'}: no entries; make one: pie-bench leaderboard submit RUN_DIR")
    return found


def write_site(leaderboard: Path, folder: Path) -> tuple[Path, int]:
    """Writes the site into `folder`; returns the index and the number of entries.

    Removes pages of entries that no longer exist; other files in the folder stay. UserError as for `shown_entries`, and
    if the folder cannot be written.
    """
    entries = shown_entries(leaderboard)
    if folder.resolve() == leaderboard.resolve():
        raise UserError(f"{folder}: this folder holds the entries; give another --out")
    environment = _templates()
    index = _index(environment, [entry for entry, _ in entries])
    page = environment.get_template("entry.html.j2")
    try:
        (folder / "entries").mkdir(parents=True, exist_ok=True)
        for entry, recorded in entries:
            text = page.render(**_page_of(entry))
            (folder / "entries" / f"{entry.id}.html").write_bytes(text.encode("utf-8", "replace"))
            (folder / "entries" / f"{entry.id}.json").write_bytes(recorded)
        (folder / "index.html").write_bytes(index.encode("utf-8", "replace"))
        (folder / ".nojekyll").touch()  # otherwise GitHub Pages skips names that begin with an underscore
        kept = {entry.id for entry, _ in entries}
        for old in (folder / "entries").glob("*.html"):
            if old.stem not in kept and _GENERATOR in old.read_bytes()[:600]:
                old.unlink()
                old.with_suffix(".json").unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot write the site: {error.strerror or error}; give another --out") from None
    return folder / "index.html", len(entries)


def _templates() -> Any:
    from pie_bench.metrics.best_at_k import METRICS

    environment = templates_in(_FOLDER)
    environment.globals |= {
        "style": (_FOLDER / "site.css").read_text(),
        "generator": _GENERATOR.decode(),
        "or_dash": or_dash,
        "titles": [METRICS[name].title for name in _COLUMNS],
        "methods": METHODS,
        "times": TIMES,
    }
    return environment


def _index(environment: Any, entries: Sequence[Shown]) -> str:
    grouped: dict[tuple[Any, ...], list[Shown]] = {}
    for entry in entries:
        grouped.setdefault(_group_key(entry), []).append(entry)
    ks = sorted({k for entry in entries for of in entry.scores.values() for k, _, _ in of}) or [1]
    first: State = (ks[0], "best", "process")
    groups = []
    for key, members in sorted(grouped.items(), key=lambda item: (_published(item[1]), str(item[0]))):
        members.sort(key=lambda entry: (-(_cells(entry.scores, first)[0][0] or -math.inf), entry.id))
        groups.append((_group_id(key), members, _human(members)))
    rows = [
        {"id": name, "entries": [_row(each) for each in members], "human": human} for name, members, human in groups
    ]
    script = (_FOLDER / "site.js").read_text()
    text: str = environment.get_template("index.html.j2").render(
        script=script,
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=embedded({"ks": ks, "groups": rows}),
        groups=groups,
        measured=[group for group in groups if not _published(group[1])],
        published=[group for group in groups if _published(group[1])],
        n_entries=len(entries),
        ks=ks,
        statuses=sorted({entry.texts["status"] for entry in entries} - {""}),
        cells=lambda entry: _cells(entry.scores, first, entry.guarded),
        money=_money,
        costs=any(entry.cost is not None for entry in entries),
    )
    return text


def _group_key(entry: Shown) -> tuple[Any, ...]:
    """What must be equal for entries to be ranked against each other."""
    return (*(entry.texts[name] for name in GROUPED_BY), entry.n_pairs)


def _published(members: Sequence[Shown]) -> bool:
    """Whether a table only has numbers copied from a paper, which nobody measured here."""
    return all(entry.texts["status"] == "published" for entry in members)


def _group_id(key: tuple[Any, ...]) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(str(key[place]) for place in (0, 2, 4, 6))).strip("-")
    return f"{words}-{hashlib.sha256(repr(key).encode()).hexdigest()[:6]}"


def _row(entry: Shown) -> dict[str, Any]:
    """The data that the index's script needs about an entry."""
    known = {state for name in _COLUMNS for state in entry.scores.get(name, {})}
    states = sorted(known | {(k, "best", time) for k, _, time in known})
    words = (entry.texts[name] for name in ("model", "model_resolved", "submitter", "status", "task", "environment"))
    return {
        "id": entry.id,
        "page": entry.page,
        "name": entry.name,
        "text": "\n".join((*words, entry.texts["dataset"], entry.texts["date"])).lower(),
        "status": entry.texts["status"],
        "date": entry.texts["date"],
        "cost": entry.cost,
        "samples": entry.n_samples,
        "cells": {"|".join(map(str, state)): _cells(entry.scores, state, entry.guarded) for state in states},
    }


def _human(members: Sequence[Shown]) -> dict[str, list[list[Any]]]:
    """The human rewrites by time: they are the same pairs in the same environment, so any entry has them."""
    found: dict[str, list[list[Any]]] = {}
    for time in TIMES:
        known = [each for entry in members for each in [_cells(entry.human, (1, "best", time))] if each[0][0]]
        if known:
            found[time] = known[0]
    return found


def _cells(
    scores: Mapping[str, Mapping[State, Bounded]],
    state: State,
    guarded: Mapping[str, Mapping[State, Bounded]] = MappingProxyType({}),
) -> list[list[Any]]:
    """(value, its text, the text below it, low, high) per column; below are its interval and what remains under the
    guards.

    Published rows only have best@k at all samples; elsewhere their first@k takes its place, under its own name.
    """
    k, method, time = state
    cells = []
    for name in _COLUMNS:
        known = scores.get(name, {})
        cell = _cell(name, known.get(state, (None, None, None)))
        if state not in known and method == "best" and (k, "first", time) in known:
            cell = _cell(name, known[k, "first", time])
            cell[2] = f"first@{k}"
        held = _cell(name, guarded.get(name, {}).get(state, (None, None, None)))
        if held[0] is not None:
            cell[2] = " · ".join(filter(None, (cell[2], f"guarded {held[1]}")))
        cells.append(cell)
    return cells


def _cell(metric: str, score: Bounded) -> list[Any]:
    from pie_bench.report.table import format_value

    value, low, high = (None if each is None else round(each, 6) for each in score)
    if value is None:
        return [None, UNKNOWN, "", None, None]
    bounds = "–".join(format_value(metric, bound, unit=False) for bound in (low, high) if bound is not None)
    return [value, format_value(metric, value), bounds if low is not None and high is not None else "", low, high]


def _money(value: float | None) -> str:
    return UNKNOWN if value is None else f"${value:.2f}" if value == 0 or value >= 0.01 else f"${value:.2g}"


def _hours(value: float) -> str:
    return f"{value:.3g} hours" if value >= 0.1 else f"{60 * value:.2g} minutes"


def _page_of(entry: Shown) -> dict[str, Any]:
    states = sorted(
        {state for name in _COLUMNS for state in entry.scores.get(name, {})},
        key=lambda state: (state[2] != "process", state[1] != "best", state[0]),
    )
    return {
        "entry": entry,
        "group": _group_id(_group_key(entry)),
        "rows": [(state, _cells(entry.scores, state, entry.guarded)) for state in states],
        "human": [(time, cells) for time, cells in _human([entry]).items()],
        "answers": sum(entry.counts["outcomes"].values()),
        "cost": _money(entry.cost),
        "cpu_time": UNKNOWN if entry.cpu_hours is None else _hours(entry.cpu_hours),
        "command": "" if entry.texts["source"] else _command(entry),
        "file": quote(entry.id) + ".json",
    }


def _command(entry: Shown) -> str:
    """The command that measures the entry again, for a POSIX shell."""
    options: list[tuple[str, str | int | None]] = [(f"--{name}", entry.texts[name]) for name in ("task", "model")]
    options += [(f"--{name}", entry.texts[name]) for name in ("dataset", "environment")]
    options += [("--samples", entry.n_samples), ("--limit", entry.n_pairs)]
    options += [("--model-args", ",".join(f"{name}={value}" for name, value in sorted(entry.model_args.items())))]
    return "python harness.py " + " ".join(f"{name} {shlex.quote(str(value))}" for name, value in options if value)


def _identity(stem: str) -> str:
    """A file name that needs no escaping anywhere."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)
    return safe if safe == stem else f"{safe}-{hashlib.sha256(stem.encode('utf-8', 'replace')).hexdigest()[:8]}"
