#!/usr/bin/env python3
"""Plots what tools/compare_recorded.py measured in several environments against PIE's recorded times.

usage: python tools/plot_rulers.py PICTURE FILE.json…

One column per environment: above, each run's relative error over its recorded time; below, each pair's speedup against
the recorded one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(picture: Path, files: list[Path]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(files), figsize=(4.2 * len(files), 7), squeeze=False, sharey="row")
    for column, file in enumerate(files):
        content = json.loads(file.read_text())
        rows = content["pairs"]
        above, below = axes[0][column], axes[1][column]
        recorded = [1e3 * t for row in rows for role in ("source", "target") for t in row[role]["recorded"]]
        measured = [1e3 * t for row in rows for role in ("source", "target") for t in row[role]["measured"]]
        errors = [100 * (m / r - 1) for m, r in zip(measured, recorded, strict=True)]
        above.axhline(0, color="0.6", linewidth=0.8)
        above.scatter(recorded, errors, s=9, alpha=0.5, color="#2563eb", linewidths=0)
        above.set_xscale("log")
        above.set_title(content["environment"]["name"])
        above.set_xlabel("recorded time of a run, ms")
        speedups = [
            tuple(sum(row["source"][kind]) / sum(row["target"][kind]) for kind in ("recorded", "measured"))
            for row in rows
        ]
        most = 1.1 * max(max(pair) for pair in speedups)
        below.plot([1, most], [1, most], color="0.6", linewidth=0.8)
        below.scatter(*zip(*speedups, strict=True), s=16, alpha=0.6, color="#d97706", linewidths=0)
        below.set_xscale("log")
        below.set_yscale("log")
        below.set_xlabel("recorded speedup of a pair")
    axes[0][0].set_ylabel("measured, relative to recorded, %")
    axes[1][0].set_ylabel("measured speedup")
    for above, below in zip(*axes, strict=True):
        _plain(above.xaxis, (0.2, 0.5, 1, 2, 5))
        for line in (below.xaxis, below.yaxis):
            _plain(line, (1, 1.5, 2, 3, 4, 5, 6))
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(picture, dpi=110, metadata={"Software": None})


def _plain(line: Any, ticks: tuple[float, ...]) -> None:
    line.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    line.set_ticks([], minor=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
