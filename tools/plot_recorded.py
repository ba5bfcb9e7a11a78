#!/usr/bin/env python3
"""Plots a run's measurements against the times recorded in the dataset, and prints how far apart they are.

usage: python tools/plot_recorded.py RUN_DIR [PICTURE]

RUN_DIR is a finished run on a dataset with recorded times, e.g.
PIE_DATA_DIR=… python harness.py --task pie_instruct --model reference --dataset pie --samples 1
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from pie_bench.run.results import PairResult, Results


def main(run: Path, picture: Path | None) -> None:
    results = Results.model_validate_json((run / "results.json").read_text())
    pairs = [pair for pair in results.pairs if pair.recorded_source_seconds and pair.source.seconds]
    if not pairs:
        sys.exit(f"{run}: no pair with recorded times")
    measured, recorded = [measured_speedup(p) for p in pairs], [recorded_speedup(p) for p in pairs]
    errors = sorted(abs(m / r - 1) for m, r in zip(measured, recorded, strict=True))
    mean, recorded_mean = statistics.fmean(measured), statistics.fmean(recorded)
    print(f"{len(pairs)} pairs, environment {results.environment} ({results.environment_id[:12]})")
    print(f"mean speedup: measured {mean:.4f}, recorded {recorded_mean:.4f} ({mean / recorded_mean - 1:+.2%})")
    print(f"speedup of a pair, relative error: median {statistics.median(errors):.2%}, worst {errors[-1]:.2%}")
    times = sorted(abs(m / r - 1) for m, r in program_times(pairs))
    print(f"time of a program, relative error: median {statistics.median(times):.2%}, worst {times[-1]:.2%}")
    if picture is not None:
        draw(
            pairs,
            picture,
            f"median error {statistics.median(times):.1%}",
            f"median error {statistics.median(errors):.1%}",
        )
        print(f"picture: {picture}")


def measured_speedup(pair: PairResult) -> float:
    assert pair.source.seconds is not None
    assert pair.target.seconds is not None
    return pair.source.seconds / pair.target.seconds


def recorded_speedup(pair: PairResult) -> float:
    assert pair.recorded_source_seconds is not None
    assert pair.recorded_target_seconds is not None
    return pair.recorded_source_seconds / pair.recorded_target_seconds


def program_times(pairs: list[PairResult]) -> list[tuple[float, float]]:
    """(measured, recorded) simulated seconds of every source and target."""
    sources = [(pair.source.seconds, pair.recorded_source_seconds) for pair in pairs]
    targets = [(pair.target.seconds, pair.recorded_target_seconds) for pair in pairs]
    return [(m, r) for m, r in sources + targets if m is not None and r is not None]


def draw(pairs: list[PairResult], picture: Path, times_label: str, speedups_label: str) -> None:
    """Two scatter plots on logarithmic axes: times of programs, speedups of pairs."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
    speedups = [(measured_speedup(pair), recorded_speedup(pair)) for pair in pairs]
    plots = (
        ("simulated time of a program (s)", program_times(pairs), times_label),
        ("speedup of a pair", speedups, speedups_label),
    )
    for axis, (what, points, label) in zip(axes, plots, strict=True):
        measured, recorded = zip(*points, strict=True)
        low, high = min(measured + recorded) * 0.8, max(measured + recorded) * 1.25
        axis.plot([low, high], [low, high], color="0.75", linewidth=1, zorder=1)
        axis.scatter(recorded, measured, s=28, alpha=0.65, color="#1f5fa8", edgecolor="white", linewidth=0.5, zorder=2)
        axis.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
        ticks = [t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 1.5, 2, 3, 4, 5, 6) if low <= t <= high]
        for line in (axis.xaxis, axis.yaxis):
            line.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
            line.set_ticks([], minor=True)
        axis.set_xlabel(f"{what}: PIE's published gem5")
        axis.set_ylabel("pie_bench, skylake")
        axis.set_title(f"{len(points)} {'pairs' if what.startswith('speedup') else 'programs'}, {label}", fontsize=11)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else None)
