"""`Client`: gets verdicts from a judge server, in the form that `Judge` returns."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pie_bench.defaults import DEFAULT_PORT
from pie_bench.errors import PieBenchError, UserError
from pie_bench.execution.judge import Judgement, PairWithTests, Test, as_pair
from pie_bench.execution.pool import LocalPool
from pie_bench.run.files import first_problem, validated
from pie_bench.run.guard import GuardFinding

if TYPE_CHECKING:
    from pie_bench.serve.protocol import Job

_LONGEST_WAIT_SECONDS = 30.0


class Client:
    """Asks a judge server (`pie-bench serve`) for verdicts; they are the same as those of a local `Judge`.

        client = pie_bench.Client("http://127.0.0.1:8399")
        verdict = client(code, "m001_slow-m001_fast")
        verdict = client(code, source=slow, tests=[("1 2\\n", "3\\n")])
        for verdict in client.map([(code, pair), …]): ...

    Safe to call from several threads. `environment` is one that the server offers (None: its first); `token` is what
    the server requires. `timeout_seconds` limits one request; while the server is full or unreachable, the client
    retries for up to `patience_seconds`. `connections` is the number used by `map`.
    """

    def __init__(
        self,
        url: str = f"http://127.0.0.1:{DEFAULT_PORT}",
        *,
        token: str | None = None,
        environment: str | None = None,
        timeout_seconds: float = 900.0,
        patience_seconds: float = 600.0,
        connections: int = 16,
    ):
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"client: {url!r:.100} is not a server URL; expected e.g. http://127.0.0.1:{DEFAULT_PORT}")
        self.environment = environment
        self._token = token
        self._timeout, self._patience = timeout_seconds, patience_seconds
        self._pool = LocalPool(connections)
        direct = parts.hostname in ("127.0.0.1", "localhost", "::1")
        self._opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if direct else []))

    def __call__(
        self,
        code: str,
        pair: PairWithTests | str | None = None,
        *,
        dataset: str | None = None,
        source: str | None = None,
        tests: Sequence[Test] | None = None,
        measured: bool = True,
    ) -> Judgement:
        """The verdict on a C++ program, as `Judge` would give it.

        A `pair` may be the id of one in a `dataset` that the server has (None: its first); a pair with tests is sent as
        a whole. Raises UserError if the server rejects the request, PieBenchError if it cannot be reached or fails.
        """
        return self._judged(self._job(code, pair, dataset, source, tests, measured=measured))[0]

    def guarded(
        self,
        code: str,
        pair: PairWithTests | str | None = None,
        *,
        dataset: str | None = None,
        source: str | None = None,
        tests: Sequence[Test] | None = None,
    ) -> tuple[Judgement, GuardFinding | None]:
        """The verdict, and what the guards find in a correct program (None for an incorrect one)."""
        return self._judged(self._job(code, pair, dataset, source, tests, guards=True))

    def map(self, programs: Iterable[tuple[str, PairWithTests | str]]) -> Iterator[Judgement]:
        """The verdicts on many programs, as they finish; `sample_index` is the index in `programs`."""

        def judge(numbered: tuple[int, tuple[str, PairWithTests | str]]) -> Judgement:
            number, (code, pair) = numbered
            return replace(self(code, pair), sample_index=number)

        return self._pool.map_unordered(judge, enumerate(programs))

    def health(self) -> dict[str, Any]:
        """The server's description of itself: version, environments with their ids, datasets."""
        return self._asked("/healthz", None)

    def _job(
        self,
        code: str,
        pair: PairWithTests | str | None,
        dataset: str | None,
        source: str | None,
        tests: Sequence[Test] | None,
        **more: Any,
    ) -> Job:
        from pydantic import ValidationError

        from pie_bench.serve.protocol import Job, plain_text

        try:
            if isinstance(pair, str):
                if source is not None or tests is not None:
                    raise UserError("client: give a pair, or source and tests, not both")
                program = plain_text(code)
                return Job(program=program, pair=pair, dataset=dataset, environment=self.environment, **more)
            if dataset is not None:
                raise UserError("client: dataset only applies to a pair's id")
            return Job.of(code, as_pair(pair, source, tests), environment=self.environment, **more)
        except ValidationError as error:
            raise UserError(f"client: {first_problem(error)}") from None

    def _judged(self, job: Job) -> tuple[Judgement, GuardFinding | None]:
        reply = self._asked("/v1/judge", job.model_dump_json(exclude_defaults=True).encode())
        try:
            judgement = Judgement.of_json(reply["verdict"])
            found = reply["guards"]
            return judgement, None if found is None else validated(GuardFinding, found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PieBenchError(
                f"{self.url}: not a judge server's reply ({error}); does it run the same version?"
            ) from None

    def _asked(self, path: str, body: bytes | None) -> dict[str, Any]:
        """The response to a request, retried while the server is full or unreachable."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        until = time.monotonic() + self._patience
        attempt = 0
        while True:
            request = urllib.request.Request(self.url + path, body, headers)
            try:
                with self._opener.open(request, timeout=self._timeout) as response:
                    answer = json.loads(response.read())
                if isinstance(answer, dict):
                    return answer
                raise PieBenchError(f"{self.url}: not a judge server's reply")
            except urllib.error.HTTPError as error:
                said, wait = _said(error), error.headers.get("Retry-After", "")
                if error.code not in (429, 502, 503, 504):
                    kind = UserError if error.code < 500 else PieBenchError
                    raise kind(f"{self.url}: {said}") from None
                seconds = float(wait) if wait.isdigit() else 0.0
            except (OSError, ValueError) as error:  # unreachable, cut off, or not HTTP
                said, seconds = str(getattr(error, "reason", error)) or type(error).__name__, 0.0
            seconds = max(seconds, min(_LONGEST_WAIT_SECONDS, 0.1 * 2**attempt))
            if time.monotonic() + seconds > until:
                raise PieBenchError(f"{self.url}: {said}; gave up after {self._patience:g} s") from None
            time.sleep(seconds)
            attempt += 1


def _said(error: urllib.error.HTTPError) -> str:
    """The server's reason for refusing, on one line."""
    try:
        return str(json.loads(error.read())["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"HTTP {error.code} {error.reason}"
