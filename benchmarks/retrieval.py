"""Retrieval at PIE's full size, on synthetic pairs: the cost of building the index, and of a query.

Writes a training split of 77,967 pairs over 21,000 distinct sources to a temporary folder (mini's programs, cut up,
with other names and numbers, as long as PIE's: Table 8), then does what a run does with it.

usage: nice python benchmarks/retrieval.py [--sources 21000] [--encoder tfidf]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import statistics
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pie_bench.data.load import load_dataset
from pie_bench.prompting.build import PromptBuilder
from pie_bench.task import load_task

PAIRS_PER_SOURCE = 77967 / 21000
MEDIAN_CHARACTERS, SPREAD = 920, 0.98  # 417 and on average 675 tokens of 2.2 characters (log-normal)
KEYWORDS = set("int long char bool void return for while if else using namespace std include main auto const".split())


def _renamed(names: Mapping[str, str], match: re.Match[str]) -> str:
    return names.get(match[0], match[0])


def synthetic(rng: random.Random, programs: list[str]) -> str:
    """A program-like text: functions of several programs, renamed, up to a length distributed like PIE's."""
    wanted = max(80, int(MEDIAN_CHARACTERS * rng.lognormvariate(0, SPREAD)))
    parts: list[str] = []
    while sum(map(len, parts)) < wanted:
        program = rng.choice(programs)
        words = sorted(set(re.findall(r"\b[a-z]\w*\b", program)) - KEYWORDS)
        chosen = rng.sample(words, k=len(words) // 4)
        names = {word: rng.choice("abcdefgnmxyz") + str(rng.randrange(40)) for word in chosen}
        renamed = re.sub(r"\b[a-z]\w*\b", partial(_renamed, names), program)
        parts.append(re.sub(r"\b\d{2,}\b", lambda match: str(int(match[0]) + rng.randrange(100)), renamed))
    return "\n".join(parts)[:wanted]


def write_split(folder: Path, sources: int) -> int:
    rng = random.Random(0)
    mini = load_dataset("mini", "train", with_tests=False).pairs
    programs = [pair.src_code for pair in mini] + [pair.tgt_code for pair in mini]
    written = [synthetic(rng, programs) for _ in range(sources)]
    rows = round(sources * PAIRS_PER_SOURCE)
    with (folder / "train.jsonl").open("w") as file:
        for number in range(rows):
            row = {
                "problem_id": f"p{number % sources % 1474}",
                "src_id": f"s{number % sources}",
                "tgt_id": f"t{number}",
                "src_code": written[number % sources],
                "tgt_code": rng.choice(programs),
                "tgt_agg_runtime": rng.random(),
            }
            file.write(json.dumps(row) + "\n")
    return rows


def spent(started: tuple[float, float]) -> str:
    wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
    return f"{wall:.0f} s (CPU {cpu:.0f} s)"


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def peak() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=21000)
    parser.add_argument("--encoder", default="tfidf")
    arguments = parser.parse_args()
    task = load_task("pie_retrieval_k4")
    task = task.model_copy(update={"fewshot": task.fewshot.model_copy(update={"encoder": arguments.encoder})})
    queries = load_dataset("mini", "test", with_tests=False).pairs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_split(folder, arguments.sources)
        os.environ["PIE_DATA_DIR"] = name
        started = now()
        train = load_dataset("pie", "train", with_tests=False).pairs
        length = statistics.mean(len(pair.src_code) for pair in train[: arguments.sources])
        print(f"{rows} pairs, {arguments.sources} sources of {length:.0f} characters: read in {spent(started)}")
        print(f"peak memory so far: {peak()}", flush=True)
        started = now()
        PromptBuilder(task, train, folder / "cache")
        print(f"index built in {spent(started)}; peak memory {peak()}", flush=True)
        started = now()
        builder = PromptBuilder(task, train, folder / "cache")
        size = sum(file.stat().st_size for file in (folder / "cache").rglob("*") if file.is_file())
        print(f"index opened again in {spent(started)}; {size / 2**20:.0f} MiB on disk", flush=True)
        times = []
        for pair in queries * 20:
            began = time.perf_counter()
            builder.examples(pair)
            times.append((time.perf_counter() - began) * 1000)
        times.sort()
        print(f"a query: median {statistics.median(times):.1f} ms, 95 % within {times[len(times) * 95 // 100]:.1f} ms")


if __name__ == "__main__":
    main()
