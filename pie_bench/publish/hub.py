"""Publishes runs on the Hugging Face Hub: a run's folder in a dataset, and scores on a model's page
(`.eval_results`)."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pie_bench.data.spec import HUB
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of
from pie_bench.leaderboard.bundle import pack
from pie_bench.metrics.best_at_k import METRICS
from pie_bench.plain import plain
from pie_bench.report.table import format_interval, format_value, legend, warnings
from pie_bench.run.results import HEADLINE, Results
from pie_bench.run.run import Run

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_CARD = """---
configs:
  - config_name: generations
    data_files: "runs/*/generations.jsonl"
  - config_name: verdicts
    data_files: "runs/*/verdicts.jsonl"
tags:
  - code
  - evaluation
  - pie_bench
---
# Runs of pie_bench

Answers of language models to "make this C++ program faster", with the verdict on every program: whether it is right,
and its simulated time on every test. Each folder of `runs/` is a run, with a card of its own and the sums of its files
(`SHA256SUMS`). Times are those of the environment that the card names; the same programs give the same times anywhere.
"""


def repository(target: str) -> str:
    """OWNER/DATASET of `hf:OWNER/DATASET`; UserError for anything else."""
    name = target.removeprefix(HUB)
    if not target.startswith(HUB) or not _REPOSITORY.fullmatch(name):
        raise UserError(f"{target}: expected {HUB}OWNER/DATASET, a dataset on the Hugging Face Hub")
    return name


def push(run: Run, target: str, *, submitter: str, private: bool = False) -> str:
    """Uploads a run to `hf:OWNER/DATASET`, creating the dataset if needed; returns the folder's URL.

    The upload holds the same as a leaderboard bundle: no command line, and no name or path of this machine. UserError
    for a run that the leaderboard would not accept (as `pie-bench leaderboard submit` reports it), a missing login, or
    a refusal. The endpoint is `HF_ENDPOINT`, the token huggingface_hub's own.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    name = repository(target)
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="pie_bench")
    with TemporaryDirectory(prefix="pie_bench-push-") as folder:
        bundle = pack(run, Path(folder) / "bundle.zip", submitter=submitter, links=[], commit=None)
        stage, unpacked = Path(folder) / "stage", Path(folder) / "unpacked"
        with zipfile.ZipFile(bundle) as archive:
            archive.extractall(unpacked)
        public = Run(unpacked)
        results = public.read_results()
        label = _label(public, results)
        (stage / "runs").mkdir(parents=True)
        unpacked.rename(stage / "runs" / label)
        (stage / "runs" / label / "README.md").write_text(run_card(results), encoding="utf-8")
        (stage / "README.md").write_text(_CARD, encoding="utf-8")
        try:
            api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
            api.upload_folder(
                repo_id=name, repo_type="dataset", folder_path=stage, commit_message=f"{results.task}: {results.model}"
            )
        except LocalTokenNotFoundError:
            raise UserError(f"{target}: you are not logged in; run hf auth login, or set HF_TOKEN") from None
        except HfHubHTTPError as error:
            said = (error.server_message or str(error)).strip().splitlines()
            remedy = "check the name, and that HF_TOKEN may write to it"
            raise UserError(f"{target}: the hub refused the upload: {said[0] if said else error}; {remedy}") from None
        except Exception as error:
            # No connection: the HTTP library raises, and which library that is depends on the client's version.
            if not type(error).__module__.startswith(("httpx", "requests")):
                raise
            raise UserError(f"{target}: the hub cannot be reached ({error}); try again") from None
    return f"{api.endpoint}/datasets/{name}/tree/main/runs/{label}"


def run_card(results: Results) -> str:
    """A run in Markdown: its settings, the headline table with intervals, and what the numbers are based on."""
    rows = ["| | " + " | ".join(METRICS[name].title for name in HEADLINE) + " |", "| --- | ---: | ---: | ---: |"]
    wanted: list[tuple[str, int, str, str]] = [
        *((f"best@{k}", k, "best", "model") for k in sorted({s.k for s in results.scores if s.of == "model"})),
        *((("human", 1, "best", "human"),) if results.scores else ()),
    ]
    for label, k, method, of in wanted:
        cells = []
        for name in HEADLINE:
            score = results.score(name, k, method=method, of=of)
            interval = format_interval(score)
            cells.append(format_value(name, score.value) + (f" ({interval})" if interval else ""))
        rows.append(f"| {label} | {' | '.join(cells)} |")
    facts = {
        "task": f"{results.task}, version {results.task_version}",
        "model": f"{results.model} ({results.model_resolved})",
        "dataset": f"{results.dataset}/{results.split}: {results.size}, {results.n_samples} answers a pair",
        "outcomes": ", ".join(f"{count} {name}" for name, count in sorted(results.outcomes.items())),
    }
    lines = [f"# {plain(results.task)} · {plain(results.model_shown)} · {plain(results.dataset)}", "", *rows, ""]
    lines += [f"- **{name}**: {_escaped(value)}" for name, value in facts.items()]
    lines += [f"- {_escaped(line)}" for line in (*legend(results), *warnings(results))]
    return "\n".join(lines) + "\n"


def eval_results(results: Results, benchmark: str, *, date: str | None, source_url: str | None) -> list[dict[str, Any]]:
    """The content of a model repository's `.eval_results/*.yaml`: an entry per headline metric, best@k for all samples.

    `benchmark` is the dataset on the Hub that defines the benchmark, OWNER/NAME; its tasks are named
    `pie_retrieval_k2.speedup` and so on. Source: https://huggingface.co/docs/hub/eval-results
    """
    if not _REPOSITORY.fullmatch(benchmark):
        raise UserError(
            f"--benchmark {benchmark}: expected OWNER/DATASET, the benchmark's dataset on the Hugging Face Hub"
        )
    entries = []
    for name in HEADLINE if results.scores else ():
        score = results.metric(name).score()
        if score.value is None:
            continue
        entry: dict[str, Any] = {
            "dataset": {"id": benchmark, "task_id": f"{results.task}.{name}"},
            "value": score.value,
            "notes": f"{score.name} over {results.size}, environment {results.environment} "
            f"({results.environment_id[:12]}), pie_bench {results.versions.get('pie_bench', '')}",
        }
        if date is not None:
            entry["date"] = date
        if source_url is not None:
            entry["source"] = {"url": source_url, "name": "pie_bench"}
        entries.append(entry)
    return entries


def _label(run: Run, results: Results) -> str:
    """A folder name for the run, in characters that any hub accepts."""
    said = f"{results.task}--{results.model}--{results.dataset}--{hash_of(run.read_manifest().identity)[:8]}"
    return re.sub(r"[^A-Za-z0-9._-]+", "_", said)


def _escaped(text: str) -> str:
    """Escapes text in Markdown, so that it adds no markup."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", plain(text))
