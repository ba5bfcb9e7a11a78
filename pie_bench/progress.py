"""Progress of long tasks: bars on a terminal; in a log, one plain line every few seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

LINE_EVERY_SECONDS = 5.0
STILL_EVERY_SECONDS = 60.0  # print a line even without progress, as a sign of life


@dataclass
class Meter:
    """A counter: `done` of `total`, with a remark. With `scale`, in millions (`MB`); `timed` meters also show rate and
    remaining time in logs (bars always do).
    """

    title: str
    total: int | None
    done: int = 0
    unit: str = "it"
    remark: str = ""
    scale: bool = False
    timed: bool = False
    bar: Any = None
    began: float = field(default_factory=time.monotonic)
    before: int = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.done

    def advance(self, by: int = 1, remark: str | None = None) -> None:
        self.done += by
        self.remark = self.remark if remark is None else remark
        if self.bar is not None:
            self.bar.total = self.total
            if self.remark:
                self.bar.set_postfix_str(self.remark, refresh=False)
            self.bar.update(by)
            self.bar.refresh()  # with several bars, tqdm's own refresh rate leaves some stale

    def __str__(self) -> str:
        done, of = (None if count is None else self._shown(count) for count in (self.done, self.total))
        remarks = [text for text in (self.remark, self._pace() if self.timed else "") if text]
        remark = f" ({', '.join(remarks)})" if remarks else ""
        unit = f"M{self.unit}" if self.scale else f"{self.unit}s"
        return f"{self.title.strip()} {done}{'' if of is None else f'/{of}'} {unit}{remark}"

    def _pace(self) -> str:
        """`120/s, 3:20 left`; empty before any progress."""
        rate = (self.done - self.before) / max(time.monotonic() - self.began, 1e-9)
        if not rate:
            return ""
        pace = f"{rate / 1e6:.1f} M{self.unit}/s" if self.scale else f"{rate:.3g}/s"
        return pace if self.total is None else f"{pace}, {_clock(max(self.total - self.done, 0) / rate)} left"

    def _shown(self, count: int) -> str:
        return f"{count / 1e6:.1f}" if self.scale else str(count)


@contextmanager
def shown(*meters: Meter, file: IO[str] | None = None) -> Iterator[None]:
    """Shows the meters on `file` (default: standard error) for the duration of the block."""
    out = file or sys.stderr
    if out.isatty():
        with _bars(meters, out):
            yield
        return
    ended = threading.Event()
    lines = threading.Thread(target=_log, args=(meters, out, ended), daemon=True)
    lines.start()
    try:
        yield
    finally:
        ended.set()
        lines.join()


@contextmanager
def program_bar(title: str, *, unit: str = "program", visible: bool = True) -> Iterator[Callable[[int], None]]:
    """A meter over programs, or something else; yields a function to call once per item, with the total."""
    if not visible:
        yield lambda _: None
        return
    meter = Meter(title, None, unit=unit)

    def advance(total: int) -> None:
        meter.total = total
        meter.advance()

    with shown(meter):
        yield advance


@contextmanager
def _bars(meters: tuple[Meter, ...], out: IO[str]) -> Iterator[None]:
    from tqdm import tqdm

    for meter in meters:
        meter.bar = tqdm(
            desc=meter.title,
            total=meter.total,
            initial=meter.done,
            unit=meter.unit,
            unit_scale=meter.scale,
            dynamic_ncols=True,
            smoothing=0.1,
            file=out,
        )
    try:
        yield
    finally:
        for meter in meters:
            meter.bar.close()
            meter.bar = None


def _log(meters: tuple[Meter, ...], out: IO[str], ended: threading.Event) -> None:
    """Prints a line when something has progressed, and a last one at the end unless nothing ever did."""
    began = said_at = time.monotonic()
    said = first = _state(meters)
    while True:
        over = ended.wait(LINE_EVERY_SECONDS)
        now, state = time.monotonic(), _state(meters)
        if state != said or (over and said != first) or now - said_at >= STILL_EVERY_SECONDS:
            if not (over and state == said):
                print(f"[{_clock(now - began)}] {state}", file=out, flush=True)
            said, said_at = state, now
        if over:
            return


def _state(meters: tuple[Meter, ...]) -> str:
    return ", ".join(map(str, meters))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
