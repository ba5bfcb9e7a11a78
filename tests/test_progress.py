"""Progress: bars on a terminal, plain lines in a log, nothing when nothing moves."""

import io
import re
import time

import pytest

from pie_bench import progress
from pie_bench.progress import Meter, shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_every_few_seconds_and_one_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_SECONDS", 0.05)
    log = io.StringIO()
    one, two = Meter("generate", 10, 2, "answer"), Meter("execute ", 30, 0, "program")
    with shown(one, two, file=log):
        one.advance(remark="$0.10")
        time.sleep(0.3)
        for _ in range(5):
            two.advance()
    lines = log.getvalue().splitlines()
    assert all(re.fullmatch(r"\[\d+:\d\d\] generate \d+/10 answers.*, execute \d+/30 programs", line) for line in lines)
    assert lines[-1].endswith("generate 3/10 answers ($0.10), execute 5/30 programs")
    assert len(lines) == 2, "where nothing moves nothing is said"


def test_bytes_are_said_in_millions() -> None:
    assert str(Meter("debian-11", 73_627_544, 16_789_688, unit="B", scale=True)) == "debian-11 16.8/73.6 MB"
    assert str(Meter("x", None, 3)) == "x 3 its"


def test_a_log_of_what_never_moves_is_empty() -> None:
    log = io.StringIO()
    with shown(Meter("x", 3), file=log):
        pass
    assert log.getvalue() == ""


def test_a_terminal_gets_bars() -> None:
    terminal = Terminal()
    meter = Meter("execute", None, 0, "program")
    with shown(meter, file=terminal):
        meter.total = 4
        meter.advance(2, "busy")
    assert "2/4" in terminal.getvalue() and "busy" in terminal.getvalue()
