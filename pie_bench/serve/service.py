"""The judge server without HTTP: a bounded queue, judges, a reply cache by content, and Prometheus metrics."""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pie_bench.data.load import PairDataset, load_dataset
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError, unknown_name
from pie_bench.execution.judge import Judge, Judgement, PairWithTests
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.hashing import canonical_json, hash_of, sha256
from pie_bench.latest import Latest
from pie_bench.serve.protocol import Job, plain_text

LONGEST_WAIT_SECONDS = 60  # the longest Retry-After


class BusyError(Exception):
    """The queue is full; `retry_after` is how many seconds to wait."""

    def __init__(self, retry_after: int):
        super().__init__(f"the queue is full; retry in {retry_after} s")
        self.retry_after = retry_after


@dataclass
class Ticket:
    """An accepted job: `future` resolves to the reply, as by `reply_of`. `waiting` counts the requests that want it."""

    future: Future[bytes]
    waiting: int = 0


@dataclass
class Metrics:
    """A server's metrics, in their own registry."""

    registry: Any = field(init=False)

    def __post_init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        of = {"registry": self.registry}
        self.requests = Counter("pie_bench_requests", "HTTP requests", ["path", "status"], **of)
        self.verdicts = Counter("pie_bench_verdicts", "programs judged, by outcome", ["outcome"], **of)
        self.shared = Counter("pie_bench_cache_hits", "programs whose verdict was cached or in progress", **of)
        self.seconds = Histogram(
            "pie_bench_verdict_seconds",
            "wall time to judge a program",
            buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200),
            **of,
        )
        self.unfinished = Gauge("pie_bench_unfinished", "programs waiting or being judged", **of)
        self.capacity = Gauge("pie_bench_capacity", "the most of them", **of)
        self.workers = Gauge("pie_bench_workers", "programs judged in parallel", **of)

    def text(self) -> bytes:
        """The metrics in Prometheus' format."""
        from prometheus_client import generate_latest

        return bytes(generate_latest(self.registry))


class Service:
    """Judges programs in the environments and on the datasets it was opened with; the first of each is the default.

    `queue`: how many programs may wait for a worker. `cache_bytes`: size of the reply cache, keyed by request content.
    Raises UserError when an environment or dataset is unavailable.
    """

    def __init__(
        self,
        environments: Sequence[str] = (DEFAULT_ENVIRONMENT,),
        datasets: Sequence[str] = ("mini",),
        *,
        split: str = "test",
        sandbox: str | Sandbox | None = None,
        unsafe: bool = False,
        workers: int | None = None,
        queue: int = 256,
        cache_bytes: int = 64 << 20,
    ):
        self.workers = workers or len(os.sched_getaffinity(0))
        self.datasets: dict[str, PairDataset] = {name: load_dataset(name, split) for name in datasets}
        self.judges = {name: Judge(name, sandbox=sandbox, unsafe=unsafe) for name in environments}
        self.environment_ids = {name: judge.environment_id for name, judge in self.judges.items()}
        self.capacity = queue + self.workers
        self.metrics = Metrics()
        self.metrics.capacity.set(self.capacity)
        self.metrics.workers.set(self.workers)
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="pie-bench")
        self._lock = threading.RLock()  # a finished future calls back at once
        self._making: dict[str, Ticket] = {}
        self._kept = Latest[str, bytes](cache_bytes, len)
        self._mean_seconds = 1.0

    def check(self, job: Job) -> None:
        """Raises UserError for an environment, dataset or pair that is not offered."""
        _chosen("environment", job.environment, self.judges)
        if job.pair is not None:
            _chosen("dataset", job.dataset, self.datasets).pair(job.pair)

    def submit(self, jobs: Sequence[Job]) -> list[Ticket]:
        """Accepts jobs, all or none. Raises BusyError if the queue has no room for those that are not cached.

        Callers pass a ticket they no longer want to `give_up`.
        """
        keys = [self._key(job) for job in jobs]
        with self._lock:
            new = {key: job for key, job in zip(keys, jobs, strict=True) if key not in self._kept}
            new = {key: job for key, job in new.items() if key not in self._making}
            if len(self._making) + len(new) > self.capacity:
                raise BusyError(self._wait_seconds(len(self._making)))
            tickets = []
            for key in keys:
                known = self._kept.get(key)
                if known is not None:
                    ticket = Ticket(Future())
                    ticket.future.set_result(known)
                elif key in self._making:
                    ticket = self._making[key]
                else:
                    ticket = self._making[key] = Ticket(self._threads.submit(self._reply, new[key]))
                    ticket.future.add_done_callback(functools.partial(self._done, key))
                ticket.waiting += 1
                tickets.append(ticket)
            self.metrics.shared.inc(len(jobs) - len(new))
            self.metrics.unfinished.set(len(self._making))
            return tickets

    def give_up(self, ticket: Ticket) -> None:
        """Withdraws interest in a result. A job that nobody waits for is not judged, unless it has begun."""
        with self._lock:
            ticket.waiting -= 1
            if ticket.waiting == 0:
                ticket.future.cancel()

    def close(self) -> None:
        """Cancels whatever has not begun, and closes the environments."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for judge in self.judges.values():
            judge.close()

    def _done(self, key: str, future: Future[bytes]) -> None:
        with self._lock:
            self._making.pop(key, None)
            self.metrics.unfinished.set(len(self._making))
            if not future.cancelled() and future.exception() is None and b'"infra_error"' not in future.result():
                self._kept.put(key, future.result())

    def _key(self, job: Job) -> str:
        """The hash of all that decides a reply."""
        environment = job.environment or next(iter(self.judges))
        about = job.model_dump(mode="json", exclude={"environment", "program", "tests"})
        if job.pair is not None:
            about["dataset"] = job.dataset or next(iter(self.datasets))
        tests = [
            [test.id, test.encoding, sha256(test.input.encode()), sha256(test.output.encode())]
            for test in job.tests or ()
        ]
        return hash_of([self.environment_ids[environment], sha256(job.program.encode()), about, tests])

    def _wait_seconds(self, unfinished: int) -> int:
        return max(1, min(LONGEST_WAIT_SECONDS, math.ceil(self._mean_seconds * unfinished / self.workers)))

    def _reply(self, job: Job) -> bytes:
        started = time.monotonic()
        judge = _chosen("environment", job.environment, self.judges)
        pair = self._pair(job)
        finding = None
        if job.guards:
            verdict, finding = judge.guarded(job.program, pair)
        else:
            verdict = judge(job.program, pair, measured=job.measured)
        seconds = time.monotonic() - started
        self.metrics.verdicts.labels(verdict.outcome).inc()
        self.metrics.seconds.observe(seconds)
        with self._lock:
            self._mean_seconds += 0.1 * (seconds - self._mean_seconds)
        return reply_of(verdict, finding and finding.to_json())

    def _pair(self, job: Job) -> PairWithTests:
        if job.pair is None:
            return job.own_pair()
        dataset = _chosen("dataset", job.dataset, self.datasets)
        pair = dataset.pair(job.pair)
        return PairWithTests(pair, dataset.tests(pair))


def reply_of(verdict: Judgement, guards: Any = None) -> bytes:
    """The reply's bytes: always the same for the same verdict."""
    reply = {"verdict": verdict.to_json(), "speedup": verdict.speedup, "guards": guards}
    return plain_text(canonical_json(reply)).encode()


def _chosen(kind: str, name: str | None, offered: dict[str, Any]) -> Any:
    if name is None:
        return next(iter(offered.values()))
    if name not in offered:
        raise UserError(f"{unknown_name(kind, name, offered)} (what this server was started with)")
    return offered[name]
