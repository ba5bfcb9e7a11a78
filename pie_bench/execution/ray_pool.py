"""Workers on the nodes of a Ray cluster: `--pool ray` (docs/scale.md).

Each worker is an actor on one CPU that opens the function to call once. The driver gives each worker one call at a time
and repeats the call if the worker or its node dies; nodes that would judge differently are refused. Workers store their
measurements in the driver's store, through an actor on the driver's node.
"""

from __future__ import annotations

import functools
import importlib
import io
import json
import pickle
import sys
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from pie_bench.errors import PieBenchError, UserError
from pie_bench.execution.known import judging_sha256
from pie_bench.execution.pool import JOBS_PER_WORKER, as_they_finish
from pie_bench.plain import plain
from pie_bench.store import MeasurementStore, Table

T = TypeVar("T")
R = TypeVar("R")

_ATTEMPTS = 3  # for a call whose worker dies, and for a node's workers to start
_LOOK_SECONDS = 5.0  # between checks for new and lost nodes
_PATIENCE_SECONDS = 600.0  # how long to wait without any node
_SLOW_START_SECONDS = 60.0  # without a worker: warn
_KEPT_EVERY_SECONDS = 1.0  # the most measuring that is lost with a worker
_STORE = "measurement store"


class RayPool:
    """Workers on all nodes of a cluster. This machine must be one of its nodes.

    `address` is the cluster's (`HOST:PORT`; default: RAY_ADDRESS, else the cluster on this machine); `workers` is the
    maximum (default: one per CPU of the cluster, as nodes come and go). UserError if Ray is not installed or there is
    no cluster.
    """

    def __init__(self, address: str | None = None, workers: int | None = None):
        self._ray = connected(address)
        self.workers = workers
        self._cpu_seconds = 0.0

    def map_unordered(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        *,
        lost: Callable[[T, str], R] | None = None,
        in_flight: int | None = None,
    ) -> Iterator[R]:
        most = self.workers or sum(map(_cpus, _nodes(self._ray)))
        cluster = _Cluster(self._ray, function, lost, self.workers, self._used)
        try:
            yield from as_they_finish(cluster.submit, items, in_flight or JOBS_PER_WORKER * most)
        finally:
            cluster.close()

    def cpu_seconds(self) -> float:
        """Without the CPU time of workers that died."""
        return self._cpu_seconds

    def _used(self, seconds: float) -> None:
        self._cpu_seconds += seconds


def installed_version() -> str:
    """The version of the imported pie_bench, which may differ from the one pip installed."""
    version: str = importlib.import_module("pie_bench").__version__
    return version


