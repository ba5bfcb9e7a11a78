"""Start-up paid once a program: a copy of the program that waits at `main` and forks for each input.

What is forked is the whole simulator, with its caches, predictors and translated code, so a child's report is what a
run alone would have reported: start-up and the rest. The copy is the program with a few bytes of its code replaced
(nothing moves, no library is added), and a child puts them back before it enters `main`:

- `_start` passes the address of the server's `inline` code for that of `main`;
- `inline` lies in the cache line of `main`'s first instruction, which is fetched at this moment in any case; of data it
  touches the line of `main`'s return address, the last one used; it has no conditional branch and no indirect jump. So
  it leaves no trace in caches and predictors: what it adds to the counts is its instructions and the words that it
  pushes and pops (`counted`). Everything else, waiting, exchanging descriptors, restoring code, runs outside the
  simulation, by a client request;
- the padding behind the program's code gets the request's block and a loader of 35 bytes.

A copy is not possible for every program (`forking` says None); what has looked at its surroundings before `main` must
not be forked there (`starts_unseeing`).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pie_bench.execution.elf import of_elf
from pie_bench.execution.simulators.startup import EXIT
from pie_bench.execution.simulators.translations import Translator

START_UP = b"\1"  # the tag of a child that ends at `main`: the start-up alone
_CODE = (Path(__file__).parent / "fork_server.bin").read_bytes()
_FORK, _CALL, _LOADER, _SERVER = _CODE[:7], _CODE[7:37], _CODE[64:99], _CODE[128:]
_ARRIVAL = 25  # of _CALL, up to and with the request: what must be in place before the server has started
_CALL0 = 0x1101  # VG_USERREQ__CLIENT_CALL0
_PIE_BASE = 0x108000  # where valgrind loads position-independent programs; elsewhere the server would not start
_LINE = 64
_PAGE = 4096
# Functions that tell a child from a process of its own, and those of threads (whose counts depend on who comes first).
_NOT_FORKED = re.compile("get(p|t|pp|s)id|getpgrp|getpgid|syscall|pthread_create|thrd_create|_ZNSt6thread.*")
_CONFIGURATION = struct.Struct("<7Q6i96s128s64s")  # the end of _SERVER, see fork_server.S


@dataclass(frozen=True)
class Forking:
    """A program made into a fork server. With the tag START_UP a child ends at `main`: the start-up alone."""

    binary: bytes
    _configuration: tuple[Any, ...]
    _fork_instructions: int

    def message(self, report_descriptor: int, child_filter: bytes, translator: Translator | None = None) -> bytes:
        """What it must be sent first: its code. `child_filter` is the seccomp program of its children.

        Without a `translator` it must not be sent packets of addresses.
        """
        request_block, fork_address, main_address, *patches = self._configuration
        descriptors = (0, 1, 2, report_descriptor, 2, 0)
        addresses = (request_block, fork_address, main_address, *(translator or (0, 0)))
        configuration = _CONFIGURATION.pack(len(child_filter) // 8, 0, *addresses, *descriptors, *patches)
        return _SERVER[: -len(configuration)] + configuration + child_filter

    def counted(self, index: int) -> Mapping[str, int]:
        """What the server itself adds to the counts of its child number `index` (from 0)."""
        forks = index + 1
        calls = forks + 1
        return {"Ir": 7 * calls + self._fork_instructions * forks, "Dr": 2 * calls, "Dw": 2 * calls}


def forking(binary: bytes) -> Forking | None:
    """The program as a fork server; None where there is no room for one or it has an unknown form."""
    code = of_elf(binary, lambda elf: _Code(elf, binary))
    if code is None:
        return None
    line = code.main & -_LINE
    offset = next((offset for offset in range(_LINE - len(_CALL) + 1) if code.can_wait_at(line, offset)), None)
    if offset is None:
        return None
    call = _CALL.replace(b"\x11" * 4, struct.pack("<I", code.request_block + code.base))
    original = code.at(line, _LINE)
    serving = bytearray(original)
    serving[offset : offset + len(call)] = call
    fork = _fork_offset(offset)
    serving[fork : fork + len(_FORK)] = _FORK
    if fork > offset:  # behind the rest: jump back to it
        serving[fork + 7 : fork + 9] = bytes([0xEB, (offset - fork - 9) & 0xFF])
    start_address, start_original = code.start_operand
    moved = struct.pack("<i", struct.unpack("<i", start_original)[0] + line + offset - code.main)
    loader = struct.pack("<QQ", _CALL0, code.request_block + code.base + 16) + _LOADER
    copy = bytearray(binary)
    for address, content in (
        (line + offset, call[:_ARRIVAL]),
        (start_address, moved),
        (code.request_block, loader),
    ):
        position = code.file_offset(address)
        copy[position : position + len(content)] = content
    base = code.base
    return Forking(
        bytes(copy),
        (
            code.request_block + base,
            line + fork + base,
            code.main + base,
            _patches((line + base, bytes(serving))),
            _patches((line + base, original), (start_address + base, start_original)),
            _patches((code.main + base, EXIT)),
        ),
        3 if fork > offset else 2,
    )


def _fork_offset(call_offset: int) -> int:
    """Where in the line the fork goes: right before the call, else behind it."""
    return call_offset - len(_FORK) if call_offset >= len(_FORK) else call_offset + len(_CALL)


def _patches(*patches: tuple[int, bytes]) -> bytes:
    return b"".join(
        struct.pack("<QQ", address, len(content)) + content + bytes(-len(content) % 8) for address, content in patches
    )


class _UnknownFormError(Exception):
    """The program is not of the form that compilers and the C library give it."""


class _Code:
    """The segment of an x86-64 executable that holds `main` and `_start`, by address (before relocation)."""

    def __init__(self, elf: Any, binary: bytes):
        imported = elf.get_section_by_name(".dynsym")
        if imported is not None and any(_NOT_FORKED.fullmatch(symbol.name) for symbol in imported.iter_symbols()):
            raise _UnknownFormError
        if elf["e_machine"] != "EM_X86_64" or elf["e_type"] not in ("ET_EXEC", "ET_DYN"):
            raise _UnknownFormError
        self._binary = binary
        self.base = _PIE_BASE if elf["e_type"] == "ET_DYN" else 0
        table = elf.get_section_by_name(".symtab")
        mains = table.get_symbol_by_name("main") if table is not None else None
        if not mains:
            raise _UnknownFormError
        self.main, self._main_size = mains[0]["st_value"], mains[0]["st_size"]
        loads = [segment.header for segment in elf.iter_segments("PT_LOAD")]
        code = [x for x in loads if x.p_flags & 1 and x.p_vaddr <= self.main < x.p_vaddr + x.p_filesz]
        if not code or code[0].p_filesz != code[0].p_memsz:
            raise _UnknownFormError
        self._start, self._offset = int(code[0].p_vaddr), int(code[0].p_offset)
        self._end: int = self._start + code[0].p_filesz
        self._text = binary[self._offset : self._offset + code[0].p_filesz]
        self._functions: list[tuple[int, int, str]] = sorted(
            (symbol["st_value"], symbol["st_size"], symbol.name)
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC" and self._start <= symbol["st_value"] < self._end
        )
        self._sections = [
            (section["sh_addr"], section["sh_addr"] + section["sh_size"], section.name)
            for section in elf.iter_sections()
            if self._start <= section["sh_addr"] < self._end
        ]
        self.request_block = self._padding(loads)
        self.start_operand = self._main_in_start(elf["e_entry"])

    def file_offset(self, address: int) -> int:
        return address - self._start + self._offset

    def at(self, address: int, size: int) -> bytes:
        return self._binary[self.file_offset(address) : self.file_offset(address) + size]

    def _padding(self, loads: Sequence[Any]) -> int:
        """The address of unused room behind the code, mapped with it because mappings are of whole pages."""
        address = -(-self._end // 16) * 16
        size = 16 + len(_LOADER)
        begin, end = self.file_offset(self._end), self.file_offset(address + size)
        others = any(x.p_offset < end and begin < x.p_offset + x.p_filesz for x in loads)
        same_page = (self._end - 1) // _PAGE == (address + size - 1) // _PAGE
        if others or not same_page or self._binary[begin:end] != bytes(end - begin):
            raise _UnknownFormError
        return address

    def _main_in_start(self, entry: int) -> tuple[int, bytes]:
        """Address and bytes of the operand by which `_start` passes on `main`."""
        if not self._start <= entry < self._end - _LINE:
            raise _UnknownFormError
        start = self.at(entry, _LINE)
        for match in re.finditer(rb"\x48\x8d\x3d|\x48\xc7\xc7|\xbf", start):  # lea rdi, main; mov rdi, main; mov edi
            operand = start[match.end() : match.end() + 4]
            next_address = entry + match.end() + 4
            relative = next_address if match.group() == b"\x48\x8d\x3d" else 0
            if len(operand) == 4 and struct.unpack("<i", operand)[0] + relative == self.main:
                return entry + match.end(), operand
        raise _UnknownFormError

    def can_wait_at(self, line: int, offset: int) -> bool:
        """Whether the call can be put at this offset of main's line."""
        call, fork = line + offset, line + _fork_offset(offset)
        if line < self._start or line + _LINE > self._end or fork + 9 > line + _LINE:
            return False
        if not all(self._runs_after_main(address) for address in range(call, call + _ARRIVAL)):
            return False
        # Code that has been translated is not looked at again, though its bytes change: the program must not jump to
        # where a piece of the server's code began. (Should it do so all the same, `step` ends the process.)
        begins = {call, call + _ARRIVAL, fork, *([fork + len(_FORK)] if fork > call else [])}
        return self.main not in begins and not any(self._may_be_jumped_to(address) for address in begins)

    def _runs_after_main(self, address: int) -> bool:
        """Whether what is at this address is sure not to run before `main`."""
        if self.main <= address < self.main + self._main_size:
            return True
        section = next((x for x in self._sections if x[0] <= address < x[1]), None)
        if section is None or section[2] == ".plt.got":  # padding; the entry for __cxa_finalize
            return True
        if section[2] != ".text":
            return False
        before = [x for x in self._functions if section[0] <= x[0] <= address]
        if not before:
            return False
        value, size, name = before[-1]
        return name.startswith("main.cold") or (size > 0 and address >= value + size)

    def _may_be_jumped_to(self, target: int) -> bool:
        """Whether any bytes of the code could be a direct jump to there or, ending there, a call."""
        at = target - self._start
        text = self._text
        for position in range(max(0, at - 129), min(len(text) - 1, at + 126)):
            short = text[position] in (0xEB, 0xE0, 0xE1, 0xE2, 0xE3) or 0x70 <= text[position] <= 0x7F
            if short and position + 2 + struct.unpack_from("<b", text, position + 1)[0] == at:
                return True
        for match in re.finditer(rb"(?=[\xe8\xe9]|\x0f[\x80-\x8f])", text):
            operand = match.start() + (2 if text[match.start()] == 0x0F else 1)
            if operand + 4 <= len(text) and operand + 4 + struct.unpack_from("<i", text, operand)[0] == at:
                return True
        direct = text[at - 5 : at - 4] == b"\xe8" or text[at - 2 : at] == b"\x0f\x05"
        return direct or any(text[at - k] == 0xFF and text[at - k + 1] >> 3 & 7 == 2 for k in range(2, 8) if at >= k)


