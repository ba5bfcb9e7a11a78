"""What the Ray pool costs, on a cluster of two nodes that this starts here.

usage: python -m benchmarks.ray_pool overhead [--pairs N] [--workers N ...]
       python -m benchmarks.ray_pool driver [--jobs N] [--tests N]
       python -m benchmarks.ray_pool faults [--pairs N]

`overhead` judges the programs of mini's first pairs in threads of this process and on the cluster, each with an empty
cache folder, compares the verdicts, and says the CPU seconds of the programs, of whatever judged them (this process and
the workers), and of starting the workers. `driver` has the cluster do nothing at all, to see what a verdict costs the
driver's process and the measurement store's, and how many verdicts a second they can take. `faults` runs a benchmark
on the cluster, kills a worker, a node and the driver meanwhile, gives the same command again, and compares the results
with those of this machine alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pie_bench import load_dataset
from pie_bench.data.pair import TestCase
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.execution.executor import Job, open_executor
from pie_bench.execution.pool import LocalPool, Pool
from pie_bench.execution.ray_pool import RayPool
from pie_bench.hashing import sha256
from pie_bench.paths import roots_dir
from pie_bench.run.measurement import Measurement
from pie_bench.run.verdict import Candidate, Role, TestResult, Verdict
from pie_bench.store import MeasurementStore

TICKS = os.sysconf("SC_CLK_TCK")
NODES = 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("overhead", "driver", "faults"))
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--tests", type=int, default=100)
    options = parser.parse_args()
    os.environ.setdefault("PIE_BENCH_ROOTS", str(roots_dir()))
    with cluster() as found:
        if options.what == "overhead":
            return overhead(found.address, options.pairs, options.workers)
        if options.what == "faults":
            return faults(found, options.pairs)
        driver(found.address, options.jobs, options.tests)
        return 0


@contextmanager
def cluster() -> Iterator[Any]:
    """A cluster of two nodes of one CPU each on this machine."""
    import ray
    from ray.cluster_utils import Cluster

    folder = Path(tempfile.mkdtemp(prefix="pb-ray-", dir="/tmp"))  # sockets need a short path
    os.environ |= {
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_agent_register_timeout_ms": "300000",
        "RAY_raylet_start_wait_time_s": "300",
    }
    found = Cluster(initialize_head=False)
    try:
        for name in ("one", "two"):
            add_node(found, name)
        yield found
    finally:
        ray.shutdown()
        found.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def add_node(cluster: Any, name: str, **options: Any) -> Any:
    """One more node of one CPU; what Ray raises where the machine is too busy to start one, three times.

    With its ports given it need not wait for its agents to choose them, which they are slow to do on a busy machine.
    """
    ports = {"dashboard_agent_listen_port": 0, "metrics_export_port": 0, "metrics_agent_port": 0}
    ports["runtime_env_agent_port"] = 0
    with ExitStack() as stack:
        for each in ports:
            listening = stack.enter_context(socket.socket())
            listening.bind(("", 0))
            ports[each] = listening.getsockname()[1]
    options = {"num_cpus": 1, "node_name": name, "object_store_memory": 80 << 20, **ports, **options}
    for _ in range(2):
        with suppress(Exception):
            return cluster.add_node(**options)
    return cluster.add_node(**options)


def overhead(address: str, pairs: int, workers: list[int]) -> int:
    dataset = load_dataset("mini", "test")
    roles: tuple[Role, Role] = ("source", "target")
    jobs = [
        Job(Candidate(pair.pair_id, role, 0, code, problem_id=pair.problem_id), dataset.tests(pair))
        for pair in dataset.pairs[:pairs]
        for role, code in zip(roles, (pair.src_code, pair.tgt_code), strict=True)
    ]
    print(f"{len(jobs)} programs, {sum(len(job.read_tests()) for job in jobs)} tests; CPU seconds, load {load()}")
    print(f"{'pool':8}{'workers':>8}{'programs':>10}{'judging':>9}{'both':>9}{'started in':>12}{'judged in':>11}")
    found = []
    for number in workers:
        both = {}
        for name, pool in (("local", LocalPool(number)), ("ray", RayPool(address, number))):
            with tempfile.TemporaryDirectory() as folder:
                verdicts, programs, judging, times = judged(pool, jobs, Path(folder))
            found.append(verdicts)
            both[name] = programs + judging
            wall = f"{times[0]:10.1f} s{times[1]:9.1f} s"
            print(f"{name:8}{number:8}{programs:10.2f}{judging:9.2f}{programs + judging:9.2f}{wall}", flush=True)
        print(f"{'ray against local':41}{both['ray'] / both['local'] - 1:+.1%}")
    same = all(each == found[0] for each in found)
    print(f"verdicts: {'all the same' if same else 'DIFFERENT'}; load {load()}")
    return 0 if same else 1


def judged(pool: Pool, jobs: list[Job], cache: Path) -> tuple[list[Verdict], float, float, tuple[float, float]]:
    """Verdicts; CPU seconds of programs, and of this process and the workers; until the first call, and after it."""
    executor = open_executor(DEFAULT_ENVIRONMENT, cache)
    warm = Job(Candidate("", "source", 0, "int main() {}"), (TestCase("0", b"", b""),), measured=False)
    count = getattr(pool, "workers", 1)
    began = time.monotonic()
    started, before, own = 0.0, 0.0, 0.0
    verdicts = []

    def items() -> Iterator[Job]:
        nonlocal started, before, own
        yield from [replace(warm, candidate=replace(warm.candidate, sample_index=n)) for n in range(count)]
        ready.wait()
        started, before, own = time.monotonic(), pool.cpu_seconds(), time.process_time() + of_processes("ray::Worker")
        yield from jobs

    ready, warmed = threading.Event(), 0
    results = pool.map_unordered(executor, items(), in_flight=len(jobs) + count)
    for verdict in results:
        if verdict.pair_id == "":
            warmed += 1
            if warmed == count:
                ready.set()
            continue
        verdicts.append(verdict)
        if len(verdicts) == len(jobs):  # before the workers end
            own = time.process_time() + of_processes("ray::Worker") - own
            ended = time.monotonic()
    verdicts.sort(key=lambda verdict: verdict.key)
    executor.close()
    return verdicts, pool.cpu_seconds() - before, own, (started - began, ended - started)


def faults(found: Any, pairs: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        there, here = Path(folder) / "there", Path(folder) / "here"
        command = [sys.executable, "-m", "pie_bench.cli", "run", "--task", "pie_instruct", "--model", "reference"]
        command += ["--dataset", "mini", "--limit", str(pairs), "--samples", "2", "--run-dir"]
        on_ray = [*command, str(there), "--pool", "ray", "--ray-address", found.address]
        apart = os.environ | {"PIE_BENCH_CACHE": str(Path(folder) / "cache")}
        began = time.monotonic()

        def say(what: str) -> None:
            print(f"{time.monotonic() - began:6.0f} s  {verdicts(there)} verdicts  {what}", flush=True)

        with subprocess.Popen(on_ray, env=apart, stdout=subprocess.DEVNULL) as driver:
            until(lambda: verdicts(there) >= 1)
            os.kill(processes("ray::Worker")[0], signal.SIGKILL)
            say("kill -9 of a worker")
            until(lambda: verdicts(there) >= 2)
            found.remove_node(found.list_all_nodes()[-1], allow_graceful=False)
            say("kill -9 of node two")
            until(lambda: verdicts(there) >= 4)
            driver.kill()
            say("kill -9 of the driver")
        until(lambda: not processes("ray::Worker"))
        say("no worker is left; the same command again")
        subprocess.run(on_ray, env=apart, check=True, stdout=subprocess.DEVNULL)
        say("the run is finished")
        subprocess.run([*command, str(here)], check=True, stdout=subprocess.DEVNULL)
        sums = [sha256((run / "results.json").read_bytes()) for run in (there, here)]
        print(f"results.json: {sums[0]} on the cluster, {sums[1]} here; load {load()}")
        return 0 if sums[0] == sums[1] else 1


def verdicts(run: Path) -> int:
    try:
        return (run / "verdicts.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


def until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.1)


@dataclass(frozen=True)
class Echo:
    """Judges nothing, but takes and gives what judging does; with a store, asks it what an executor asks."""

    verdict: Verdict
    store: MeasurementStore | None

    def __call__(self, job: Job) -> Verdict:
        candidate = job.candidate
        if self.store is not None:
            key = sha256((candidate.code or "").encode())
            self.store.get_verdict(key)
            inputs = [sha256(test.input) for test in job.read_tests()]
            self.store.get(key, inputs, key)
            for each in inputs:
                self.store.put(Measurement(key, each, key, "ok", 0, each, COUNTERS, COUNTERS))
            self.store.put_verdict(key, self.verdict)
        return replace(self.verdict, pair_id=candidate.pair_id, sample_index=candidate.sample_index)


COUNTERS = dict.fromkeys((f"counter{n}" for n in range(12)), 123_456_789)


def driver(address: str, count: int, tests: int) -> None:
    from benchmarks import ray_pool as importable  # workers do not have this as __main__

    cases = tuple(TestCase(str(n), b"12345 " * 40 + str(n).encode(), b"67890\n" * 20) for n in range(tests))
    result = TestResult("0", "ok", 0.001, 0.0001, 1_000_000)
    results = tuple(replace(result, test_id=str(n)) for n in range(tests))
    verdict = Verdict("p", "candidate", 0, "e" * 64, "ok", tests=results, counters=COUNTERS)
    print(f"{count} verdicts on {tests} tests that nobody judges; load {load()}")
    with tempfile.TemporaryDirectory() as folder:
        store = MeasurementStore(Path(folder) / "measurements.sqlite")
        pool = RayPool(address)
        driver_s, _, seconds = echoed(pool, importable.Echo(verdict, None), cases, count)
        _, store_s, _ = echoed(pool, importable.Echo(verdict, store), cases, count)
        store.close()
    print(f"driver: {1000 * driver_s / count:.2f} ms of CPU time a verdict: at most {count / driver_s:.0f} a second")
    print(f"store:  {1000 * store_s / count:.2f} ms of CPU time a verdict: at most {count / store_s:.0f} a second")
    print(f"(two workers on this machine, without the store: {count / seconds:.0f} a second)")
    most = count / max(driver_s, store_s)
    print(f"\n{'CPU s a verdict':>16}{'CPUs at most':>14}{f'CPUs a node on {NODES} nodes':>28}")
    for cost in (1, 5, 10, 60, 600):
        print(f"{cost:16}{most * cost:14,.0f}{most * cost / NODES:28.1f}")


def echoed(pool: Pool, function: Any, cases: tuple[TestCase, ...], count: int) -> tuple[float, float, float]:
    """CPU seconds of this process and of the store's, and how long it took; without what starting takes."""
    warm = 50
    codes = (f"int main() {{ return {n}; }}" * 40 for n in range(count + warm))
    jobs = (Job(Candidate("p", "candidate", n, code), cases) for n, code in enumerate(codes))
    began = own = kept = 0.0
    for number, _ in enumerate(pool.map_unordered(function, jobs), start=1):
        if number == warm:
            began, own, kept = time.monotonic(), time.process_time(), of_processes("ray::KeptStore")
        if number == count + warm:
            return time.process_time() - own, of_processes("ray::KeptStore") - kept, time.monotonic() - began
    raise AssertionError("fewer results than jobs")


def of_processes(name: str) -> float:
    """CPU seconds of processes whose command begins like this, without their children."""
    fields = [each for pid in processes(name) if (each := stat(pid))]
    return sum((int(each[11]) + int(each[12])) / TICKS for each in fields)


def processes(name: str) -> list[int]:
    """Those of this cluster: their parent is one of its raylets."""
    return [pid for pid, command in commands() if command.startswith(name) and is_raylet(int((stat(pid) or "00")[1]))]


def commands() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdigit():
                yield int(folder.name), (folder / "cmdline").read_text(errors="replace")


def is_raylet(pid: int) -> bool:
    return any(each == pid and os.environ["RAY_TMPDIR"] in command for each, command in commands())


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third; none when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def load() -> str:
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


if __name__ == "__main__":
    sys.exit(main())
