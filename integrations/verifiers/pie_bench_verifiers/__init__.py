"""pie_bench's rewards for verifiers: `vf.load_environment("pie-bench-verifiers", dataset="pie")`."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import verifiers as vf
from datasets import Dataset

from pie_bench.rewards import Scored, Speedup, text_of

__all__ = ["load_environment"]

_log = logging.getLogger(__name__)
_SCORED = "pie_bench"  # what an answer is worth and why, in a rollout's state


def load_environment(
    task: str = "pie_instruct",
    dataset: str = "mini",
    split: str = "train",
    limit: int | None = None,
    **options: Any,
) -> vf.Environment:
    """A task's prompts over a dataset's pairs, rewarded by `pie_bench.rewards.Speedup`.

    `limit`: only the first pairs. The other options are `Speedup`'s; tags of `reasoning` may be a list. Raises
    UserError for unknown names and for options out of range.
    """
    if options.get("reasoning") is not None:
        start, end = options["reasoning"]
        options["reasoning"] = (start, end)
    speedup = Speedup(dataset, split=split, **options)
    prompts = speedup.training_dataset(task, limit=limit)
    rows = [{"prompt": row["prompt"], "info": {"pair_id": row["pair_id"]}} for row in prompts]
    return vf.SingleTurnEnv(dataset=Dataset.from_list(rows), rubric=_rubric(speedup))


def _rubric(speedup: Speedup) -> vf.Rubric:
    # verifiers scores all rollouts at once, in one thread: judging must neither block it nor run more than `workers`.
    threads = ThreadPoolExecutor(speedup.workers, thread_name_prefix="pie-bench")

    async def reward(completion: Any, info: dict[str, Any], state: Any) -> float:
        answers = [(info["pair_id"], text_of(completion))]
        (scored,) = await asyncio.get_running_loop().run_in_executor(threads, speedup.scored, answers)
        if scored.reward is None:
            _log.warning("pair %s: an answer could not be judged, and is rewarded with 0", info["pair_id"])
        state[_SCORED] = scored
        return scored.reward or 0.0

    def correct(state: Any) -> float:
        return float(_scored(state).correct)

    def speedup_metric(state: Any) -> float:
        return _scored(state).speedup or 0.0

    def flagged(state: Any) -> float:
        return float(_scored(state).flagged)

    def judged(state: Any) -> float:
        return float(_scored(state).reward is not None)

    speedup_metric.__name__ = "speedup"
    rubric = vf.Rubric(funcs=[reward])
    for metric in (correct, speedup_metric, judged, *((flagged,) if speedup.guarded else ())):
        rubric.add_metric(metric)
    return rubric


def _scored(state: Any) -> Scored:
    """What `reward` found; where it failed, an answer that was not judged."""
    scored: Scored = state.get(_SCORED) or Scored(None)
    return scored
