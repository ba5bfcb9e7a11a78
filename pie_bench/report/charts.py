"""The report's charts as SVG: small, themed by CSS variables inside the page, with fixed colours as files."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pie_bench.plain import plain

# Light values of the page's variables (page.css), for charts outside the page.
LIGHT = {
    "ink": "#1b1f24",
    "soft": "#5f6873",
    "line": "#dde1e7",
    "panel": "#ffffff",
    "run0": "#2563c9",
    "run1": "#c2410c",
    "run2": "#0f766e",
    "run3": "#9333a8",
    "run4": "#a16207",
    "run5": "#475569",
    "human": "#8a94a3",
    "heat-low": "#f3f6fb",
    "heat-high": "#1d4fae",
    "no_program": "#5b6470",
    "compile": "#8b1e3f",
    "wrong_95": "#b8324b",
    "wrong_75": "#d4574f",
    "wrong_25": "#e5825f",
    "wrong_0": "#f0ad7a",
    "slower": "#e6cf8a",
    "same": "#c9ced6",
    "faster": "#a5cfae",
    "optimized": "#2e8b57",
}
RUN_COLOURS = 6
_WIDTH = 1180.0


def run_colour(index: int) -> str:
    return f"var(--run{index % RUN_COLOURS})"


def standalone(svg: str) -> str:
    """A chart as a file: fixed light colours, its own background and font."""
    svg = re.sub(r"var\(--([\w-]+)\)", lambda match: LIGHT[match[1]], svg)
    head, _, rest = svg.partition(">")
    style = ' xmlns="http://www.w3.org/2000/svg" font-family="Helvetica, Arial, DejaVu Sans, sans-serif"'
    return f'{head}{style}><rect width="100%" height="100%" fill="{LIGHT["panel"]}"/>{rest}'


@dataclass
class _Drawing:
    """SVG elements on a canvas with a size in pixels."""

    width: float
    height: float
    title: str
    parts: list[str] = field(default_factory=list)

    def add(self, tag: str, text: str | None = None, tip: str | None = None, **attributes: Any) -> None:
        written = " ".join(
            f"{name.rstrip('_').replace('_', '-')}={quoteattr(_number(value))}" for name, value in attributes.items()
        )
        inside = f"<title>{escape(plain(tip, lines=True))}</title>" if tip else ""
        inside += escape(plain(text)) if text is not None else ""
        self.parts.append(f"<{tag} {written}>{inside}</{tag}>" if inside else f"<{tag} {written}/>")

    def text(self, x: float, y: float, text: str, anchor: str = "start", size: float = 11, **more: Any) -> None:
        more.setdefault("fill", "var(--soft)")
        self.add("text", text, x=x, y=y, text_anchor=anchor, font_size=size, **more)

    def rule(self, x1: float, y1: float, x2: float, y2: float, **more: Any) -> None:
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, **{"stroke": "var(--line)", "stroke_width": 1, **more})

    def svg(self) -> str:
        size = f'viewBox="0 0 {_number(self.width)} {_number(self.height)}" width="{_number(self.width)}"'
        label = f'height="{_number(self.height)}" role="img" aria-label={quoteattr(self.title)}'
        return f"<svg {size} {label}>{''.join(self.parts)}</svg>"


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Line:
    """One curve: (k, value, low, high) in order of k; dashed curves have no band."""

    label: str
    colour: str
    points: Sequence[tuple[int, float, float | None, float | None]]
    dashed: bool = False


@dataclass(frozen=True)
class _Scale:
    """Maps (k, value) to coordinates in a panel."""

    x0: float
    x1: float
    y0: float
    y1: float
    most: int
    low: float
    high: float

    def __call__(self, k: float, value: float) -> tuple[float, float]:
        middle = (self.x0 + self.x1) / 2
        x = middle if self.most == 1 else self.x0 + 8 + (self.x1 - self.x0 - 16) * (k - 1) / (self.most - 1)
        return x, self.y0 - (self.y0 - self.y1) * (min(max(value, self.low), self.high) - self.low) / (
            self.high - self.low
        )


_ACROSS, _PANEL_HEIGHT = 4, 190.0


def growth(panels: Sequence[tuple[str, Sequence[Line]]], title: str) -> str:
    """Small panels, four in a row, each (title, lines) of seconds over size, both on logarithmic axes; each line is
    labelled at its end."""
    width = _WIDTH / _ACROSS
    drawing = _Drawing(_WIDTH, _PANEL_HEIGHT * max(1, math.ceil(len(panels) / _ACROSS)), title)
    for number, (name, lines) in enumerate(panels):
        left, top = number % _ACROSS * width + 42, number // _ACROSS * _PANEL_HEIGHT + 24
        right, bottom = left + width - 120, top + _PANEL_HEIGHT - 62
        points = [(math.log10(k), math.log10(value)) for line in lines for k, value, *_ in line.points]
        drawing.text(left - 30, top - 8, name, size=11, fill="var(--ink)", font_weight=600)
        if not points:
            continue
        (x0, x1), (y0, y1) = ((min(side), max(side)) for side in zip(*points, strict=True))
        x_of, y_of = max(x1 - x0, 1e-9), max(y1 - y0, 1e-9)
        drawing.rule(left, bottom, right, bottom)
        drawing.rule(left, top, left, bottom)
        for value, x in ((x0, left), (x1, right)):
            drawing.text(x, bottom + 15, f"{10**value:.3g}", "middle", 10)
        for value, y in ((y0, bottom), (y1, top)):
            drawing.text(left - 4, y + 4, f"{1e6 * 10**value:.3g} µs", "end", 9)
        for line in lines:
            at = [
                (
                    left + (math.log10(k) - x0) / x_of * (right - left),
                    bottom - (math.log10(v) - y0) / y_of * (bottom - top),
                )
                for k, v, *_ in line.points
            ]
            if not at:
                continue
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
            dash = {"stroke_dasharray": "4 3"} if line.dashed else {}
            drawing.add("polyline", points=path, fill="none", stroke=line.colour, stroke_width=1.6, **dash)
            for x, y in at:
                drawing.add("circle", cx=x, cy=y, r=2.2, fill=line.colour, tip=f"{name}: {line.label}")
            drawing.text(at[-1][0] + 5, at[-1][1] + 4, line.label, size=9, fill=line.colour)
    return drawing.svg()


def curves(panels: Sequence[tuple[str, str, Sequence[Line]]], title: str) -> str:
    """Small panels side by side, each (title, unit, lines) over the number of samples k."""
    width, height, left, top, bottom = _WIDTH / len(panels), 220.0, 46.0, 26.0, 30.0
    drawing = _Drawing(width * len(panels), height, title)
    for number, (name, unit, lines) in enumerate(panels):
        x0, x1, y0, y1 = number * width + left, (number + 1) * width - 14, height - bottom, top
        most = max((k for line in lines for k, *_ in line.points), default=1)
        tops = [high if high is not None else value for line in lines for _, value, _, high in line.points]
        lowest, highest, step = _axis(
            0.0 if unit == "%" else 1.0, max(tops, default=1.0), 100.0 if unit == "%" else None
        )
        at = _Scale(x0, x1, y0, y1, most, lowest, highest)
        drawing.text(x0 - 34, 14, name, size=12, fill="var(--ink)", font_weight=600)
        for i in range(round((highest - lowest) / step) + 1):
            value = lowest + i * step
            y = at(1, value)[1]
            drawing.rule(x0, y, x1, y)
            drawing.text(x0 - 6, y + 4, f"{value:g}{'×' if unit == '×' else ''}", "end")
        for k in range(1, most + 1) if most <= 10 else sorted({1, most, *(k for k in (2, 4, 8, 16, 32) if k < most)}):
            drawing.text(at(k, lowest)[0], y0 + 16, str(k), "middle")
        drawing.text((x0 + x1) / 2, y0 + 28, "samples k", "middle", 10)
        for line in lines:
            band = [(k, low, high) for k, _, low, high in line.points if low is not None and high is not None]
            if len(band) > 1 and not line.dashed:
                path = [at(k, high) for k, _, high in band] + [at(k, low) for k, low, _ in reversed(band)]
                drawing.add("polygon", points=_points(path), fill=line.colour, opacity=0.14)
            path = [at(k, value) for k, value, *_ in line.points]
            dash: dict[str, Any] = {"stroke_dasharray": "3 3", "opacity": 0.8} if line.dashed else {}
            drawing.add("polyline", points=_points(path), fill="none", stroke=line.colour, stroke_width=1.8, **dash)
            for (x, y), (k, value, low, high) in zip(path, line.points, strict=True):
                bounds = f" [{low:.4g}, {high:.4g}]" if low is not None and high is not None else ""
                tip = f"{line.label}, k = {k}: {value:.4g}{unit}{bounds}"
                if most == 1 and low is not None and high is not None:
                    drawing.rule(x, at(k, low)[1], x, at(k, high)[1], stroke=line.colour, stroke_width=2, opacity=0.4)
                if not line.dashed:
                    drawing.add("circle", tip=tip, cx=x, cy=y, r=3, fill=line.colour)
    return drawing.svg()


@dataclass(frozen=True)
class Speedups:
    """One run's best speedup for each pair, with those of the human rewrites."""

    label: str
    colour: str
    values: Sequence[float]
    human: Sequence[float]


