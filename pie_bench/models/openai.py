"""Models behind the OpenAI protocol: OpenAI itself, and vLLM, llama.cpp, Ollama, TGI and other servers.

The official client makes the calls with its own retries off: retries, pacing and what a server accepts are decided
here.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.models import answers
from pie_bench.models.bridge import iterate
from pie_bench.models.budget import Budget, price_of
from pie_bench.models.dialect import Dialect
from pie_bench.models.failures import Provider, Refused, Retry
from pie_bench.models.model import Completion, Model, Request, consecutive
from pie_bench.models.openai_settings import OpenAISettings, checked_base_url
from pie_bench.models.pace import Pace, backoff_seconds
from pie_bench.models.transport import Transport
from pie_bench.prompting.tokens import most_tokens

OPENAI_URL = "https://api.openai.com/v1"
_VERSION = 1  # of how this adapter produces answers; part of the identity under which answers are shared
_DATED = re.compile(r"-(?:\d{4}|\d{4}-\d{2}-\d{2})$")  # ids that name one snapshot: -0613, -2024-08-06
_FRAME_TOKENS = 16  # the most that a chat template adds to a message
_GIVE_UP_AFTER = 3  # calls in a row out of retries: the server is down, rather than the request bad
_NOTICED_SECONDS = 4.0  # explain pauses that a person would notice,
_PATIENT_TRIES = 2  # and repeated rate limiting, however short each pause


@dataclass(frozen=True)
class _Call:
    """One HTTP request: consecutive samples of one prompt. `worst_usd` is the most that it can cost."""

    request: Request
    indices: tuple[int, ...]
    worst_usd: float


class _GaveUp(Exception):
    """A call ran out of retries."""


class OpenAIEntry(OpenAISettings):
    """A model behind the OpenAI protocol."""

    adapter: Literal["openai"]

    def open(self, name: str, pairs: Mapping[str, Pair], cache_dir: Path, budget: Budget) -> OpenAIModel:
        return OpenAIModel(name, self, budget)


class OpenAIModel(Model):
    """One model on one server. Raises UserError when the server, its key or the model is unusable."""

    def __init__(self, name: str, entry: OpenAIEntry, budget: Budget):
        self.name = name
        self._entry = entry
        self._budget = budget
        url = entry.base_url or url_from_environment() or OPENAI_URL
        key = os.environ.get(entry.api_key_env) or None
        self._provider = Provider(url, entry.id, entry.api_key_env, key, entry.note)
        self._transport = Transport(entry, self._provider, key)
        own_server = url != OPENAI_URL
        if not own_server and key is None:
            raise UserError(f"{url} requires a key; set {entry.api_key_env}, or OPENAI_BASE_URL for another server")
        if budget.limit is not None and entry.price_in is None:
            raise UserError(
                f"--max-cost: the price of {entry.id} is unknown; give it in USD per million tokens, e.g. "
                "--model-args price_in=0.5 price_out=1.5"
            )
        where = f" weights {entry.weights_label}" if entry.weights_label else f" at {url}" if own_server else ""
        own = [f"{key} default" for key in ("temperature", "top_p") if getattr(entry, key) == "default"]
        own += [f"reasoning_effort {entry.reasoning_effort}"] if entry.reasoning_effort else []
        self.resolved = " ".join([f"{entry.id}{where} prompting {entry.prompting}", *own])
        pinned = entry.weights_label is not None or (not own_server and _DATED.search(entry.id) is not None)
        self.identity: Mapping[str, Any] | None = None
        if pinned:
            decides = {"id", "prompting", "temperature", "top_p", "reasoning_effort", "weights_label"}
            self.identity = {"adapter": "openai", "version": _VERSION, **entry.model_dump(include=decides)}
            if entry.weights_label is None:
                self.identity["url"] = url
        self._dialect = Dialect(entry, own_server=own_server)
        self._pace = Pace(entry.concurrency)
        self._quiet_until = 0.0
        self._usage = answers.Usage(trusted=not own_server)
        if entry.check_model:
            asyncio.run(self._transport.check())

    @property
    def notes(self) -> Mapping[str, str]:  # type: ignore[override]
        return self._dialect.notes | self._usage.notes

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields completions as calls return. A call that fails for good stops further requests; those in flight are
        awaited and their completions yielded before the error is raised.

        Raises UserError for problems the user has to fix, when the server stops answering, and when the next call could
        exceed the budget.
        """
        return iterate(self._answers(requests))

    async def _answers(self, requests: Iterable[Request]) -> AsyncGenerator[Completion, None]:
        calls = (call for request in requests for call in self._calls(request, request.sample_indices))
        waiting: deque[_Call] = deque()
        running: dict[asyncio.Task[tuple[list[Completion], Sequence[int]]], _Call] = {}
        stopped: UserError | None = None
        gave_up: list[tuple[_Call, _GaveUp]] = []
        in_a_row = 0
        client = self._transport.client()
        try:
            while True:
                while stopped is None and len(running) < self._pace.limit:
                    call = waiting.popleft() if waiting else next(calls, None)
                    if call is None:
                        break
                    if not self._budget.reserve(call.worst_usd):
                        waiting.appendleft(call)
                        if not running:  # nothing in flight that could cost less than its reservation
                            stopped = self._budget.reached(call.worst_usd)
                        break
                    running[asyncio.create_task(self._answer(client, call))] = call
                if not running:
                    break
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    call = running.pop(task)
                    try:
                        completions, rest = task.result()
                    except _GaveUp as failure:
                        gave_up.append((call, failure))
                        in_a_row += 1
                        if in_a_row >= _GIVE_UP_AFTER:
                            stopped = stopped or self._provider.unreachable(str(failure))
                        continue
                    except UserError as failure:
                        stopped = stopped or failure
                        continue
                    in_a_row = 0
                    waiting.extend(self._calls(call.request, rest))
                    for completion in completions:
                        yield completion
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await client.close()
        if stopped is not None:
            raise stopped
        if gave_up:
            call, why = gave_up[0]
            how_many = "1 call" if len(gave_up) == 1 else f"{len(gave_up)} calls"
            raise UserError(
                f"{self._provider.url}: {how_many} got no answer, the first for pair {call.request.pair_id} ({why}); "
                "rerun the same command to ask again"
            )

    def _calls(self, request: Request, indices: Sequence[int]) -> Iterator[_Call]:
        for run in consecutive(indices, self._dialect.most_samples):
            yield _Call(request, run, self._worst_usd(request, len(run)))

    def _worst_usd(self, request: Request, samples: int) -> float:
        if self._entry.price_in is None or self._entry.price_out is None:
            return 0.0
        if self._entry.prompting == "chat":
            messages = request.prompt.messages
            prompt = sum(most_tokens(message.content) + _FRAME_TOKENS for message in messages) + _FRAME_TOKENS
        else:
            prompt = most_tokens(request.prompt.text) + _FRAME_TOKENS
        most = samples * request.sampling.max_tokens
        return price_of(prompt, most, self._entry.price_in, self._entry.price_out)

    async def _answer(self, client: Any, call: _Call) -> tuple[list[Completion], Sequence[int]]:
        """The call's completions, and the samples it did not return; retries where that makes sense."""
        cost = 0.0
        try:
            for attempt in range(self._entry.retries + 1):
                if len(call.indices) > self._dialect.most_samples:
                    return [], call.indices  # too many samples, as another call learnt: split it
                epoch = await self._pace.permission()
                try:
                    completions = await self._adapted(client, call)
                except Retry as error:
                    failure = error
                else:
                    if not completions:
                        return [], call.indices
                    self._pace.succeeded()
                    cost = sum(completion.cost_usd or 0.0 for completion in completions)
                    return completions, call.indices[len(completions) :]
                if failure.billed and not self._budget.lose(call.worst_usd):
                    raise self._budget.reached(call.worst_usd)
                if failure.limited:
                    self._pace.objected(epoch, failure.wait_seconds)
                if (failure.wait_seconds or 0.0) > self._entry.max_wait_seconds:
                    raise UserError(
                        f"{self._provider.url} asks to wait {failure.wait_seconds:.0f} seconds ({failure}); "
                        "rerun the same command after that to continue"
                    )
                if attempt < self._entry.retries:
                    pause = failure.wait_seconds
                    if pause is None:
                        pause = backoff_seconds(attempt, self._entry.backoff_seconds)
                    elif attempt > 0:  # the pause that the server asked for was not enough
                        pause = max(pause, backoff_seconds(attempt - 1, self._entry.backoff_seconds))
                    if pause >= _NOTICED_SECONDS or (failure.limited and attempt >= _PATIENT_TRIES):
                        self._say_why_nothing_moves(pause, failure)
                    await asyncio.sleep(pause)
            raise _GaveUp(f"{self._entry.retries + 1} attempts, the last: {failure}")
        finally:
            self._budget.settle(call.worst_usd, cost)

    def _say_why_nothing_moves(self, pause: float, failure: Retry) -> None:
        """Explains a pause on stderr, at most once in half a minute."""
        now = time.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + 30
        from tqdm import tqdm

        tqdm.write(f"pie-bench: {self._provider.url}: {failure}; retrying in {pause:.0f} s", file=sys.stderr)

    async def _adapted(self, client: Any, call: _Call) -> list[Completion]:
        """The completions, with the request phrased as this server accepts it; none if it has to be split first."""
        request = call.request
        while True:
            sent = self._dialect.parameters(request.sampling, request.seed + call.indices[0], len(call.indices))
            started = time.perf_counter()
            try:
                body = await self._transport.ask(client, request, sent)
            except Refused as error:
                if not self._dialect.learn(sent, error.body):
                    raise error.error from None
                if len(call.indices) > self._dialect.most_samples:
                    return []
                continue
            seconds = time.perf_counter() - started
            break
        completions = answers.completions_of(
            body, request, call.indices, sent, seconds, chat=self._entry.prompting == "chat", usage=self._usage
        )
        if len(completions) < len(call.indices):
            self._dialect.gave_fewer(len(completions))
        return answers.priced(completions, self._entry)


def url_from_environment() -> str | None:
    """`OPENAI_BASE_URL`; None if unset, UserError if it is not a URL."""
    value = os.environ.get("OPENAI_BASE_URL")
    if not value:
        return None
    try:
        return checked_base_url(value)
    except ValueError as error:
        raise UserError(f"OPENAI_BASE_URL: {error}") from None
