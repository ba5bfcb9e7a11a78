"""Options shared by several verbs, and their interpretation."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError

if TYPE_CHECKING:
    from pie_bench.execution.pool import Pool
    from pie_bench.execution.sandbox.sandbox import Sandbox
    from pie_bench.run.run import Run
    from pie_bench.stages.plan import Plan


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Adds the options that define a run."""
    parser.add_argument(
        "--task",
        required=True,
        action="append",
        metavar="T",
        help="tasks, groups and globs, e.g. pie_instruct or pie_cot_k2,'pie_retrieval_*' or pie_all",
    )
    add_model(parser)
    add_sources(parser)
    parser.add_argument(
        "--environment",
        metavar="E",
        default=DEFAULT_ENVIRONMENT,
        help="a name (pie-bench environment list) or your own YAML file; default: %(default)s",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N pairs")
    parser.add_argument(
        "--pairs", metavar="P", help="only these pairs: comma-separated ids, or @FILE with one id per line"
    )
    parser.add_argument(
        "--shard", metavar="I/N", help="only the I-th of N parts of the pairs; pie-bench merge joins them"
    )
    parser.add_argument("--samples", type=positive, metavar="K", help="answers per pair (default: the task's)")
    add_context(parser)
    parser.add_argument(
        "--answers-for-other-prompts",
        dest="other_prompts",
        action="store_true",
        help="accept replayed answers to other prompts; results say so, and the leaderboard refuses them",
    )
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="default: a folder under runs/ named after the settings"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="prepare everything and print the prompts, without calling the model"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds the options that choose the model."""
    parser.add_argument(
        "--model",
        required=True,
        metavar="M",
        help="a name of `pie-bench models`, ADAPTER:ID, or package.module:Class",
    )
    parser.add_argument(
        "--model-args", nargs="+", action="extend", metavar="K=V", help="the adapter's settings: docs/models.md"
    )


def add_context(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--context",
        type=positive,
        metavar="N",
        help="the model's context length in tokens, where its server does not report it",
    )


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Adds the options that choose pairs, tasks and examples."""
    parser.add_argument(
        "--dataset",
        metavar="D",
        help="mini (bundled), pie (in PIE_DATA_DIR), hf:OWNER/NAME, your own rows (JSONL, parquet, a folder) or a YAML "
        "file; default: the task's",
    )
    parser.add_argument("--include-path", metavar="DIR", help="a folder with your own tasks")
    parser.add_argument(
        "--encoder", metavar="X", help="encoder for retrieval: tfidf, codebert-cpp or st:MODEL; default: the task's"
    )


def add_max_cost(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-cost", type=dollars, metavar="USD", help="stop before the answers cost more than this")


def add_guard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--guard",
        action=argparse.BooleanOptionalAction,
        help="re-check the faster answers with sanitizers and on new inputs, and score with and "
        "without what they flag (default: where pairs have 80 tests or more)",
    )


def add_sandbox(parser: argparse.ArgumentParser) -> None:
    """Adds the options that choose the sandbox for untrusted code: docs/security.md."""
    parser.add_argument("--sandbox", metavar="NAME", help="default: the first of doctor's list that works here")
    parser.add_argument(
        "--unsafe",
        action="store_true",
        help="run programs without a sandbox if none works; the leaderboard refuses such runs",
    )


def add_execution(parser: argparse.ArgumentParser, what: str = "programs executed") -> None:
    """Adds the options for running untrusted code: how much in parallel, and in which sandbox."""
    parser.add_argument("--workers", type=positive, metavar="N", help=f"{what} at once (default: one per core)")
    add_sandbox(parser)


def add_pool(parser: argparse.ArgumentParser) -> None:
    """The options that say where foreign code runs."""
    parser.add_argument(
        "--pool",
        choices=("local", "ray"),
        default="local",
        help="where programs are executed: on this machine, or on the nodes of a Ray cluster (docs/scale.md); default: "
        "%(default)s",
    )
    parser.add_argument(
        "--ray-address",
        metavar="A",
        help="the cluster's HOST:PORT (default: RAY_ADDRESS, else the cluster that this machine is a node of)",
    )


def chosen_pool(arguments: argparse.Namespace) -> Pool:
    """What `--workers` and `add_pool`'s options say; UserError where there is no such cluster."""
    from pie_bench.api import chosen_pool as chosen

    return chosen(arguments.pool, workers=arguments.workers, ray_address=arguments.ray_address)


def chosen_sandbox(arguments: argparse.Namespace) -> Sandbox:
    """The sandbox chosen by `add_sandbox`'s options; UserError if it does not work here."""
    from pie_bench.execution.sandbox.choose import choose_sandbox

    return choose_sandbox(arguments.sandbox, unsafe=arguments.unsafe)


def plans_and_runs(arguments: argparse.Namespace) -> list[tuple[Plan, Run]]:
    """The plans that the options describe, and the folder of each task's run (not yet created)."""
    from pie_bench.api import plans, settings_of

    tasks = [name for given in arguments.task for name in given.split(",") if name]
    settings = settings_of(
        tasks[0] if tasks else "",
        arguments.model,
        dataset=arguments.dataset,
        environment=arguments.environment,
        limit=arguments.limit,
        samples=arguments.samples,
        pairs=pair_ids(arguments.pairs),
        shard=arguments.shard,
        encoder=arguments.encoder,
        model_args=model_args(arguments.model_args or ()),
        context=arguments.context,
        include_path=arguments.include_path,
        answers_for_other_prompts=arguments.other_prompts,
        tests=getattr(arguments, "tests", "paper"),  # `generate` does not depend on the tests
    )
    return plans(settings, tasks, arguments.run_dir)


def model_args(given: Sequence[str]) -> dict[str, str]:
    """Parses `key=value` items, one per argument or several separated by commas."""
    found: dict[str, str] = {}
    for text in given:
        for item in re.split(r",(?=\w+=)", text):
            key, equals, value = item.partition("=")
            if not (key and equals) or key in found:
                raise UserError(f"--model-args {item}: expected key=value, each key once")
            found[key] = value
    return found


def pair_ids(text: str | None) -> tuple[str, ...] | None:
    """The ids that `--pairs` names; UserError if a file cannot be read, or if there are none."""
    if text is None:
        return None
    ids = text.split(",")
    if text.startswith("@"):
        try:
            ids = Path(text[1:]).expanduser().read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"--pairs {text}: cannot be read ({error}); expected a file with one pair id per line"
            ) from None
    found = tuple(name.strip() for name in ids if name.strip())
    if not found:
        raise UserError(f"--pairs {text}: matches no pair")
    return found


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {value}")
    return value


def dollars(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be an amount in USD, not {text}")
    return value
