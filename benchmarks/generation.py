"""The overhead of the OpenAI adapter over a bare loop around the same client, on the same server, in one run.

usage: python benchmarks/generation.py [--requests 2000] [--completions 10000] [--answer-seconds 0.05]

1. Throughput: the same requests alternately through a bare asyncio loop around the official client (a semaphore,
nothing else) and through the adapter; the ratio of the times is the overhead. 2. Memory: resident memory while 10 000
completions go through generation as in `pie-bench generate`, including records on disk and in the shared store.

The server runs in a separate process and takes a fixed time per answer, like a model; it does no work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pie_bench.models.budget import Budget
from pie_bench.models.model import Request
from pie_bench.models.openai import OpenAIEntry, OpenAIModel
from pie_bench.prompting.prompt import Message, Prompt
from pie_bench.run.manifest import Manifest, Settings
from pie_bench.run.run import Run
from pie_bench.stages.generate import PendingAnswers
from pie_bench.store import GenerationStore
from pie_bench.task import Sampling

CONCURRENCY = 32
PROGRAM = '#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d\\n", n * (n + 1) / 2); }\n' * 8
SAMPLING = Sampling(n=1, temperature=0.7, top_p=1.0, max_tokens=1024, seed=0)


def serve(pipe: Connection, answer_seconds: float) -> None:
    """A server that answers every request with the same program after `answer_seconds`, on asyncio streams."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": PROGRAM}}
    usage = {"prompt_tokens": 400, "completion_tokens": 300, "total_tokens": 700}
    body = json.dumps(
        {"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
    ).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = next(line for line in asked.split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.split(b":")[1]))
                await asyncio.sleep(answer_seconds)
                writer.write(head + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def forever() -> None:
        server = await asyncio.start_server(client, "127.0.0.1", 0, backlog=512)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


def requests(count: int) -> Iterator[Request]:
    for number in range(count):
        prompt = Prompt("", (Message("user", f"{number}\n{PROGRAM}"),))
        yield Request(f"p{number}-q", prompt, SAMPLING, 0, (0,))


def model(url: str) -> OpenAIModel:
    fields: dict[str, Any] = {"check_model": False, "concurrency": CONCURRENCY, "price_in": 1.0, "price_out": 2.0}
    entry = OpenAIEntry(adapter="openai", id="m", base_url=url, weights_label="none", **fields)
    return OpenAIModel("openai:m", entry, Budget())


def bare(url: str, count: int) -> tuple[float, float]:
    """Wall and CPU seconds for the requests through the bare client."""
    from openai import AsyncOpenAI

    async def loop() -> tuple[float, float]:
        gate = asyncio.Semaphore(CONCURRENCY)
        texts = []
        async with AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:

            async def one(request: Request) -> None:
                async with gate:
                    answer = await client.chat.completions.create(
                        model="m",
                        messages=[{"role": "user", "content": request.prompt.messages[0].content}],
                        temperature=0.7,
                        top_p=1.0,
                        max_tokens=1024,
                        seed=0,
                    )
                    texts.append(answer.choices[0].message.content)

            started, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(one(request) for request in requests(count)))
            seconds = time.perf_counter() - started, time.process_time() - cpu
        assert len(texts) == count
        return seconds

    return asyncio.run(loop())


def adapter(url: str, count: int) -> tuple[float, float]:
    """Wall and CPU seconds for the requests through the adapter."""
    asked = model(url)
    started, cpu = time.perf_counter(), time.process_time()
    found = sum(1 for _ in asked.generate(requests(count)))
    seconds = time.perf_counter() - started, time.process_time() - cpu
    assert found == count
    return seconds


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def memory(url: str, count: int) -> list[float]:
    """Resident megabytes after each tenth of the completions."""
    with tempfile.TemporaryDirectory() as name:
        directory = Run(Path(name))
        settings = Settings(task="t", model="m")
        directory.write_manifest(Manifest(settings=settings, identity={}))
        asked = list(requests(count))
        store = GenerationStore(Path(name) / "generations.sqlite")
        facts = {"model_resolved": "m", "examples": {}}
        pending = PendingAnswers(directory, asked, model(url), facts, shared=store)
        seen = [resident_mb()]
        for number, _ in enumerate(pending.arriving(), start=1):
            if number % (count // 10) == 0:
                seen.append(resident_mb())
        store.close()
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--completions", type=int, default=10_000)
    parser.add_argument("--answer-seconds", type=float, default=0.25)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(theirs, arguments.answer_seconds), daemon=True
    )
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}/v1"
    try:
        adapter(url, 200), bare(url, 200)  # imports and caches
        rounds = [(bare(url, arguments.requests), adapter(url, arguments.requests)) for _ in range(arguments.rounds)]
        print(f"{arguments.requests} requests, {CONCURRENCY} at once, {arguments.answer_seconds:g} s an answer")
        for name, seconds in (("bare client", [b for b, _ in rounds]), ("adapter", [a for _, a in rounds])):
            wall, cpu = (min(column) for column in zip(*seconds, strict=True))
            each = 1000 * cpu / arguments.requests
            print(f"  {name:<12} {wall:6.2f} s, {arguments.requests / wall:4.0f} a second, {each:.2f} ms CPU each")
        for index, what in enumerate(("time", "CPU")):
            ratio = statistics.median(a[index] / b[index] for b, a in rounds)
            print(f"  overhead     {100 * (ratio - 1):+.1f} % {what} (median of the rounds)")
        seen = memory(url, arguments.completions)
        print(f"resident memory over {arguments.completions} completions: {', '.join(f'{mb:.0f}' for mb in seen)} MB")
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
