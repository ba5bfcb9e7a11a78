"""Reads ELF files. They are untrusted input: nothing is known about a broken one."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, TypeVar

_BUILD_ID = ".note.gnu.build-id"
T = TypeVar("T")


def of_elf(binary: bytes, ask: Callable[[Any], T]) -> T | None:
    """The result of `ask` on an `ELFFile`; None if the file is broken or has nothing of the kind."""
    from elftools.elf.elffile import ELFFile

    try:
        return ask(ELFFile(io.BytesIO(binary)))
    except Exception:  # on a broken file, pyelftools lets any internal exception through
        return None


def code_address(binary: bytes) -> int | None:
    """The start of the lowest executable segment, as an address in the file."""
    return of_elf(binary, lowest_code)


def lowest_code(elf: Any) -> int:
    from elftools.elf.constants import P_FLAGS

    return min(int(s["p_vaddr"]) for s in elf.iter_segments("PT_LOAD") if s["p_flags"] & P_FLAGS.PF_X)


def entry_address(elf: Any) -> int:
    """The address of the program's first own instruction, in the file."""
    return int(elf.header["e_entry"])


def main_address(elf: Any) -> int | None:
    """The address of `main` in the file; None if there is no such symbol."""
    table = elf.get_section_by_name(".symtab")
    symbols = table.get_symbol_by_name("main") if table is not None else None
    return int(symbols[0]["st_value"]) if symbols else None


def functions(binary: bytes) -> list[tuple[int, int]]:
    """The address ranges [begin, end) of its functions, sorted."""

    def ranges(elf: Any) -> list[tuple[int, int]]:
        symbols = elf.get_section_by_name(".symtab").iter_symbols()
        found = {(s["st_value"], s["st_value"] + s["st_size"]) for s in symbols if s["st_info"]["type"] == "STT_FUNC"}
        return sorted((begin, end) for begin, end in found if 0 < begin < end)

    return of_elf(binary, ranges) or []


def loaded(binary: bytes) -> list[tuple[str, int, bytes]] | None:
    """Name, address and content of every loaded section except the build id, which says nothing about the code."""
    from elftools.elf.constants import SH_FLAGS

    def sections(elf: Any) -> list[tuple[str, int, bytes]]:
        every = [s for s in elf.iter_sections() if s["sh_flags"] & SH_FLAGS.SHF_ALLOC and s.name != _BUILD_ID]
        return [(s.name, s["sh_addr"], b"" if s["sh_type"] == "SHT_NOBITS" else s.data()) for s in every]

    return of_elf(binary, sections)
