"""The overhead of the pool itself: CPU seconds for jobs that do nothing.

usage: python -m benchmarks.pool [JOBS ...]
"""

from __future__ import annotations

import sys
import time

from pie_bench.execution.pool import LocalPool


def main() -> None:
    print(f"{'jobs':>8}  {'in flight':>10}  {'CPU s':>7}  {'µs a job':>8}")
    for jobs in map(int, sys.argv[1:] or ("1000", "4000", "10000", "40000")):
        for in_flight in (None, jobs):
            began = time.process_time()
            done = sum(1 for _ in LocalPool().map_unordered(abs, range(jobs), in_flight=in_flight))
            seconds = time.process_time() - began
            print(f"{done:8}  {in_flight or 'default':>10}  {seconds:7.3f}  {1e6 * seconds / jobs:8.1f}")


if __name__ == "__main__":
    main()
