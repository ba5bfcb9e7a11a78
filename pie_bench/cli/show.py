"""`show`: prints a prompt exactly as a model gets it, to stdout, and explains it on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from pie_bench.cli.options import add_sources, positive
from pie_bench.paths import cache_dir

if TYPE_CHECKING:
    from pie_bench.data.pair import Pair
    from pie_bench.prompting.build import PromptBuilder
    from pie_bench.prompting.prompt import Prompt
    from pie_bench.stages.plan import Plan


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "show",
        help="print a prompt exactly as the model sees it",
        description="Print a task's prompt for one pair, without calling the model.",
    )
    parser.add_argument("--task", required=True, metavar="T", help="one task")
    parser.add_argument(
        "--pair", metavar="I", default="1", help="a pair's id, or its number from 1; default: the first"
    )
    parser.add_argument("--sample", type=positive, metavar="N", default=1, help="which answer's prompt (default: 1)")
    add_sources(parser)
    parser.add_argument("--messages", action="store_true", help="as chat models see it: JSON, one object per message")
    parser.set_defaults(verb=show)


def show(arguments: argparse.Namespace) -> int:
    from pie_bench.run.manifest import Settings
    from pie_bench.stages.generate import prompt_builder
    from pie_bench.stages.plan import make_plan

    plan = make_plan(
        Settings(
            task=arguments.task,
            model="reference",  # no model is called
            dataset=arguments.dataset,
            encoder=arguments.encoder,
            include_path=arguments.include_path,
        )
    )
    number = int(arguments.pair) if arguments.pair.isdigit() else 0
    pair = plan.pairs[number - 1] if 1 <= number <= len(plan.pairs) else plan.dataset.pair(arguments.pair)
    builder = prompt_builder(plan, cache_dir())
    prompt = builder.build(pair, arguments.sample - 1)
    explain(plan, builder, pair, prompt)
    sys.stderr.flush()
    if arguments.messages:
        print(json.dumps([vars(message) for message in prompt.messages], indent=2, ensure_ascii=False))
    else:
        sys.stdout.write(prompt.text)
    return 0


def explain(plan: Plan, builder: PromptBuilder, pair: Pair, prompt: Prompt) -> None:
    """Prints to stderr the pair and task, the prompt's hash, which examples are shown and why, and what is left out."""
    from pie_bench.prompting.fit import estimated_prompt_tokens

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    fewshot = plan.task.fewshot
    say(f"task {plan.task.task}, version {plan.task.version}: {plan.task.description}")
    size = f"{len(prompt.text)} characters, about {estimated_prompt_tokens(prompt)} tokens"
    say(f"pair {pair.pair_id} of problem {pair.problem_id}: {size}; answers of at most {plan.task.sampling.max_tokens}")
    say(f"prompt_sha256 {prompt.sha256}")
    if cut := builder.characters_cut(pair):
        say(f"source cut: its last {cut} characters are not shown (prompt.max_source_chars)")
    chosen = builder.examples(pair)
    if fewshot.strategy == "random":
        source = f"{fewshot.dataset or plan.dataset.name}/{fewshot.split}"
        say(f"{len(chosen)} examples, drawn from {source} with seed {fewshot.seed}:")
    if fewshot.strategy == "retrieval":
        say(f"{len(chosen)} examples, the nearest of {builder.describe()['corpus_size']} sources by {fewshot.encoder}:")
    for example in chosen:
        near = "" if example.similarity is None else f"similarity {example.similarity:.3f}  "
        say(f"  {near}{example.pair.pair_id}  problem {example.pair.problem_id}")
    if passed := builder.passed_over(pair):
        say(f"  passed over: {passed} nearer ones of the pair's own problem")
    say("")