def connected(address: str | None) -> Any:
    """The module `ray`, connected to the cluster."""
    try:
        import ray
    except ImportError:
        raise UserError("--pool ray: Ray is not installed; pip install 'pie_bench[ray]'") from None
    if address is not None and "://" in address:
        raise UserError(f"--ray-address {address}: Ray's client is not enough; run this on a node of the cluster")
    if not ray.is_initialized():
        try:
            ray.init(address=address or "auto", log_to_driver=False, logging_level="ERROR", configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = f"{address} cannot be reached" if address else "no cluster runs on this machine"
            said = plain(str(error).strip().partition("\n")[0])
            raise UserError(
                f"--pool ray: {where} ({said}); start it with ray start --head, join with ray start --address=…"
            ) from None
    return ray


def examine(address: str | None, function: Callable[[Any], Any]) -> Iterator[tuple[str, str | None, int]]:
    """Yields each node's name, why it cannot be used (None if it can), and its number of CPUs."""
    ray = connected(address)
    asked = []
    store = _Store(ray)
    try:
        sent = store.sent(function)
        for node in _nodes(ray):
            actor = _started(ray, node["NodeID"], cpus=0)
            asked.append((node, actor, actor.open.remote(installed_version(), judging_sha256(), sent)))
        for node, _, answer in asked:
            try:
                why = ray.get(answer, timeout=_PATIENCE_SECONDS)
            except ray.exceptions.GetTimeoutError:
                why = f"no answer in {_PATIENCE_SECONDS:.0f} s"
            except ray.exceptions.RayError as error:
                why = _line(error)
            yield _name(node), why, _cpus(node)
    finally:
        for _, actor, _ in asked:
            ray.kill(actor)
        store.close()


@dataclass
class _Node:
    """A node of the cluster. `failed_starts`: how many workers in a row died before they could be used."""

    node_id: str
    name: str
    cpus: int
    workers: list[_Worker] = field(default_factory=list)
    refused: str | None = None
    failed_starts: int = 0


@dataclass(eq=False)
class _Worker:
    node: _Node
    actor: Any
    call: _Call | None = None


@dataclass(eq=False)
class _Call:
    item: Any
    future: Future[Any]
    attempts: int = 0
    ended: list[str] = field(default_factory=list)


class _Cluster:
    """The nodes and workers of one `map_unordered`. A single thread makes all decisions; everything else reaches it as
    an event."""

    def __init__(
        self,
        ray: Any,
        function: Callable[[Any], Any],
        lost: Callable[[Any, str], Any] | None,
        workers: int | None,
        used: Callable[[float], None],
    ):
        self._ray, self._lost, self._most, self._used = ray, lost, workers, used
        self._store = _Store(ray)
        self._sent = ray.put(self._store.sent(function))
        self._facts = installed_version(), judging_sha256()
        self._nodes: dict[str, _Node] = {}
        self._idle: list[_Worker] = []
        self._waiting: deque[_Call] = deque()
        self._running: set[_Call] = set()
        self._error: BaseException | None = None
        self._worked = self._began = time.monotonic()
        self._warned = False
        self._events: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._decide, name="pie-bench-ray", daemon=True)
        self._thread.start()

    def submit(self, item: Any) -> Future[Any]:
        call = _Call(item, Future())
        self._events.put(partial(self._waiting.append, call))
        return call.future

    def close(self) -> None:
        """Kills all workers and what they run."""
        self._events.put(None)
        self._thread.join(timeout=_LOOK_SECONDS * 6)

    def _decide(self) -> None:
        looked = -_LOOK_SECONDS
        try:
            while True:
                try:
                    if time.monotonic() - looked >= _LOOK_SECONDS and self._error is None:
                        looked = time.monotonic()
                        self._look()
                    event = self._events.get(timeout=_LOOK_SECONDS)
                    if event is None:
                        break
                    event()
                    if self._error is None:
                        self._hand_out()
                except Empty:
                    continue
                except BaseException as error:
                    self._error = error
                if self._error is not None:
                    self._fail_all(self._error)
        finally:
            for node in self._nodes.values():
                self._end(node)
            self._store.close()

    def _look(self) -> None:
        """Finds new and lost nodes, and starts workers on the new ones."""
        alive = {node["NodeID"]: node for node in _nodes(self._ray) if _cpus(node)}
        for node_id, found in alive.items():
            if node_id not in self._nodes:
                self._nodes[node_id] = _Node(node_id, _name(found), _cpus(found))
        for node_id in self._nodes.keys() - alive.keys():
            if not self._nodes[node_id].workers:  # else their calls say so first
                del self._nodes[node_id]
        self._start_workers([node for node in self._nodes.values() if node.refused is None and node.node_id in alive])
        now = time.monotonic()
        if any(node.refused is None for node in self._nodes.values()):
            if not self._warned and self._worked == self._began and now - self._began > _SLOW_START_SECONDS:
                self._warned = True
                _warn("no worker has started yet: are all CPUs of the cluster taken? (ray status)")
        elif self._nodes:
            why = "; ".join(f"{node.name}: {node.refused}" for node in self._nodes.values())
            raise UserError(f"--pool ray: no node of the cluster can be used: {why}")
        elif now - self._worked > _PATIENCE_SECONDS:
            raise PieBenchError("--pool ray: the cluster has no node with a CPU any more; the same command goes on")

    def _start_workers(self, nodes: Sequence[_Node]) -> None:
        """Starts one worker per CPU, or as many as requested, spread evenly over the nodes."""
        free = [(number, node) for node in nodes for number in range(len(node.workers), node.cpus)]
        free.sort(key=lambda place: place[0])
        room = None if self._most is None else max(0, self._most - sum(len(node.workers) for node in nodes))
        for _, node in free[:room]:
            worker = _Worker(node, _started(self._ray, node.node_id, cpus=1))
            node.workers.append(worker)
            opened = worker.actor.open.remote(*self._facts, self._sent)
            self._then(opened, partial(self._opened, worker))

    def _then(self, answer: Any, event: Callable[[Future[Any]], None]) -> None:
        answer.future().add_done_callback(lambda future: self._events.put(partial(event, future)))

    def _opened(self, worker: _Worker, opened: Future[Any]) -> None:
        node = worker.node
        if worker not in node.workers or self._error is not None:
            return
        error = opened.exception()
        why = None if error is not None else opened.result()
        if error is not None:
            self._drop(worker)
            node.failed_starts += 1
            if node.failed_starts >= _ATTEMPTS:
                why = f"its workers die as they start ({_line(error)})"
        if why is not None:
            node.refused = why
            _warn(f"node {node.name} is left out: {why}")
            self._end(node)
        elif error is None:
            node.failed_starts = 0
            self._worked = time.monotonic()
            self._idle.append(worker)
            return
        self._look()

    def _hand_out(self) -> None:
        while self._idle and self._waiting:
            worker, call = self._idle.pop(), self._waiting.popleft()
            try:
                answer = worker.actor.call.remote(call.item)
            except Exception as error:  # the item cannot be sent
                call.future.set_exception(error)
                self._idle.append(worker)
                continue
            worker.call = call
            self._running.add(call)
            self._then(answer, partial(self._ended, worker, call))

    def _ended(self, worker: _Worker, call: _Call, answer: Future[Any]) -> None:
        if worker.call is not call or self._error is not None:  # its node, or everything, was given up meanwhile
            return
        worker.call = None
        self._running.discard(call)
        self._worked = time.monotonic()
        error = answer.exception()
        if error is None or isinstance(error, self._ray.exceptions.RayTaskError):
            self._idle.append(worker)
            if error is None:
                result, seconds = answer.result()
                self._used(seconds)
                call.future.set_result(result)
            else:
                call.future.set_exception(getattr(error, "cause", None) or error)
            return
        self._drop(worker)
        if worker.node.node_id in {node["NodeID"] for node in _nodes(self._ray)}:  # it is not the node that is gone
            call.attempts += 1
        call.ended.append(f"{worker.node.name}: {_line(error)}")
        if call.attempts < _ATTEMPTS:
            self._waiting.appendleft(call)
        else:
            why = f"its worker died {call.attempts} times ({'; '.join(call.ended)})"
            if self._lost is None:
                call.future.set_exception(PieBenchError(f"--pool ray: {why}"))
            else:
                call.future.set_result(self._lost(call.item, why))
        self._look()

    def _drop(self, worker: _Worker) -> None:
        self._ray.kill(worker.actor)
        worker.node.workers.remove(worker)

    def _end(self, node: _Node) -> None:
        """Kills a node's workers; their calls wait again."""
        for worker in [*node.workers]:
            if worker.call is not None:
                self._running.discard(worker.call)
                self._waiting.appendleft(worker.call)
                worker.call = None
            if worker in self._idle:
                self._idle.remove(worker)
            self._drop(worker)

    def _fail_all(self, error: BaseException) -> None:
        for call in (*self._waiting, *self._running):
            if not call.future.done():
                call.future.set_exception(error)
        self._waiting.clear()


