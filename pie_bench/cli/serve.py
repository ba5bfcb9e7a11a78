"""`serve`: serves verdicts over HTTP."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from pathlib import Path
from typing import Any

from pie_bench.cli.options import add_sandbox, natural, positive
from pie_bench.defaults import DEFAULT_ENVIRONMENT, DEFAULT_PORT
from pie_bench.errors import UserError


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "serve",
        help="judge programs over HTTP",
        description="Judge programs over HTTP: POST /v1/judge; /docs describes the interface. See docs/scale.md.",
        epilog="SIGTERM and Ctrl-C shut it down cleanly. Needs the extra: pip install 'pie_bench[serve]'",
    )
    parser.add_argument("--host", default="127.0.0.1", help="all but loopback require tokens; default: %(default)s")
    parser.add_argument("--port", type=natural, default=DEFAULT_PORT, help="0: a free one; default: %(default)s")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="accepted tokens, one per line")
    parser.add_argument(
        "--environment", action="append", metavar="E", help=f"may be repeated; default: {DEFAULT_ENVIRONMENT}"
    )
    parser.add_argument("--dataset", action="append", metavar="D", help="datasets to use; repeatable; default: mini")
    parser.add_argument("--split", default="test", metavar="S", help="of the datasets; default: %(default)s")
    parser.add_argument("--workers", type=positive, metavar="N", help="programs judged at once (default: one per core)")
    parser.add_argument(
        "--queue", type=natural, default=256, metavar="N", help="programs that may wait; default: %(default)s"
    )
    parser.add_argument(
        "--rate", type=positive, metavar="N", help="programs per minute and client (default: unlimited)"
    )
    parser.add_argument("--max-body", type=positive, default=32, metavar="MIB", help="default: %(default)s")
    parser.add_argument(
        "--cache", type=natural, default=64, metavar="MIB", help="size of the reply cache; default: %(default)s"
    )
    parser.add_argument(
        "--grace",
        type=natural,
        default=30,
        metavar="S",
        help="seconds to finish accepted jobs on shutdown; default: %(default)s",
    )
    add_sandbox(parser)
    parser.set_defaults(verb=serve)


def serve(arguments: argparse.Namespace) -> int:
    try:
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(f"serve: the package {error.name} is missing; run: pip install 'pie_bench[serve]'") from None
    from pie_bench.serve.app import Access
    from pie_bench.serve.run import listening, read_tokens, run, server_of
    from pie_bench.serve.service import Service

    tokens = () if arguments.token_file is None else read_tokens(arguments.token_file)
    access = Access(tokens, arguments.rate, arguments.max_body << 20)
    with listening(arguments.host, arguments.port, access) as sock:
        service = Service(
            arguments.environment or (DEFAULT_ENVIRONMENT,),
            arguments.dataset or ("mini",),
            split=arguments.split,
            sandbox=arguments.sandbox,
            unsafe=arguments.unsafe,
            workers=arguments.workers,
            queue=arguments.queue,
            cache_bytes=arguments.cache << 20,
        )
        host, port, *_ = sock.getsockname()
        offered = ", ".join(f"{name} ({hash_[:12]})" for name, hash_ in service.environment_ids.items())
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        started = functools.partial(
            print, f"serving http://{address}: {offered}; {service.workers} workers", flush=True
        )
        run(server_of(service, access, grace_seconds=arguments.grace, started=started), service, sock)
    print("stopped", file=sys.stderr, flush=True)
    sys.stdout.flush()
    # Jobs that were cut off still have threads, but their sandboxes die with this process: do not wait for the threads.
    os._exit(0)
