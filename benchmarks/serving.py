"""The judge server under load: many clients at once, killed sandboxes, a client that sends slowly.

usage: python -m benchmarks.serving [--requests N] [--programs N] [--clients N] [--kill-every S] [--workers N]

Starts a server, has `--clients` threads send it `--requests` requests about `--programs` distinct programs, and kills
one of its running sandboxes with SIGKILL every `--kill-every` seconds. Reports lost answers, answers that differ from a
local `Judge`'s, latency, verdicts per second, and the server's memory over time. Exits with 1 if any was lost or
differs.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from pie_bench import Client, Judge
from pie_bench.paths import roots_dir
from pie_bench.serve.service import reply_of

TESTS = [(f"{n}\n", f"{n * (n + 1) // 2}\n") for n in (10, 1000, 50_000)]
PROGRAM = """#include <cstdio>
int main() {{ long long n, s = {wrong}; if (scanf("%lld", &n) != 1) return 1;
for (volatile long long i = {number}; i < {number} + n * {work}; i = i + 1) {{}}
for (long long i = 1; i <= n; i++) s += i; printf("%lld\\n", s); }}
"""


def program(number: int) -> str:
    """One of many programs that differ in time; some are wrong."""
    return PROGRAM.format(number=number, work=1 + number % 5, wrong=int(number % 7 == 6))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("requests", 10_000),
        ("programs", 200),
        ("clients", 200),
        ("kill-every", 20),
        ("workers", 2),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    command = [sys.executable, "-m", "pie_bench.cli", "serve", "--port", "0", "--workers", str(options.workers)]
    os.environ.setdefault("PIE_BENCH_ROOTS", str(roots_dir()))
    with ExitStack() as stack:
        # Separate caches: the server's measurements must not be compared with themselves.
        caches = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(2)]
        os.environ["PIE_BENCH_CACHE"] = caches[0]
        server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        os.environ["PIE_BENCH_CACHE"] = caches[1]
        assert server.stdout is not None
        url = server.stdout.readline().split()[1].rstrip(":")
        try:
            return load(url, server.pid, options)
        finally:
            server.terminate()


def load(url: str, pid: int, options: argparse.Namespace) -> int:
    source = program(4)
    over = threading.Event()
    kills, memory = [0], [resident_mib(pid)]
    threading.Thread(target=kill_now_and_then, args=[pid, options.kill_every, over, kills], daemon=True).start()
    threading.Thread(target=watch, args=[pid, over, memory], daemon=True).start()
    threading.Thread(target=read_slowly, args=[url, over], daemon=True).start()
    draw = random.Random(0)
    asked = [draw.randrange(options.programs) for _ in range(options.requests)]
    client = Client(url, patience_seconds=3600)
    answers: dict[int, set[bytes]] = {}
    latencies, lost = [], []

    def ask(number: int) -> None:
        started = time.monotonic()
        try:
            answers.setdefault(number, set()).add(reply_of(client(program(number), source=source, tests=TESTS)))
        except Exception as error:
            lost.append(f"{type(error).__name__}: {error}")
        latencies.append(time.monotonic() - started)

    started = time.monotonic()
    with ThreadPoolExecutor(options.clients) as threads:
        list(threads.map(ask, asked))
    seconds = time.monotonic() - started
    over.set()
    with Judge() as judge:
        expected = {number: reply_of(judge(program(number), source=source, tests=TESTS)) for number in answers}
    differing = [number for number, found in answers.items() if found != {expected[number]}]
    ranked = sorted(latencies)
    print(f"{len(asked)} answers about {len(answers)} programs to {options.clients} clients in {seconds:.0f} s")
    print(f"sandboxes killed: {kills[0]}; lost: {len(lost)}; other than here: {len(differing)}")
    print(f"latency: median {statistics.median(ranked):.3f} s, p95 {ranked[int(0.95 * len(ranked))]:.3f} s")
    thirds = [statistics.mean(memory[i * len(memory) // 3 : (i + 1) * len(memory) // 3] or memory) for i in range(3)]
    print(
        f"server's memory, MiB: at first {memory[0]:.0f}, mean by thirds {', '.join(f'{each:.0f}' for each in thirds)}"
    )
    for what in lost[:5]:
        print(f"lost: {what}")
    for number in differing[:3]:
        print(f"program {number}: {[found[:300] for found in answers[number]]}, here {expected[number][:300]!r}")
    return 1 if lost or differing else 0


def kill_now_and_then(pid: int, every: float, over: threading.Event, kills: list[int]) -> None:
    """Kills a process that the server started, the outermost of a sandbox, as a machine low on memory would."""
    while not over.wait(every):
        for _ in range(1000):  # until there is one
            children = [child for child in children_of(pid) if b"bwrap" in command_of(child)]
            if children:
                os.kill(children[0], signal.SIGKILL)
                kills[0] += 1
                break
            time.sleep(0.01)


def children_of(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def watch(pid: int, over: threading.Event, memory: list[float]) -> None:
    while not over.wait(2):
        memory.append(resident_mib(pid))


def resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def read_slowly(url: str, over: threading.Event) -> None:
    """A client that sends its request a byte at a time."""
    parts = urlsplit(url)
    body = b'{"program": "int main() {}", "tests": [{"input": "", "output": ""}]}'
    head = f"POST /v1/judge HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        for byte in head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body:
            if over.wait(0.2):
                return
            connection.sendall(bytes([byte]))
        connection.recv(65536)


if __name__ == "__main__":
    sys.exit(main())
