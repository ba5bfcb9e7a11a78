"""Whether a program's start-up can depend on its input, according to QEMU's `-strace`.

Without system calls, a program's memory at `main` cannot depend on its input. Reading libraries is allowed; anything
about standard input, the clock or its own process, and any unknown call, is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# What the loader, the C library and constructors do in every program, whatever its input: memory, thread set-up,
# limits, the kernel's version, the lock of a once-only initialisation, the allocator's random key.
_BLIND = frozenset(
    "arch_prctl brk futex getrandom getrlimit madvise mprotect munmap prlimit64 rseq sched_getaffinity set_robust_list "
    "set_tid_address uname".split()
)
_ON_FILES = frozenset({"close", "fstat", "lseek", "pread64", "read"})  # of a library
# The index of the path among the arguments.
_ON_PATHS = {"access": 0, "faccessat": 1, "lstat": 0, "newfstatat": 1, "open": 0, "openat": 1, "stat": 0}
_LIBRARIES = ("/usr/lib", "/lib", "/etc/ld.so.")
_END = "exit_group"
_RSEQ = re.compile(r"\d+ Unknown syscall 293")  # rseq on AArch64 and RISC-V, which QEMU 7.2 has no name for


def starts_unseeing(trace: bytes) -> bool:
    """Given the trace of a copy that ends at `main` with `exit_group`: whether everything before is the same for every
    input. False for a trace that does not get there."""
    for line in trace.decode(errors="replace").splitlines():
        if _RSEQ.fullmatch(line):
            continue
        match = re.match(r"\d+ (\w+)\((.*?)\)(?: = |$)", line)
        if match is None:
            return False
        if match[1] == _END:
            return True
        if not _is_unseeing(match[1], match[2].split(",")):
            return False
    return False


def _is_unseeing(call: str, arguments: Sequence[str]) -> bool:
    if call == "mmap":
        return len(arguments) == 6 and arguments[4] not in ("0", "1", "2")
    if call in _BLIND:
        return True
    if call == "readlinkat":  # a static program asks for its own name
        return arguments[1:2] == ['"/proc/self/exe"']
    of_a_library = re.fullmatch("[1-9][0-9]*", arguments[0]) is not None and arguments[0] not in ("1", "2")
    if call in _ON_PATHS and not (call == "newfstatat" and of_a_library):  # that is fstat
        place = _ON_PATHS[call]
        path = arguments[place].strip('"') if len(arguments) > place else ""
        return path.startswith(_LIBRARIES) and "/../" not in path
    return of_a_library and (call in _ON_FILES or call == "newfstatat")
