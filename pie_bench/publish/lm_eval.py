"""Exports a run in lm-evaluation-harness's format: `results_*.json` and `samples_*.jsonl`, as for `--output_path`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pie_bench.hashing import sha256
from pie_bench.run.files import write_json, write_jsonl
from pie_bench.stages.finished import FinishedRun


def lm_eval_results(run: FinishedRun) -> dict[str, Any]:
    """The content of `results_*.json`.

    Metrics are named like `speedup,best@8`, with k in the place of lm-eval's filter. Values are as in `results.json`
    (percent, times). Standard errors are "N/A", as lm-eval writes if it has none; the 95 % intervals, which are not
    symmetric, are under `pie_bench`, along with the environment of the measurements.
    """
    results, manifest, task = run.results, run.read_manifest(), run.plan.task
    name = results.task
    scores = [score for score in results.scores if (score.of, score.time) == ("model", "process")]
    numbers: dict[str, Any] = {"alias": name, "sample_len": results.n_pairs}
    for score in scores:
        numbers[f"{score.metric},{score.name}"] = score.value
        numbers[f"{score.metric}_stderr,{score.name}"] = "N/A"
    sampling = task.sampling.model_dump(mode="json")
    return {
        "results": {name: numbers},
        "group_subtasks": {name: []},
        "configs": {
            name: {
                "task": name,
                "dataset_path": results.dataset,
                "test_split": results.split,
                "doc_to_text": task.prompt.template,
                "description": task.prompt.system or "",
                "num_fewshot": task.fewshot.k,
                "fewshot_config": {"sampler": task.fewshot.strategy},
                "output_type": "generate_until",
                "generation_kwargs": {
                    "until": sampling["stop"],
                    "max_gen_toks": sampling["max_tokens"],
                    "do_sample": sampling["temperature"] > 0,
                    "temperature": sampling["temperature"],
                    "top_p": sampling["top_p"],
                },
                "repeats": results.n_samples,
                "metric_list": [{"metric": metric} for metric in task.metrics],
                "metadata": {"version": results.task_version},
            }
        },
        "versions": {name: results.task_version},
        "n-shot": {name: task.fewshot.k},
        "higher_is_better": {name: {score.metric: True for score in scores}},
        "n-samples": {name: {"original": len(run.plan.dataset.pairs), "effective": results.n_pairs}},
        "config": {
            "model": results.model,
            "model_args": results.model_args,
            "limit": manifest.settings.limit,
            "random_seed": sampling["seed"],
        },
        "date": manifest.created,
        "task_hashes": {name: results.task_hash},
        "model_source": run.plan.model.adapter,
        "model_name": results.model,
        "model_name_sanitized": sanitized(results.model),
        "system_instruction": task.prompt.system,
        "fewshot_as_multiturn": False,
        "pie_bench": {
            "version": results.versions.get("pie_bench"),
            "model_resolved": results.model_resolved,
            "dataset_fingerprint": results.dataset_fingerprint,
            "environment": results.environment,
            "environment_id": results.environment_id,
            "intervals": {f"{score.metric},{score.name}": [score.low, score.high] for score in scores},
            "outcomes": results.outcomes,
        },
    }


def lm_eval_samples(run: FinishedRun) -> Iterator[dict[str, Any]]:
    """The lines of `samples_*.jsonl`: one per pair, with all its answers, their programs and outcomes."""
    answers: dict[str, list[Any]] = {}
    for answer in run.answers():
        answers.setdefault(answer.pair_id, []).append(answer)
    for number, result in enumerate(run.results.pairs):
        pair, given = run.pairs[result.pair_id], answers[result.pair_id]
        doc = {"pair_id": pair.pair_id, "problem_id": pair.problem_id, "src_code": pair.src_code}
        yield {
            "doc_id": number,
            "doc": doc,
            "target": pair.tgt_code,
            "resps": [[answer.text for answer in given]],
            "filtered_resps": [answer.code or "" for answer in given],
            "filter": "none",
            "metrics": ["speedup", "outcome"],
            "speedup": [answer.speedup for answer in given],
            "outcome": [answer.outcome for answer in given],
            "doc_hash": sha256(json.dumps(doc, sort_keys=True).encode(errors="replace")),
            "prompt_hash": run.generations[pair.pair_id, 0].prompt_sha256,
            "target_hash": sha256(pair.tgt_code.encode(errors="replace")),
        }


def write_lm_eval(run: FinishedRun, folder: Path) -> tuple[Path, Path]:
    """Writes both files where lm-eval would: `folder/MODEL/`. The file names hold the date of the run, not today's."""
    results = lm_eval_results(run)
    date = re.sub(r"[^0-9T-]", "-", str(results["date"] or "undated"))
    target = folder / results["model_name_sanitized"]
    paths = target / f"results_{date}.json", target / f"samples_{run.results.task}_{date}.jsonl"
    write_json(paths[0], results)
    write_jsonl(paths[1], lm_eval_samples(run))
    return paths


def sanitized(model: str) -> str:
    """A model's name as lm-eval turns it into a folder name."""
    return re.sub(r"[\"<>:/|\\?*\[\]]+", "__", model)
