"""Reports: only the plugin can have written one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.execution.simulators.qemu.report import Report, ReportError, parse_report, siphash

KEY = bytes(range(16))


def signed(text: str, key: bytes = KEY) -> bytes:
    return f"{text}sum {siphash(key, text.encode()):016x}\n".encode()


TEXT = "outcome exited\ndetail 0\ncounter cycles 12\nstartup cycles 3\n"


def test_the_sum_is_siphash():
    # The vectors that its authors publish: bytes 0, 1, 2 … under the key 00 01 … 0f.
    assert siphash(KEY, b"") == 0x726FDB47DD0E0E31
    assert siphash(KEY, bytes(range(15))) == 0xA129CA6149BE45E5
    assert siphash(KEY, bytes(range(8))) == 0x93F5F5799A932462


def test_a_report_is_read():
    assert parse_report(signed(TEXT) + bytes(100), KEY) == Report("exited", "0", {"cycles": 12}, {"cycles": 3})
    assert parse_report(bytes(100), KEY) is None


@given(st.integers(0, len(signed(TEXT)) - 2), st.integers(1, 255))
def test_a_changed_report_is_refused(place, change):
    content = bytearray(signed(TEXT))
    content[place] ^= change
    with pytest.raises(ReportError):
        parse_report(bytes(content), KEY)


def test_what_comes_after_a_report_is_refused():
    with pytest.raises(ReportError):
        parse_report(signed(TEXT) + bytes(100) + b"x", KEY)


def test_another_key_is_refused():
    with pytest.raises(ReportError):
        parse_report(signed(TEXT, bytes(16)), KEY)