class _Store:
    """The actor on the driver's node that stores what workers measure; started if the function has a store."""

    def __init__(self, ray: Any):
        self._ray = ray
        self._actor: Any = None

    def sent(self, function: Callable[[Any], Any]) -> tuple[bytes, Any]:
        """The pickled function, and the actor that replaces its measurement store."""
        ray, found = self._ray, list[MeasurementStore]()

        class Pickler(pickle.Pickler):
            def persistent_id(self, value: Any) -> str | None:
                if not isinstance(value, MeasurementStore):
                    return None
                found.append(value)
                return _STORE

        data = io.BytesIO()
        Pickler(data, protocol=pickle.HIGHEST_PROTOCOL).dump(function)
        if found:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
            self._actor = ray.remote(KeptStore).options(**options).remote(str(found[0].path))
        return data.getvalue(), self._actor

    def close(self) -> None:
        if self._actor is not None:
            try:
                for said in self._ray.get(self._actor.said.remote(), timeout=_KEPT_EVERY_SECONDS * 10):
                    _warn(said)
            except self._ray.exceptions.RayError:
                pass
            self._ray.kill(self._actor)


class KeptStore:
    """The driver's measurement store, inside its actor."""

    def __init__(self, path: str):
        from pathlib import Path

        self._store = MeasurementStore(Path(path))
        self._said: list[str] = []

    def find(self, table: Table, packed: bytes) -> bytes:
        return _packed(self._store.find(table, _unpacked(packed)))

    def keep(self, packed: bytes) -> None:
        """Stores rows; two workers that measured the same thing must agree."""
        given: dict[Table, list[tuple[str, ...]]] = _unpacked(packed)
        measured = given.get("measurement", [])
        known = self._store.find("measurement", [row[:-1] for row in measured])
        for (binary, data, *_, text), before in zip(measured, known, strict=True):
            if before is not None and before != text and json.loads(before) != json.loads(text):
                self._said.append(
                    f"program {binary[:12]}, input {data[:12]}: two workers measured it differently; one of the "
                    "machines is faulty: pie-bench doctor --ray"
                )
        for table, rows in given.items():
            self._store.keep(table, rows)

    def said(self) -> list[str]:
        return self._said


