"""Memory files (memfd): pass data into and out of a sandbox without touching the host's disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def memory_file(name: str, content: bytes = b"") -> Iterator[int]:
    """A descriptor, positioned at the start, of an anonymous file with this content; closed at the end."""
    fd = os.memfd_create(name)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def content_of(fd: int) -> bytes:
    """The whole file, regardless of the descriptor's position."""
    return os.pread(fd, os.fstat(fd).st_size, 0)
