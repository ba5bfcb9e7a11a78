"""The judge server's HTTP layer: access, limits and replies. docs/scale.md describes the interface."""

from __future__ import annotations

import asyncio
import hmac
import json
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from pie_bench.errors import PieBenchError, UserError
from pie_bench.serve.openapi import openapi, page
from pie_bench.serve.protocol import BadRequestError, parse
from pie_bench.serve.service import BusyError, Service, Ticket

NDJSON = "application/x-ndjson"
_BODY_SECONDS = 60  # for a request to arrive
_CLIENTS_REMEMBERED = 10_000


@dataclass(frozen=True)
class Access:
    """Who may send requests: holders of one of `tokens` (none: anyone on this machine), at most so many programs a
    minute."""

    tokens: tuple[str, ...] = ()
    programs_per_minute: int | None = None
    most_body_bytes: int = 32 << 20


def make_app(service: Service, access: Access | None = None) -> Starlette:
    """The application; whoever starts it closes the service."""
    given = access or Access()
    api = _Api(service, given, _Rate(given.programs_per_minute))
    document = openapi(version("pie_bench"), needs_token=bool(given.tokens))
    routes = [
        Route("/v1/judge", api.counted(api.judge), methods=["POST"]),
        Route("/healthz", api.counted(api.health), methods=["GET"]),
        Route("/metrics", api.counted(api.metrics), methods=["GET"]),
        Route("/openapi.json", _constant(JSONResponse, document), methods=["GET"]),
        Route("/docs", _constant(_PageResponse, page(document)), methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _said})


class _PageResponse(HTMLResponse):
    def __init__(self, content: str):
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        super().__init__(content, headers={"Content-Security-Policy": policy})


def _constant(kind: Callable[[Any], Response], content: Any) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return kind(content)

    return answer


