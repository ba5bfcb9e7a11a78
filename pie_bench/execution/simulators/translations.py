"""Code translated once a program instead of once a test.

Valgrind translates code the first time that it runs, and in a forked simulation nearly all CPU time is spent on that:
every child translates again what comes after `main`. So what a child had to translate (valgrind names each block) is
translated in the fork server too, and later children inherit it. A translation depends on the code alone and is counted
when it runs, not when it is made, so no count changes (fork_server.py checks a sample, as ever).

This calls two of valgrind's own functions, whose addresses are known for the builds listed here. With any other build
children go on translating for themselves.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pie_bench.hashing import sha256

TRANSLATE = 2  # the tag of a packet of addresses
OPTIONS = ["--trace-flags=00000001", "--trace-notbelow=2147483647"]  # each block's first line, and nothing of its code
_BLOCK = re.compile(rb"^==== SB \d+ \(evchecks \d+\) \[tid 1\] 0x([0-9a-f]{1,16}) ", re.MULTILINE)
_IN_A_PACKET = 1023
_MOST = 50_000  # of one program; what more a program says is not its code


class Translator(NamedTuple):
    """Addresses in valgrind's process of VG_(search_transtab) and VG_(translate)."""

    search_transtab: int
    translate: int


_OF_BUILD = {  # by the sum of cachegrind-amd64-linux, which is linked to a fixed address
    "4707eded6cfd4fd6b4d5acecfa6c69a7d04b0c46b96f6cb57089ed790014488f": Translator(0x58020140, 0x58090260),  # 3.16.1-1
    "768b94ae8257c6f5224257342729c6ce691aa80785fc436aaf67522b67b25459": Translator(0x58020EC0, 0x58086060),  # 3.19.0-1
}
_PLACES = ("usr/lib/x86_64-linux-gnu/valgrind", "usr/libexec/valgrind")


def translator_in(root: Path | None) -> Translator | None:
    """Of the cachegrind in this root file system (or the host's); None if it is another build."""
    for place in _PLACES:
        tool = (root or Path("/")) / place / "cachegrind-amd64-linux"
        if tool.is_file():
            return _OF_BUILD.get(sha256(tool.read_bytes()))
    return None


class Translations:
    """What the server of one program has been told to translate."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def packets(self, said: bytes) -> Iterator[bytes]:
        """For the server, of the blocks that a child says it translated and none before it did."""
        addresses = dict.fromkeys(int(match, 16) for match in _BLOCK.findall(said))
        new = [address for address in addresses if address not in self._known][: _MOST - len(self._known)]
        self._known.update(new)
        for begin in range(0, len(new), _IN_A_PACKET):
            yield _packet(new[begin : begin + _IN_A_PACKET])


def _packet(addresses: Iterable[int]) -> bytes:
    return b"".join(struct.pack("<Q", number) for number in (TRANSLATE, *addresses))
