"""One HTTP call through the official client, resulting in a JSON object or a classified failure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from pie_bench.models.failures import Provider, Retry
from pie_bench.models.model import Request
from pie_bench.models.openai_settings import OpenAISettings
from pie_bench.models.pace import backoff_seconds

_CHECK_TRIES = 3
_CHECK_SECONDS = 30.0


class Transport:
    """Calls to one server about one model."""

    def __init__(self, entry: OpenAISettings, provider: Provider, key: str | None):
        self._entry = entry
        self._provider = provider
        self._key = key or "none"

    def client(self) -> Any:
        """The official client, for one event loop; the caller closes it."""
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            api_key=self._key,
            base_url=self._provider.url,
            max_retries=0,
            timeout=self._entry.timeout_seconds + 5,  # ours fires first: the client's restarts with every byte
        )

    async def check(self) -> None:
        """Asks for the list of models: this is free, and reveals a wrong key, address or model before the run
        begins."""
        async with self.client() as client:
            for attempt in range(_CHECK_TRIES):
                try:
                    body = await self._sent(
                        client.models.with_raw_response.list(), "the list of models", limit=_CHECK_SECONDS
                    )
                except Retry as error:
                    if attempt + 1 == _CHECK_TRIES:
                        raise self._provider.unreachable(str(error)) from None
                    wait = error.wait_seconds or backoff_seconds(attempt, self._entry.backoff_seconds)
                    await asyncio.sleep(min(wait, _CHECK_SECONDS))
                    continue
                except _NoList:
                    return
                break
        rows = body.get("data")
        served = [row["id"] for row in rows if "id" in row] if isinstance(rows, list) else []
        if served and self._entry.id not in served:
            names = ", ".join(sorted(served)[:5]) + (", …" if len(served) > 5 else "")
            raise self._provider.unknown_model(f"it lists {names}")

    async def ask(self, client: Any, request: Request, sent: Mapping[str, Any]) -> dict[str, Any]:
        """The body of the response to a request with these parameters. Raises Retry, Refused or UserError."""
        about = f"pair {request.pair_id}"
        # The client only knows OpenAI's own parameters; extra_body takes any.
        body = {key: value for key, value in sent.items() if key != "model"}
        if self._entry.prompting == "text":
            create = client.completions.with_raw_response.create
            sending = create(model=sent["model"], prompt=request.prompt.text, extra_body=body)
            return await self._sent(sending, about)
        messages = [{"role": message.role, "content": message.content} for message in request.prompt.messages]
        create = client.chat.completions.with_raw_response.create
        return await self._sent(create(model=sent["model"], messages=messages, extra_body=body), about)

    async def _sent(self, sending: Any, about: str, limit: float | None = None) -> dict[str, Any]:
        """The body of the response; Retry, Refused or UserError for anything but a JSON object with status 200."""
        import openai

        seconds = limit or self._entry.timeout_seconds
        try:
            response = await asyncio.wait_for(sending, seconds)
        except (asyncio.TimeoutError, openai.APITimeoutError):
            raise Retry(f"no answer within {seconds:g} seconds", limited=True, billed=True) from None
        except openai.APIStatusError as error:
            body = _json(error.response.content)
            if limit is not None and error.status_code in (403, 404, 405, 501):
                raise _NoList from None
            raise self._provider.failure(error.status_code, body, error.response.headers, about) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__
            never_there = "Connect" in type(cause).__name__
            raise Retry(f"{type(cause).__name__}: {cause or error}", billed=not never_there) from None
        body = _json(response.http_response.content)
        if not isinstance(body, dict):
            kind = response.headers.get("content-type", "no content type")
            if limit is not None:
                raise _NoList
            raise Retry(f"a response that is not JSON ({kind})", billed=True)
        if "error" in body and body["error"] and "choices" not in body:
            raise Retry(self._provider.said(200, body), billed=False)
        return body


class _NoList(Exception):
    """The server does not list its models, so nothing is known of them."""


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content[:300].decode("utf-8", "replace") or None
