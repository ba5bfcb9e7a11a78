"""A task card, generated from the task's YAML: what it asks, how it is answered and scored."""

from __future__ import annotations

from pie_bench.metrics.best_at_k import METRICS
from pie_bench.task import Task

_EXAMPLES = {
    "none": "none",
    "random": "{k} training pairs, drawn with seed {seed}, the same in every prompt",
    "retrieval": "the {k} training pairs whose slow program is nearest ({encoder}), the nearest last",
}


def task_card(task: Task) -> str:
    """The card in Markdown, under a level-2 heading so that several can share a page."""
    sampling, fewshot = task.sampling, task.fewshot
    examples = _EXAMPLES[fewshot.strategy].format(**fewshot.model_dump())
    if fewshot.rationale:
        examples += ", each with an explanation"
    facts = {
        "Version": f"{task.version} (`task_hash` {task.task_hash[:12]})",
        "Input": "a correct C++ program" + _cut(task),
        "Expected answer": "a C++ program with the same output on every test, and faster",
        "Examples shown": examples,
        "Answers a pair": f"{sampling.n}, at temperature {sampling.temperature:g}, top-p {sampling.top_p:g}, at most "
        f"{sampling.max_tokens:,} tokens; answer *i* with seed {sampling.seed} + *i*",
        "Default dataset": f"`{task.dataset}`, split `{task.split}`",
        "Metrics": ", ".join(f"{METRICS[name].title} (`{name}`)" if name in METRICS else name for name in task.metrics),
    }
    if task.prompt.tags:
        facts["Score tags"] = f"answer *i* sees tag *i* mod {len(task.prompt.tags)} of {list(task.prompt.tags)}"
    if sampling.stop:
        facts["Stop strings"] = ", ".join(f"`{text!r}`" for text in sampling.stop)
    rows = "\n".join(f"| {name} | {said} |" for name, said in facts.items())
    template = task.prompt.template.strip("\n")
    system = f"System message:\n\n```text\n{task.prompt.system.strip()}\n```\n\n" if task.prompt.system else ""
    return (
        f"## {task.task}\n\n{task.description}.\n\n| | |\n| --- | --- |\n{rows}\n\n"
        f"{system}Prompt:\n\n```jinja\n{template}\n```\n"
    )


def _cut(task: Task) -> str:
    most = task.prompt.max_source_chars
    return f", of which the first {most:,} characters are shown" if most else ""