async def _said(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


class _Api:
    def __init__(self, service: Service, access: Access, rate: _Rate):
        self._service = service
        self._access = access
        self._rate = rate

    def counted(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Wraps a handler: errors become one-line JSON, and every request is counted in the metrics."""

        async def answer(request: Request) -> Response:
            try:
                response = await handler(request)
            except BadRequestError as error:
                response = JSONResponse({"error": str(error)}, error.status)
            except HTTPException as error:
                response = await _said(request, error)
            except BusyError as error:
                response = _later(str(error), error.retry_after)
            except ClientDisconnect:
                response = Response(status_code=499)  # nginx's code for a client that is gone; only the metrics see it
            self._service.metrics.requests.labels(request.url.path, response.status_code).inc()
            return response

        return answer

    async def judge(self, request: Request) -> Response:
        client = self._client_of(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise BadRequestError(415, "expected Content-Type: application/json")
        jobs, is_batch = parse(await self._body_of(request))
        for number, job in enumerate(jobs):
            try:
                self._service.check(job)
            except UserError as error:
                raise BadRequestError(422, f"jobs.{number}: {error}" if is_batch else str(error)) from None
        self._rate.take(client, len(jobs))
        if len(jobs) > self._service.capacity:
            raise BadRequestError(
                413, f"{len(jobs)} programs are more than this server accepts at once: {self._service.capacity}"
            )
        tickets = self._service.submit(jobs)
        if NDJSON in request.headers.get("accept", ""):
            return StreamingResponse(self._stream(tickets), media_type=NDJSON)
        replies = await self._all(request, tickets)
        if is_batch:
            return Response(b'{"replies":[' + b",".join(replies) + b"]}", media_type="application/json")
        failed = replies[0].startswith(b'{"error"')
        return Response(replies[0], 500 if failed else 200, media_type="application/json")

    async def health(self, _: Request) -> Response:
        return JSONResponse(
            {
                "status": "ok",
                "version": version("pie_bench"),
                "environments": self._service.environment_ids,
                "datasets": {name: len(dataset.pairs) for name, dataset in self._service.datasets.items()},
            }
        )

    async def metrics(self, request: Request) -> Response:
        self._client_of(request)
        return Response(self._service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def _client_of(self, request: Request) -> str:
        """Identifies the client. HTTPException for unauthorised ones."""
        if not self._access.tokens:
            # No page in a browser on this machine may send requests in the user's name, whatever its host name resolves
            # to.
            host = request.url.hostname or ""
            if not is_loopback(host):
                raise HTTPException(
                    403, f"host {host!r:.80} is not this machine's loopback; a server for others needs tokens"
                )
            return request.client.host if request.client else ""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        for number, token in enumerate(self._access.tokens):
            if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
                return f"token {number}"
        what = "this token is not known" if given else "a token is needed"
        raise HTTPException(401, f"{what}; send Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})

    async def _body_of(self, request: Request) -> bytes:
        most = self._access.most_body_bytes
        too_large = BadRequestError(413, f"the body is larger than {most} bytes; send fewer programs at once")
        if int(request.headers.get("content-length", 0)) > most:
            raise too_large
        body = bytearray()

        async def read() -> None:
            async for chunk in request.stream():
                body.extend(chunk)
                if len(body) > most:
                    raise too_large

        try:
            await asyncio.wait_for(read(), _BODY_SECONDS)
        except asyncio.TimeoutError:
            raise BadRequestError(408, f"the body did not arrive within {_BODY_SECONDS} s") from None
        return bytes(body)

    async def _all(self, request: Request, tickets: Sequence[Ticket]) -> list[bytes]:
        """All replies in order. Stops waiting and raises ClientDisconnect when the client disconnects."""

        async def gone() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        leaving = asyncio.create_task(gone())
        waiting = asyncio.gather(*(_reply(ticket) for ticket in tickets))
        try:
            both: list[asyncio.Future[Any]] = [leaving, waiting]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise ClientDisconnect
            return list(waiting.result())
        finally:
            leaving.cancel()
            waiting.cancel()
            for ticket in tickets:
                self._service.give_up(ticket)

    async def _stream(self, tickets: Sequence[Ticket]) -> AsyncIterator[bytes]:
        """Yields one line per reply, as they finish, each with its index in the batch."""

        async def numbered(index: int, ticket: Ticket) -> bytes:
            return b'{"index":%d,' % index + (await _reply(ticket))[1:] + b"\n"

        waiting = [asyncio.ensure_future(numbered(*each)) for each in enumerate(tickets)]
        try:
            for done in asyncio.as_completed(waiting):
                yield await done
        finally:
            for task in waiting:
                task.cancel()
            for ticket in tickets:
                self._service.give_up(ticket)


async def _reply(ticket: Ticket) -> bytes:
    """The reply, or an error in its place. Cancelling this does not cancel the ticket's future."""
    try:
        return await asyncio.shield(asyncio.wrap_future(ticket.future))
    except PieBenchError as error:
        return json.dumps({"error": str(error)}).encode()
    except asyncio.CancelledError:
        raise
    except Exception as error:
        return json.dumps({"error": f"internal error: {type(error).__name__}: {error}"}).encode()


def _later(message: str, seconds: int) -> Response:
    return JSONResponse({"error": message}, 429, {"Retry-After": str(seconds)})


class _Rate:
    """A token bucket per client, counted in programs, that refills within a minute."""

    def __init__(self, per_minute: int | None):
        self._most = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client: programs, at this time

    def take(self, client: str, programs: int) -> None:
        """HTTPException 429 if the client has to wait before asking for this many, 413 if it can never ask for them."""
        if self._most is None:
            return
        if programs > self._most:
            raise HTTPException(413, f"{programs} programs at once; the limit is {self._most} a minute")
        now = time.monotonic()
        left, then = self._left.pop(client, (float(self._most), now))
        left = min(self._most, left + (now - then) * self._most / 60)
        wait = math.ceil((programs - left) * 60 / self._most)
        self._left[client] = (left if wait > 0 else left - programs, now)
        if len(self._left) > _CLIENTS_REMEMBERED:
            self._left.popitem(last=False)
        if wait > 0:
            message = f"more than {self._most} programs a minute; retry in {wait} s"
            raise HTTPException(429, message, {"Retry-After": str(wait)})


def is_loopback(host: str) -> bool:
    """Whether a host name or address only means this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
