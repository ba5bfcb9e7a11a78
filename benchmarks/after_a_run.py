"""The cost of what follows a run, at full size: scoring, intervals, the report, and opening the report in a browser.

usage: python benchmarks/after_a_run.py FOLDER        FOLDER: made by benchmarks/made_run.py

Scoring is compared with merely parsing the same verdicts with json.loads, in one run on one machine.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

_SCORE = "import sys; from pie_bench.cli.main import main; sys.exit(main(['score', sys.argv[1], '--csv']))"
_READ = "import json, sys\nfor line in open(sys.argv[1] + '/verdicts.jsonl'): json.loads(line)"


def cpu_seconds(program: str, run: Path) -> tuple[float, float, int]:
    """CPU seconds, wall seconds and peak memory (bytes, of all children so far) of a Python program."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-c", program, str(run)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.monotonic() - start, after.ru_maxrss * 1024


def bootstrap() -> float:
    """CPU seconds of one set of intervals: 10,000 resamples of 978 pairs, 272 numbers at once."""
    import numpy as np

    from pie_bench.metrics.statistics import intervals

    generator = np.random.default_rng(0)
    values, clusters = generator.lognormal(size=(978, 272)), generator.integers(0, 41, 978)
    intervals(values[:, :1], clusters, resamples=10)
    start = time.process_time()
    intervals(values, clusters)
    return time.process_time() - start


def browser(report: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tools.report_pictures import ARGUMENTS, CHROMIUM

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = opened.new_page()
        start = time.monotonic()
        page.goto(report.resolve().as_uri())
        page.wait_for_selector("body[data-ready]")
        print(f"browser: opened in {time.monotonic() - start:.2f} s ({page.locator('tr.pair').count()} pairs)")
        start = time.monotonic()
        page.fill("#search", "s000000123")
        expect(page.locator("tr.pair")).to_have_count(1)
        print(f"browser: filtered in {time.monotonic() - start:.2f} s")
        opened.close()


def main(folder: Path) -> None:
    os.environ["PIE_DATA_DIR"] = str(folder / "data")
    run = folder / "run"
    verdicts = (run / "verdicts.jsonl").stat().st_size
    read, _, _ = cpu_seconds(_READ, run)
    score, wall, memory = cpu_seconds(_SCORE, run)
    print(f"verdicts: {verdicts / 1e6:.0f} MB; json.loads of them {read:.1f} s CPU")
    print(f"score: {score:.1f} s CPU ({score / read:.1f}x), {wall:.1f} s wall, peak {memory / 1e6:.0f} MB")
    print(f"intervals: {bootstrap():.2f} s CPU for 272 numbers")
    output = folder / "report.html"
    from pie_bench.cli.main import main as pie_bench

    start = time.process_time()
    assert pie_bench(["report", str(run), "-o", str(output)]) == 0
    print(f"report: {time.process_time() - start:.1f} s CPU")
    browser(output)
    print(json.dumps({"cpus": os.cpu_count(), "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