# What the loader, the C library and constructors do in every program, whatever its input: memory, threads' set-up,
# limits, the kernel's version, the lock of a once-only initialisation, the allocator's random key.
_BLIND = {9, 10, 11, 12, 28, 63, 97, 158, 202, 204, 218, 273, 302, 318, 334}
_ON_FILES = {0, 3, 5, 8, 17}  # read, close, fstat, lseek, pread64: of a library
_ON_PATHS = {2: 0, 4: 0, 6: 0, 21: 0, 257: 1, 262: 1}  # open, stat, lstat, access, openat, newfstatat: the path's place
_LIBRARIES = (b"/usr/lib", b"/lib", b"/etc/ld.so.")
_MMAP, _NEWFSTATAT = 9, 262
FORK_CALL, EXIT_CALL = 57, 231


def starts_unseeing(trace: bytes, until: int = FORK_CALL) -> bool:
    """Whether a start-up is the same for all inputs: what `--trace-syscalls=yes` shows, up to the first call `until`.

    Without system calls a program's memory at `main` cannot depend on its input. Reading libraries is allowed; anything
    about standard input, the clock, its own process, and whatever is not known here, is not.
    """
    before_fork: list[tuple[int, list[bytes]]] = []
    for number, arguments in _calls(trace):
        if number == until:
            return all(_is_unseeing(*call) for call in before_fork)
        before_fork.append((number, arguments))
    return False


def _calls(trace: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """System calls by number, with their arguments as printed; the lines that tell only a result are left out."""
    for line in trace.splitlines():
        match = re.match(rb"SYSCALL\[\d+,\d+\]\( *(\d+)\) (.*)", line)
        if match is not None and not match[2].startswith(b"..."):
            arguments = re.match(rb"[^(]*\((.*?) ?\)(?: -->|\[| *$)", match[2])
            yield int(match[1]), [x.strip() for x in arguments[1].split(b",")] if arguments else []


def _is_unseeing(number: int, arguments: Sequence[bytes]) -> bool:
    if number == _MMAP:
        return len(arguments) == 6 and arguments[4] not in (b"0", b"1", b"2")
    if number in _BLIND:
        return True
    of_a_library = bool(arguments) and arguments[0].isdigit() and 3 <= int(arguments[0]) < 1 << 31
    if number in _ON_PATHS and not (number == _NEWFSTATAT and of_a_library):  # that is fstat
        place = _ON_PATHS[number]
        path = arguments[place].partition(b"(")[2] if len(arguments) > place else b""
        return path.startswith(_LIBRARIES) and b"/../" not in path
    return of_a_library and (number in _ON_FILES or number == _NEWFSTATAT)
