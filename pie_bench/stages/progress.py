"""Shows a run's progress on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pie_bench.progress import Meter, shown
from pie_bench.run.run import Run
from pie_bench.stages.execute import Progress, counts
from pie_bench.stages.generate import Tally
from pie_bench.stages.plan import Plan


@contextmanager
def run_progress(
    plan: Plan, run: Run, *, tally: Tally | None = None, executing: bool = True, visible: bool = True
) -> Iterator[Progress]:
    """A meter for execution and, with a `tally`, one for generation, starting at the run's current state."""
    if not visible:
        yield lambda _: None
        return
    now = counts(plan, run)
    meters = {}
    if tally is not None:
        meters["generated"] = Meter("generate", now.to_generate, now.generated, "answer")
    if executing:
        meters["executed"] = Meter("execute ", now.to_execute, now.executed, "program")

    def advance(what: str) -> None:
        if what in meters:
            meters[what].advance(remark=str(tally) if what == "generated" else None)

    with shown(*meters.values()):
        yield advance
