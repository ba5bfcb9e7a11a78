"""Copies the kill rates found by `pie-bench dataset mutants` into a run's manifest, so that its numbers follow from its
folder alone."""

from __future__ import annotations

from pie_bench.data.mutants import mutants_path, read_mutants
from pie_bench.data.spec import load_spec
from pie_bench.run.kills import KillRates
from pie_bench.run.run import Run
from pie_bench.stages.plan import Plan


def kill_rates_of(plan: Plan) -> KillRates | None:
    """The dataset's kill rates; None if there are none. Rates are ignored if the problem's programs or tests have
    changed since."""
    spec, split = load_spec(plan.dataset_name), plan.dataset.split
    found = read_mutants(mutants_path(spec, split), spec.dataset, split)
    if found is None:
        return None
    now = {name: plan.dataset.sum_of(pairs) for name, pairs in plan.dataset.by_problem().items()}
    rates = found.rates
    return rates.of(name for name, kills in rates.problems.items() if now.get(name) == kills.made_from)


def note_kill_rates(plan: Plan, run: Run) -> None:
    """Writes the rates to the manifest of a run that the caller has locked. Without any, the manifest keeps what it
    has, restricted to the run's problems."""
    rates = kill_rates_of(plan)
    manifest = run.read_manifest()
    if rates is not None and rates != manifest.kill_rates:
        run.write_manifest(manifest.model_copy(update={"kill_rates": rates}))
