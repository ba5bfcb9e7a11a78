"""A server of the OpenAI protocol that misbehaves on purpose: real HTTP on loopback, faults drawn from a seed.

Every answer names the prompt and the seed it was drawn with, so that a test sees which sample is whose. Faults are
drawn by the number of the request, so the same order of requests meets the same faults.
"""

from __future__ import annotations

import email.utils
import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback import LoopbackServer, answering

RETRIED = (
    "429",
    "429 with Retry-After",
    "429 with a date",
    "500",
    "503",
    "slow first byte",
    "cut",
    "invalid JSON",
    "no choices",
    "wrong content type",
)
ANSWERED = ("fewer choices", "empty", "null", "refusal", "length")


@dataclass
class Behaviour:
    """What the server does. `faults` with probability `rate` each request; `refused` parameters are a 400; `most_n`
    choices at most (`silently`, or refused above); `key` is what it wants; `models` is what it lists."""

    faults: tuple[str, ...] = ()
    rate: float = 0.0
    seed: int = 0
    script: tuple[str, ...] = ()  # the faults of the first requests, in order; "" is none
    refused: frozenset[str] = frozenset()
    most_n: int = 1000
    silently: bool = False
    key: str | None = None
    models: tuple[str, ...] | None = ("tiny",)
    counts_one: bool = False
    usage: bool = True
    seconds: float = 0.0
    slow_seconds: float = 0.3
    retry_after_ms: int = 20
    most_at_once: int | None = None
    delta: str = "int main() {}"


@dataclass
class Seen:
    """What was asked: bodies of all requests, how often each (prompt, seed) was answered, and how many at once."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    now: int = 0
    most: int = 0


class FaultServer(LoopbackServer):
    request_queue_size = 256

    def __init__(self, behaviour: Behaviour):
        super().__init__(_Handler)
        self.behaviour = behaviour
        self.seen = Seen()
        self.lock = threading.Lock()
        self.random = random.Random(behaviour.seed)

    def fault(self) -> str:
        number = len(self.seen.bodies) - 1
        if number < len(self.behaviour.script):
            return self.behaviour.script[number]
        if self.behaviour.faults and self.random.random() < self.behaviour.rate:
            return self.random.choice(self.behaviour.faults)
        return ""


def serving(behaviour: Behaviour | None = None) -> AbstractContextManager[FaultServer]:
    return answering(FaultServer(behaviour or Behaviour()))


def named(body: Mapping[str, Any]) -> str:
    """A request's prompt, or its sum where it is long: with it in the answer, a test sees whose it is."""
    prompt = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
    return prompt if len(prompt) < 40 else hashlib.sha256(prompt.encode()).hexdigest()[:16]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        behaviour = self.server.behaviour
        if self._wrong_key():
            return
        if behaviour.models is None:
            self._error(404, "no such path")
        else:
            self._json(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in behaviour.models]})

    def do_POST(self) -> None:
        server, behaviour = self.server, self.server.behaviour
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._wrong_key():
            return
        with server.lock:
            server.seen.bodies.append(body)
            server.seen.times.append(time.monotonic())
            server.seen.now += 1
            server.seen.most = max(server.seen.most, server.seen.now)
            too_many = behaviour.most_at_once is not None and server.seen.now > behaviour.most_at_once
            fault = "429" if too_many else server.fault()
            server.seen.faults[fault] += 1
        try:
            if behaviour.seconds and not too_many:
                time.sleep(behaviour.seconds)
            self._answer(body, fault)
        finally:
            with server.lock:
                server.seen.now -= 1

    def _answer(self, body: dict[str, Any], fault: str) -> None:
        behaviour = self.server.behaviour
        for name in body:
            if name in behaviour.refused:
                said = f"Unsupported parameter: '{name}' is not supported with this model."
                self._json(400, {"error": {"message": said, "param": name, "code": "unsupported_parameter"}})
                return
        n = body.get("n", 1)
        if n > behaviour.most_n and not behaviour.silently:
            self._error(400, f"Field 'n': Value must be between 1 <= value <= {behaviour.most_n}, but got {n}")
        elif fault == "429":
            self._error(429, "slow down")
        elif fault == "429 with Retry-After":
            self._error(429, "slow down", {"retry-after-ms": str(self.server.behaviour.retry_after_ms)})
        elif fault == "429 with a date":
            self._error(429, "slow down", {"Retry-After": email.utils.formatdate(time.time(), usegmt=True)})
        elif fault == "429 for an hour":
            self._error(429, "come back tomorrow", {"Retry-After": "3600"})
        elif fault == "no credit":
            self._error(429, "You exceeded your current quota", code="insufficient_quota")
        elif fault.isdigit():
            self._error(int(fault), f"a fault, {fault}")
        elif fault == "wrong content type":
            self._send(200, b"<html>a proxy's page</html>", "text/html")
        elif fault == "invalid JSON":
            self._send(200, b'{"choices": [{"mess', "application/json")
        elif fault == "no choices":
            self._json(200, {"id": "x", "choices": [], "usage": {}})
        else:
            if fault == "slow first byte":
                time.sleep(behaviour.slow_seconds)
            self._choices(body, fault, min(n, behaviour.most_n))

    def _choices(self, body: dict[str, Any], fault: str, n: int) -> None:
        behaviour = self.server.behaviour
        chat = "messages" in body
        prompt = named(body)
        if fault == "fewer choices":
            n = max(1, n - 1)
        seed = body.get("seed", 0)
        choices: list[dict[str, Any]] = []
        for index in range(n):
            text: str | None = f"{prompt} {seed + index}: {behaviour.delta}"
            reason, more = "stop", {}
            if fault == "empty":
                text = ""
            elif fault == "null":
                text = None
            elif fault == "refusal":
                text, more = None, {"refusal": "I cannot help with that."}
            elif fault == "length":
                reason = "length"
            content = {"message": {"role": "assistant", "content": text, **more}} if chat else {"text": text}
            choices.append({"index": index, "finish_reason": reason, **content})
        counted = 10 if behaviour.counts_one else 10 * n
        answer: dict[str, Any] = {"id": "x", "model": "tiny-2026", "choices": choices}
        if behaviour.usage:
            answer["usage"] = {"prompt_tokens": 100, "completion_tokens": counted}
        data = json.dumps(answer).encode()
        if fault == "cut":
            self.close_connection = True
            self._head(200, "application/json", len(data))
            self.wfile.write(data[: len(data) // 2])
            return
        with self.server.lock:
            self.server.seen.answered.update((prompt, seed + index) for index in range(n))
        self._send(200, data, "application/json")

    def _wrong_key(self) -> bool:
        key = self.server.behaviour.key
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if key is None or given == key:
            return False
        self._error(401, f"Incorrect API key provided: {given}")
        return True

    def _error(self, status: int, message: str, headers: Mapping[str, str] | None = None, code: Any = None) -> None:
        self._json(status, {"error": {"message": message, "code": code}}, headers)

    def _json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), "application/json", headers)

    def _send(self, status: int, data: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self._head(status, kind, len(data), headers)
        self.wfile.write(data)

    def _head(self, status: int, kind: str, size: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