class StoreThere(MeasurementStore):
    """The driver's measurement store, for a worker, which sends new rows every so often and at the end of a call."""

    def __init__(self, actor: Any):
        import ray

        self._ray, self._actor = ray, actor
        self._kept: dict[Table, list[tuple[str, ...]]] = {}
        self._sent = time.monotonic()

    def find(self, table: Table, keys: Sequence[tuple[str, ...]]) -> list[str | None]:
        if table in self._kept:
            self.flush()
        found: list[str | None] = _unpacked(self._ray.get(self._actor.find.remote(table, _packed(keys))))
        return found

    def keep(self, table: Table, rows: Sequence[tuple[str, ...]]) -> None:
        self._kept.setdefault(table, []).extend(rows)
        if time.monotonic() - self._sent > _KEPT_EVERY_SECONDS:
            self._send()

    def flush(self) -> None:
        """What was found out is kept when this returns."""
        if self._kept:
            self._ray.get(self._send())

    def close(self) -> None:
        self.flush()

    def _send(self) -> Any:
        kept, self._kept, self._sent = self._kept, {}, time.monotonic()
        return self._actor.keep.remote(_packed(kept))


def _packed(value: Any) -> bytes:
    """Rows are long and alike; what is over 100 KB takes Ray's slow way."""
    return zlib.compress(pickle.dumps(value), 1)


def _unpacked(data: bytes) -> Any:
    return pickle.loads(zlib.decompress(data))


def received(sent: tuple[bytes, Any]) -> tuple[Callable[[Any], Any], Callable[[], None]]:
    """A function that was sent, opened here, and what is to be called after each call of it."""
    data, actor = sent
    store = StoreThere(actor) if actor is not None else None

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, given: Any) -> Any:
            return store

    function: Callable[[Any], Any] = Unpickler(io.BytesIO(data)).load()
    return function, store.flush if store is not None else lambda: None


def _started(ray: Any, node_id: str, cpus: int) -> Any:
    """A worker on a node."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    where = NodeAffinitySchedulingStrategy(node_id, soft=False)
    return _worker_class(ray).options(num_cpus=cpus, max_restarts=0, scheduling_strategy=where).remote()


@functools.cache  # Ray sends each class once, to wherever it is needed
def _worker_class(ray: Any) -> Any:
    # It is sent by value: a class in a function has no name that the node could import, or not have.
    class Worker:
        def open(self, version: str, code_sum: str, sent: tuple[bytes, Any]) -> str | None:
            """Opens the function to call; why that cannot be done here."""
            import importlib
            import sys

            try:
                there = importlib.import_module("pie_bench").__version__
            except ImportError:
                return f"pie_bench is not installed for {sys.executable}; pip install 'pie_bench[ray]=={version}' there"
            if there != version:
                return f"it has pie_bench {there}, not {version}; pip install 'pie_bench[ray]=={version}' there"
            try:
                from pie_bench.execution.known import judging_sha256
                from pie_bench.execution.ray_pool import received
                from pie_bench.plain import plain

                if judging_sha256() != code_sum:
                    return f"its pie_bench {version} has other code than here; install the same there"
                self._function, self._after = received(sent)
            except Exception as error:
                said = " ".join(plain(str(error)).split())
                return said if hasattr(error, "exit_code") else f"{type(error).__name__}: {said}"
            self._seconds = self._used()
            return None

        def call(self, item: Any) -> tuple[Any, float]:
            """The function's result, and the CPU time of the processes it started."""
            result = self._function(item)
            self._after()
            before, self._seconds = self._seconds, self._used()
            return result, self._seconds - before

        def _used(self) -> float:
            from pie_bench.execution.pool import cpu_seconds_of_children

            return cpu_seconds_of_children()

    return ray.remote(Worker)


def _nodes(ray: Any) -> list[dict[str, Any]]:
    """Nodes that are alive, by name."""
    return sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: (_name(node), node["NodeID"]))


def _cpus(node: dict[str, Any]) -> int:
    return int(node["Resources"].get("CPU", 0))


def _name(node: dict[str, Any]) -> str:
    given, address = node.get("NodeName"), node["NodeManagerAddress"]
    name = given if given and given != address else node["NodeManagerHostname"]
    return f"{plain(str(name))} ({address})"


def _line(error: BaseException) -> str:
    """The first words of one of Ray's messages, which go over several lines."""
    return f"{type(error).__name__}: {plain(' '.join(str(error).split()))[:160]}"


def _warn(what: str) -> None:
    print(f"pie-bench: warning: {what}", file=sys.stderr)
