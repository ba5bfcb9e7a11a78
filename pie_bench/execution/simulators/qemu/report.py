"""The plugin's report (plugin/report.cpp): a text with a keyed sum, so that only the plugin can have written it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_MASK = (1 << 64) - 1


class ReportError(ValueError):
    """It is not a report of the plugin's: cut off, or written by someone else."""


@dataclass(frozen=True)
class Report:
    """How the program ended, evidence for that, and what was counted in all and before `main`.

    If asked for, `lines` are cycles by place in the program's own code, `called` those of other code by the place of
    the call that led there; what no such call led to is `elsewhere` in `lines`.
    """

    outcome: str
    detail: str
    counters: Mapping[str, int] = field(default_factory=dict)
    startup_counters: Mapping[str, int] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    called: Mapping[str, int] = field(default_factory=dict)


def parse_report(content: bytes, key: bytes) -> Report | None:
    """None when nothing was reported. ReportError when the sum is not the key's or a line is unknown."""
    text, _, behind = content.partition(b"\0")  # rstrip(b"\0") would cost as much as the rest of reading a report
    if behind != bytes(len(behind)):
        raise ReportError("there is something after the report")
    if not text:
        return None
    body, found, last = text.rpartition(b"sum ")
    if not found or last.strip() != f"{siphash(key, body):016x}".encode():
        raise ReportError("the report's sum is wrong")
    values: dict[str, str] = {}
    counted: dict[str, dict[str, int]] = {"counter": {}, "startup": {}, "line": {}, "called": {}}
    for line in body.decode().splitlines():
        kind, _, rest = line.partition(" ")
        if kind in counted:
            name, _, number = rest.partition(" ")
            counted[kind][name] = int(number)
        else:
            values[kind] = rest
    return Report(values["outcome"], values["detail"], *counted.values())


def siphash(key: bytes, data: bytes) -> int:
    """SipHash-2-4 (Aumasson and Bernstein, 2012)."""
    k0, k1 = (int.from_bytes(key[at : at + 8], "little") for at in (0, 8))
    a, b, c, d = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def rounds(n: int, a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
        for _ in range(n):
            a, c = a + b & _MASK, c + d & _MASK
            b, d = (b << 13 | b >> 51) & _MASK ^ a, (d << 16 | d >> 48) & _MASK ^ c
            a = (a << 32 | a >> 32) & _MASK
            a, c = a + d & _MASK, c + b & _MASK
            d, b = (d << 21 | d >> 43) & _MASK ^ a, (b << 17 | b >> 47) & _MASK ^ c
            c = (c << 32 | c >> 32) & _MASK
        return a, b, c, d

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        a, b, c, d = rounds(2, a, b, c, d ^ word)
        a ^= word
    a, b, c, d = rounds(4, a, b, c ^ 0xFF, d)
    return a ^ b ^ c ^ d
