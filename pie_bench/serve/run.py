"""Starts the judge server and shuts it down cleanly."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pie_bench.errors import UserError
from pie_bench.serve.app import Access, is_loopback, make_app

if TYPE_CHECKING:
    import uvicorn

    from pie_bench.serve.service import Service

_SHORTEST_TOKEN = 16


def read_tokens(path: Path) -> tuple[str, ...]:
    """The tokens in a file, one per line; empty lines and lines starting with # are ignored.

    UserError if the file cannot be read, is readable by others, or has no token or one that is easily guessed.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise UserError(f"{path}: other users can read it; run: chmod 600 {path}")
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    tokens = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    for number, token in enumerate(tokens, start=1):
        if len(token) < _SHORTEST_TOKEN or not re.fullmatch(r"[\w.~+/=-]+", token):
            raise UserError(
                f"{path}: token {number}: expected {_SHORTEST_TOKEN} or more of letters, digits and .~+/=-_; "
                "make one with: openssl rand -hex 32"
            )
    if not tokens:
        raise UserError(f"{path}: contains no token; make one with: openssl rand -hex 32")
    return tokens


def listening(host: str, port: int, access: Access) -> socket.socket:
    """A socket that clients can connect to. UserError if the address is unavailable, or if others can reach it and no
    token is required."""
    if not access.tokens and not is_loopback(host):
        raise UserError(f"--host {host}: other machines can reach it, so it needs a token; give --token-file FILE")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.create_server(address[:2], family=family, backlog=1024)
        # asyncio sets it only if the protocol is named; without it, every reply on a kept-alive connection takes 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    except (OSError, OverflowError) as error:
        raise UserError(f"{host}:{port}: cannot listen there ({error}); give another --host or --port") from None


def server_of(service: Service, access: Access, *, grace_seconds: int, started: Callable[[], object]) -> uvicorn.Server:
    """The server, not yet running; `started` is called once it listens."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

    config = uvicorn.Config(
        make_app(service, access),
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=grace_seconds,
    )
    return Server(config)


def run(server: uvicorn.Server, service: Service, sock: socket.socket) -> None:
    """Serves until SIGTERM or Ctrl-C, then accepts nothing new and gives accepted jobs their time to finish.
    A second signal ends it at once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn handles these, and after a clean shutdown raises the signal it got once more.
        signal.signal(number, lambda *_: None)
    try:
        server.run(sockets=[sock])
    finally:
        service.close()
