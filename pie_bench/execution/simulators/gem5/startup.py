"""Makes a program's start-up measurable: a copy of the binary whose `main` exits at once.

The copy only differs in the first bytes of `main`, so everything before it (the dynamic loader, relocation,
constructors such as iostream's) executes exactly the original's instructions. Likewise, a copy that ends at the entry
point executes the dynamic loader and nothing of the program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pie_bench.execution.elf import entry_address, main_address, of_elf
from pie_bench.execution.isa import Isa


def stopped_at_main(binary: bytes, isa: Isa) -> bytes | None:
    """The binary with `main` replaced by `exit_group(0)`; None if it has no symbol `main` with room for that."""
    return _stopped_at(binary, main_address, isa.exits)


def stopped_at_entry(binary: bytes, isa: Isa) -> bytes | None:
    """The binary with its entry point replaced by `exit_group(0)`; None if it is not an ELF file with room for that."""
    return _stopped_at(binary, entry_address, isa.exits)


def _stopped_at(binary: bytes, address_in: Callable[[Any], int | None], exits: bytes) -> bytes | None:
    def offset_in(elf: Any) -> int | None:
        address = address_in(elf)
        return next(iter(elf.address_offsets(address, len(exits))), None) if address is not None else None

    offset = of_elf(binary, offset_in)
    if offset is None or offset + len(exits) > len(binary):
        return None
    return binary[:offset] + exits + binary[offset + len(exits) :]