def distribution(runs: Sequence[Speedups], title: str) -> str:
    """Histograms of speedups on a logarithmic axis, one panel per run; the human rewrites as an outline."""
    every = [v for run in runs for v in (*run.values, *run.human)]
    low = math.floor(2 * math.log2(max(min(every, default=1.0), 1 / 8))) / 2
    high = math.ceil(2 * math.log2(min(max(every, default=2.0), 64.0)) + 1e-9) / 2
    low, high = min(low, -0.5), max(high, 1.5)
    bins = round((high - low) * 4)

    def counted(values: Iterable[float]) -> list[int]:
        counts = [0] * bins
        for value in values:
            place = math.floor((math.log2(value) - low) * 4 + 1e-9)
            counts[min(max(place, 0), bins - 1)] += 1
        return counts

    width, panel, left, right = _WIDTH, 118.0, 46.0, 14.0
    drawing = _Drawing(width, panel * len(runs) + 22, title)
    scale = (width - left - right) / bins
    for number, run in enumerate(runs):
        counts, human = counted(run.values), counted(run.human)
        most, y0 = max(*counts, *human, 1), panel * number + panel - 8
        unit = (panel - 40) / most
        drawing.text(left, panel * number + 14, run.label, size=12, fill="var(--ink)", font_weight=600)
        drawing.text(left - 6, y0 - most * unit + 4, str(most), "end")
        drawing.text(left - 6, y0 + 4, "0", "end")
        drawing.rule(left, y0, width - right, y0)
        for place, count in enumerate(counts):
            x = left + place * scale
            span = f"{2 ** (low + place / 4):.2f}× to {2 ** (low + (place + 1) / 4):.2f}×"
            if count:
                tip = f"{count} pairs {span}; human rewrites: {human[place]}"
                drawing.add(
                    "rect", tip=tip, x=x + 1, y=y0 - count * unit, width=scale - 2, height=count * unit, fill=run.colour
                )
        outline = [(left, y0)]
        for place, count in enumerate(human):
            outline += [(left + place * scale, y0 - count * unit), (left + (place + 1) * scale, y0 - count * unit)]
        outline.append((width - right, y0))
        drawing.add("polyline", points=_points(outline), fill="none", stroke="var(--human)", stroke_width=1.6)
    bottom = panel * len(runs) - 8
    for exponent in range(math.ceil(low), math.floor(high) + 1):
        x = left + (exponent - low) * 4 * scale
        drawing.rule(x, bottom, x, bottom + 4)
        drawing.text(x, bottom + 17, f"{2.0**exponent:g}×", "middle")
    drawing.rule(
        left - low * 4 * scale, 22, left - low * 4 * scale, bottom, stroke_dasharray="2 3", stroke="var(--soft)"
    )
    return drawing.svg()


