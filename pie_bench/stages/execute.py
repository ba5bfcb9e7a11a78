"""Stage two: judges every program, appending to `verdicts.jsonl`; and runs both stages at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

from pie_bench.data.load import PairDataset
from pie_bench.data.pair import Pair, TestCase
from pie_bench.execution.environment import Environment
from pie_bench.execution.executor import Executor, Job
from pie_bench.execution.pool import Pool
from pie_bench.prompting.extract import extract_code
from pie_bench.run.generation import Generation
from pie_bench.run.run import Key, Run
from pie_bench.run.verdict import Candidate, Reading, Role
from pie_bench.stages.generate import PendingAnswers
from pie_bench.stages.plan import Plan

NOTED_EVERY = 10  # seconds: the most CPU time accounting that a killed run loses
_TESTS_KEPT = 8  # pairs
Progress = Callable[[str], object]  # called with "generated" or "executed", once per item


@dataclass(frozen=True)
class Counts:
    """How much of a run is done: samples generated, programs judged, and the totals."""

    generated: int
    to_generate: int
    executed: int
    to_execute: int


def counts(plan: Plan, run: Run) -> Counts:
    """The run's progress."""
    samples = len(plan.pairs) * plan.task.sampling.n
    return Counts(len(run.read_generations()), samples, len(_judged(run)), samples + 2 * len(plan.pairs))


def _judged(run: Run) -> set[Key]:
    verdicts = run.read_verdicts(with_tests=False)
    return {key for key, verdict in verdicts.items() if verdict.outcome != "infra_error"}


def execute(
    plan: Plan,
    run: Run,
    executor: Executor,
    pool: Pool,
    *,
    pending: PendingAnswers | None = None,
    progress: Progress = lambda _: None,
) -> None:
    """Judges every program without a verdict; with `pending`, its answers too, as they arrive.

    UserError if this machine's environment is no longer the one the run was started with.
    """
    run.settle("execution", executor.environment.describe() | {"sandbox": executor.sandbox.name})
    note_simulator(run, executor.environment)
    run.note_plugin(getattr(executor.sandbox, "plugin", None))
    used = CpuSeconds(run, executor, pool)
    jobs = jobs_of(_missing(plan, run, pending, progress), plan.pairs, plan.dataset)
    try:
        # Put everything that exists in flight at once, so that asking for answers begins.
        in_flight = len(plan.pairs) * (plan.task.sampling.n + 2)
        for verdict in pool.map_unordered(executor, jobs, lost=executor.unjudged, in_flight=in_flight):
            run.append(verdict)
            progress("executed")
            used.note(every=NOTED_EVERY)
    finally:
        used.note()


def jobs_of(candidates: Iterable[Candidate], pairs: Iterable[Pair], dataset: PairDataset) -> Iterator[Job]:
    """A job for each candidate, with its pair's tests, which are read when they are needed: the programs of a pair
    follow each other, so they are read once for all of them."""
    by_id = {pair.pair_id: pair for pair in pairs}

    @lru_cache(maxsize=_TESTS_KEPT)
    def tests_of(pair_id: str) -> tuple[TestCase, ...]:
        return dataset.tests(by_id[pair_id])

    for candidate in candidates:
        yield Job(candidate, partial(tests_of, candidate.pair_id))


def note_simulator(run: Run, environment: Environment) -> None:
    """Records which simulator measured (the manifest's `simulators`), if the facts do not say: a local path, or an
    image with its digest."""
    if environment.found.description is not None:
        run.note("simulators", {environment.name: environment.found.description})


class CpuSeconds:
    """Accounts the CPU time of the processes that a stage starts (compilers, programs, analyses, simulators) to the
    manifest's `cpu_seconds`, over all stages and commands on the run.

    None if it is not known for all of them, as with containers.
    """

    def __init__(self, run: Run, executor: Executor, pool: Pool):
        before = run.read_manifest().cpu_seconds if run.verdicts_path.exists() else 0.0
        self._run, self._pool = run, pool
        self._before = before if executor.accounts_cpu else None
        self._start = self._noted = pool.cpu_seconds()

    def note(self, *, every: float = 0.0) -> None:
        """Records it, if it has grown by at least `every` seconds since the last time."""
        now = self._pool.cpu_seconds()
        if now - self._noted >= every:
            self._noted = now
            total = None if self._before is None else round(self._before + now - self._start, 3)
            self._run.note_cpu_seconds(total)


def _missing(plan: Plan, run: Run, pending: PendingAnswers | None, progress: Progress) -> Iterator[Candidate]:
    done = _judged(run)
    pairs = {pair.pair_id: pair for pair in plan.pairs}
    answered = [candidate_of(record, pairs[record.pair_id]) for record in run.read_generations().values()]
    for candidate in (*own_programs(plan), *answered):
        if candidate.key not in done:
            yield candidate
    for generation in pending.arriving() if pending is not None else ():
        progress("generated")
        yield candidate_of(generation, pairs[generation.pair_id])


def own_programs(plan: Plan) -> Iterable[Candidate]:
    """Each pair's slow program and its human rewrite."""
    for pair in plan.pairs:
        programs: tuple[tuple[Role, str], ...] = (("source", pair.src_code), ("target", pair.tgt_code))
        for role, code in programs:
            yield Candidate(pair.pair_id, role, 0, code, problem_id=pair.problem_id)


def candidate_of(generation: Generation, pair: Pair) -> Candidate:
    """The program in an answer, or the reason why there is none.

    A chat model may repeat the given program before its own: the repetition is not its answer.
    """
    extraction = extract_code(
        generation.text, generation.finish_reason, src_code=pair.src_code, reasoning=generation.reasoning
    )
    return Candidate(
        pair_id=generation.pair_id,
        role="candidate",
        sample_index=generation.sample_index,
        code=extraction.code,
        reason=extraction.reason or "ok",  # type: ignore[arg-type]
        src_code=pair.src_code,
        reading=Reading(extraction.rule, extraction.passed_over, extraction.doubtful),
        alternatives=extraction.alternatives,
        problem_id=pair.problem_id,
    )
