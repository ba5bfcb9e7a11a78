"""Makes a program's start-up measurable: a copy of the binary whose `main` exits at once.

The copy only differs in the first bytes of `main`, so everything before it (the dynamic loader, relocation,
constructors such as iostream's) executes exactly the original's instructions. Likewise, a copy that ends at the entry
point executes the dynamic loader and nothing of the program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pie_bench.execution.elf import entry_address, main_address, of_elf

# mov edi, 0; mov eax, 231 (exit_group); syscall
_EXIT = bytes.fromhex("bf00000000 b8e7000000 0f05".replace(" ", ""))


def stopped_at_main(binary: bytes) -> bytes | None:
    """The binary with `main` replaced by `exit_group(0)`; None if it has no symbol `main` with room for that."""
    return _stopped_at(binary, main_address)


def stopped_at_entry(binary: bytes) -> bytes | None:
    """The binary with its entry point replaced by `exit_group(0)`; None if it is not an ELF file with room for that."""
    return _stopped_at(binary, entry_address)


def _stopped_at(binary: bytes, address_in: Callable[[Any], int | None]) -> bytes | None:
    def offset_in(elf: Any) -> int | None:
        address = address_in(elf)
        return next(iter(elf.address_offsets(address, len(_EXIT))), None) if address is not None else None

    offset = of_elf(binary, offset_in)
    if offset is None or offset + len(_EXIT) > len(binary):
        return None
    return binary[:offset] + _EXIT + binary[offset + len(_EXIT) :]
