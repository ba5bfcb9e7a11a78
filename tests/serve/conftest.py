"""Real judge servers on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pie_bench.serve.app import Access
from pie_bench.serve.run import listening, server_of
from pie_bench.serve.service import Service

TOKENS = ("first-token-of-the-tests", "another-token-of-the-tests", "a-third-token-of-the-tests")


@contextmanager
def serving(cache: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The server's address and its process, which is shut down properly."""
    command = [sys.executable, "-m", "pie_bench.cli", "serve", "--port", "0", *options]
    environment = os.environ | {"PIE_BENCH_CACHE": str(cache)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            assert said.startswith("serving http://127.0.0.1:"), said
            yield said.split()[1].rstrip(":"), process
        finally:
            process.terminate()


@contextmanager
def serving_here(cache: Path, access: Access, **options: Any) -> Iterator[str]:
    """The address of a server in a thread of this process."""
    listens = threading.Event()
    with pytest.MonkeyPatch.context() as patch, listening("127.0.0.1", 0, access) as sock:
        patch.setenv("PIE_BENCH_CACHE", str(cache))
        service = Service(**options)
        server = server_of(service, access, grace_seconds=60, started=listens.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            assert listens.wait(60)
            host, port = sock.getsockname()
            yield f"http://{host}:{port}"
        finally:
            server.should_exit = True
            thread.join()
            service.close()


@pytest.fixture(scope="module")
def server(measured_cache: Path, pinned_root: Path) -> Iterator[str]:
    with serving_here(measured_cache, Access(), workers=2) as url:
        yield url


@pytest.fixture(scope="module")
def guarded_server(measured_cache: Path, pinned_root: Path) -> Iterator[str]:
    """A server that requires tokens and has small limits."""
    with serving_here(measured_cache, Access(TOKENS, 6, 1 << 20), workers=1, queue=2) as url:
        yield url


def host_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
