"""`export`: writes a run in another tool's format; `push`: uploads a run to the Hugging Face Hub."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pie_bench.errors import UserError


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "export",
        help="export a finished run to another tool's format",
        description="Write a finished run in another tool's format: docs/publishing.md.",
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    parser.add_argument(
        "--format",
        required=True,
        choices=("lm-eval", "eval-results"),
        help="lm-eval's results and samples; .eval_results for a model's page on the Hugging Face Hub",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: RUN_DIR")
    parser.add_argument(
        "--benchmark", metavar="OWNER/DATASET", help="eval-results: the benchmark's dataset on the Hub (required)"
    )
    parser.add_argument("--source-url", metavar="URL", help="eval-results: a page that shows the run")
    parser.set_defaults(verb=export)
    parser = verbs.add_parser(
        "push",
        help="upload a finished run to a dataset on the Hugging Face Hub",
        description="Upload a finished run, with a card, to a dataset on the Hugging Face Hub, which is created if it "
        "does not exist. Uses HF_TOKEN or the login of `hf auth login`.",
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    parser.add_argument("target", metavar="hf:OWNER/DATASET")
    parser.add_argument("--submitter", metavar="NAME", help="who vouches for it; default: OWNER")
    parser.add_argument("--private", action="store_true", help="if the dataset is created, make it private")
    parser.set_defaults(verb=push)


def export(arguments: argparse.Namespace) -> int:
    from pie_bench.stages.finished import FinishedRun

    run = FinishedRun(arguments.run_dir)
    out = arguments.out or arguments.run_dir
    if arguments.format == "lm-eval":
        from pie_bench.publish.lm_eval import write_lm_eval

        results, samples = write_lm_eval(run, out)
        print(f"results: {results}\nsamples: {samples}")
        return 0
    import yaml

    from pie_bench.publish.hub import eval_results

    if arguments.benchmark is None:
        raise UserError("--format eval-results: give --benchmark OWNER/DATASET, the benchmark's dataset")
    entries = eval_results(
        run.results, arguments.benchmark, date=run.read_manifest().created, source_url=arguments.source_url
    )
    path = out / ".eval_results" / f"{run.results.task}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(entries, sort_keys=False, allow_unicode=True), encoding="utf-8")
    print(f"results: {path}\nnext:    copy .eval_results into the model's repository")
    return 0


def push(arguments: argparse.Namespace) -> int:
    from pie_bench.publish import hub
    from pie_bench.run.run import Run

    owner = hub.repository(arguments.target).partition("/")[0]
    where = hub.push(
        Run(arguments.run_dir),
        arguments.target,
        submitter=arguments.submitter or owner,
        private=arguments.private,
    )
    print(f"pushed: {where}")
    return 0
