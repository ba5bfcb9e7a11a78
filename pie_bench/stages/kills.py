"""How strong the tests of a run's problems are, as `pie-bench dataset mutants` found: noted in the run's manifest, so
that its numbers follow from its folder alone."""

from __future__ import annotations

from pie_bench.data.mutants import mutants_path, read_mutants
from pie_bench.data.spec import load_spec
from pie_bench.run.kills import KillRates
from pie_bench.run.run import Run
from pie_bench.stages.plan import Plan


def kill_rates_of(plan: Plan) -> KillRates | None:
    """What is known of the dataset's problems; None where nothing is. Mutants of other programs, or judged with other
    tests, than the problem's pairs have now, say nothing of it."""
    spec, split = load_spec(plan.dataset_name), plan.dataset.split
    found = read_mutants(mutants_path(spec, split), spec.dataset, split)
    if found is None:
        return None
    now = {name: plan.dataset.sum_of(pairs) for name, pairs in plan.dataset.by_problem().items()}
    rates = found.rates
    return rates.of(name for name, kills in rates.problems.items() if now.get(name) == kills.made_from)


def note_kill_rates(plan: Plan, run: Run) -> None:
    """Notes them in the manifest of a run that the caller has locked, in place of what stood there. What is no longer
    known here stays, as long as it is of these problems."""
    rates = kill_rates_of(plan)
    manifest = run.read_manifest()
    if rates is not None and rates != manifest.kill_rates:
        run.write_manifest(manifest.model_copy(update={"kill_rates": rates}))
