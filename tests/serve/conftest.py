"""A real judge server on loopback, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

TOKENS = ("first-token-of-the-tests", "another-token-of-the-tests", "a-third-token-of-the-tests")


@contextmanager
def serving(cache: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The server's address, and its process, which is ended in order."""
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


@pytest.fixture(scope="module")
def server(measured_cache: Path, pinned_root: Path) -> Iterator[str]:
    with serving(measured_cache, "--workers", "2") as (url, _):
        yield url


@pytest.fixture(scope="module")
def guarded_server(measured_cache: Path, pinned_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that asks for tokens and takes little."""
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text("# who may ask\n" + "\n".join(TOKENS) + "\n")
    tokens.chmod(0o600)
    options = ("--token-file", str(tokens), "--rate", "6", "--max-body", "1", "--workers", "1", "--queue", "2")
    with serving(measured_cache, *options) as (url, _):
        yield url


def host_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