def outcomes(runs: Sequence[tuple[str, dict[str, int]]], titles: dict[str, str], title: str) -> str:
    """One bar per run, divided into the classes of Table 5 by their share of the answers."""
    width, bar, left = _WIDTH, 46.0, 8.0
    shown = [name for name in titles if any(counts.get(name) for _, counts in runs)]
    columns, row = 5, 20.0
    rows = math.ceil(len(shown) / columns)
    drawing = _Drawing(width, bar * len(runs) + rows * row + 10, title)
    for number, (label, counts) in enumerate(runs):
        total, x = sum(counts.values()) or 1, left
        drawing.text(left, bar * number + 13, f"{label}: {sum(counts.values())} answers", size=12, fill="var(--ink)")
        for name in titles:
            share = counts.get(name, 0) / total
            wide = share * (width - 2 * left)
            if wide > 0:
                tip = f"{titles[name]}: {counts[name]} of {total} ({100 * share:.1f} %)"
                colour = f"var(--{name})"
                drawing.add("rect", tip=tip, x=x, y=bar * number + 19, width=max(wide - 1, 0.5), height=20, fill=colour)
            x += wide
    for place, name in enumerate(shown):
        x, y = left + (place % columns) * width / columns, bar * len(runs) + 10 + (place // columns) * row
        drawing.add("rect", x=x, y=y, width=11, height=11, rx=2, fill=f"var(--{name})")
        drawing.text(x + 17, y + 10, titles[name])
    return drawing.svg()


@dataclass(frozen=True)
class HeatRow:
    """One problem: for every run %Correct, %Opt (0 to 100) and Speedup, each None if unknown."""

    problem_id: str
    pairs: int
    cells: Sequence[tuple[float | None, float | None, float | None]]


def bars(rows: Sequence[tuple[str, int]], title: str, colour: str = "var(--run0)") -> str:
    """Counts by class: one horizontal bar each, in the given order."""
    width, high, left, right = _WIDTH / 2, 24.0, 150.0, 70.0
    drawing = _Drawing(width, high * max(len(rows), 1) + 8, title)
    most = max((count for _, count in rows), default=0) or 1
    for number, (label, count) in enumerate(rows):
        y, wide = number * high + 4, (width - left - right) * count / most
        drawing.text(left - 8, y + 14, label, "end", fill="var(--ink)")
        if count:
            tip = f"{label}: {count}"
            drawing.add("rect", tip=tip, x=left, y=y, width=max(wide, 1.0), height=high - 6, rx=2, fill=colour)
        drawing.text(left + wide + 6, y + 14, f"{count:,}")
    return drawing.svg()


def heat_map(runs: Sequence[str], rows: Sequence[HeatRow], title: str) -> str:
    """Problems down, runs × (%Correct, %Opt, Speedup) across; darker is better."""
    left, top, cell, high = 118.0, 40.0, 62.0, 20.0
    gap = 14.0
    width = max(left + len(runs) * (3 * cell + gap), 320.0)
    drawing = _Drawing(width, top + len(rows) * high + 6, title)
    drawing.text(left - 8, 34, "pairs", "end", 10)
    fastest = max((c[2] or 1.0 for row in rows for c in row.cells), default=1.0)
    for number, run in enumerate(runs):
        x = left + number * (3 * cell + gap)
        drawing.text(x, 14, run if len(run) < 30 else run[:28] + "…", size=11, fill="var(--ink)", font_weight=600)
        for place, name in enumerate(("%Correct", "%Opt", "Speedup")):
            drawing.text(x + (place + 0.5) * cell, 34, name, "middle", 10)
    for number, row in enumerate(rows):
        y = top + number * high
        drawing.text(0, y + 14, row.problem_id, fill="var(--ink)", class_="problem", data_problem=row.problem_id)
        drawing.text(left - 8, y + 14, str(row.pairs), "end")
        for column, cells in enumerate(row.cells):
            for place, value in enumerate(cells):
                x = left + column * (3 * cell + gap) + place * cell
                if value is None:
                    drawing.text(x + cell / 2, y + 14, "–", "middle")
                    continue
                strength = value / 100 if place < 2 else math.log(max(value, 1.0)) / math.log(max(fastest, 2.0))
                drawing.add("rect", x=x, y=y, width=cell - 2, height=high - 2, rx=2, fill="var(--heat-low)")
                drawing.add(
                    "rect",
                    x=x,
                    y=y,
                    width=cell - 2,
                    height=high - 2,
                    rx=2,
                    fill="var(--heat-high)",
                    opacity=round(0.04 + 0.9 * min(max(strength, 0.0), 1.0), 3),
                )
                text = f"{value:.0f}" if place < 2 else f"{value:.2f}×"
                colour = {"fill": "#ffffff"} if strength > 0.45 else {"fill": "var(--ink)"}
                drawing.text(x + cell / 2 - 1, y + 13.5, text, "middle", 10.5, **colour)
    return drawing.svg()


def _axis(low: float, top: float, ceiling: float | None) -> tuple[float, float, float]:
    """(lowest, highest, step) for an axis with three to six round steps."""
    top = max(top, low + (10.0 if ceiling else 0.2))
    rough = (top - low) / 4
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough - 1e-12)
    highest = low + step * math.ceil((top - low) / step - 1e-9)
    return low, min(highest, ceiling) if ceiling and highest > ceiling else highest, step


def _points(path: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_number(float(x))},{_number(float(y))}" for x, y in path)
