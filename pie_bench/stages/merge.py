"""Merges partial runs: the resulting `results.json` is the one that a single run would have."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pie_bench.errors import UserError
from pie_bench.prompting.fit import CUT, LEFT_OUT
from pie_bench.run.files import write_jsonl
from pie_bench.run.generation import Generation
from pie_bench.run.manifest import EXTENT, ExecutionFacts, GenerationFacts, Manifest
from pie_bench.run.results import Results
from pie_bench.run.run import Run
from pie_bench.stages.execute import own_programs
from pie_bench.stages.plan import Plan, Shard, check_run, make_plan
from pie_bench.stages.score import judged_on_stress, score

_OF_THE_ANSWER = ("text", "finish_reason", "prompt_sha256", "seed", "reasoning")  # not what generating it took


@dataclass(frozen=True)
class _Part:
    """A run to merge, with the pairs that it covers."""

    run: Run
    plan: Plan
    manifest: Manifest
    generation: GenerationFacts
    execution: ExecutionFacts

    @property
    def pair_ids(self) -> list[str]:
        return [pair.pair_id for pair in self.plan.pairs]


def merge(runs: Sequence[Run], out: Run) -> Results:
    """Merges partial runs (shards, or any choices of pairs) into one in the new folder `out`; returns its results.

    UserError, before anything is written: if the folder already holds a run; if parts differ in identity, environment,
    samples or versions; if a part is unfinished, or a shard is missing or given twice; and if parts disagree about a
    pair that they share.
    """
    if len(runs) < 2:
        raise UserError("merge: give at least two runs")
    if out.begun:
        raise UserError(f"{out.path}: already holds a run; give another --out")
    parts = [_part(run) for run in runs]
    for part in parts[1:]:
        _check_same(parts[0], part)
    shards = _check_shards(parts)
    owners = _owners(parts)
    plan = _plan_of_all(parts, shards)
    _check_covered(plan, owners)
    manifest = _manifest(parts, plan)
    kept = [(part, {pair_id for pair_id, owner in owners.items() if owner is part}) for part in parts]
    with out.locked():
        write_jsonl(out.generations_path, (each for part in kept for each in _answers(*part)))
        write_jsonl(out.verdicts_path, (each for part in kept for each in _verdicts(*part)))
        if any(part.run.guards_path.exists() for part in parts):
            write_jsonl(out.guards_path, (each for part in kept for each in _findings(*part)))
        if any(part.run.stress_path.exists() for part in parts):
            write_jsonl(out.stress_path, (each for part in kept for each in _on_stress(*part)))
        out.write_manifest(manifest)  # last: a folder with a manifest is complete
        return score(plan, out)


def _part(run: Run) -> _Part:
    """The run with its plan; UserError if answers or verdicts are missing."""
    manifest = run.read_manifest()
    plan = make_plan(manifest.settings)
    check_run(plan, run)
    samples = plan.task.sampling.n
    verdicts, generations = run.read_verdicts(with_tests=False), run.read_generations()
    answers = [(pair.pair_id, index) for pair in plan.pairs for index in range(samples)]
    programs = [candidate.key for candidate in own_programs(plan)]
    wanted = [*programs, *((pair_id, "candidate", index) for pair_id, index in answers)]
    missing = [key for key in wanted if key not in verdicts]
    missing += [(pair_id, "answer", index) for pair_id, index in answers if (pair_id, index) not in generations]
    if not missing and manifest.stress is not None:
        on_stress = run.read_verdicts(with_tests=False, stress=True)
        wanted = judged_on_stress(manifest.stress, {key: verdicts[key] for key in wanted})
        missing = [
            (pair_id, f"{role} on stress inputs", index)
            for pair_id, role, index in wanted
            if (pair_id, role, index) not in on_stress
        ]
    if missing or manifest.generation is None or manifest.execution is None:
        first = f" (the first: pair {missing[0][0]}, {missing[0][1]} {missing[0][2]})" if missing else ""
        raise UserError(
            f"{run.path}: not finished: {len(missing)} of {len(wanted)} verdicts are missing{first}; "
            "rerun its command, then merge"
        )
    return _Part(run, plan, manifest, manifest.generation, manifest.execution)


def _check_same(one: _Part, other: _Part) -> None:
    """Raises UserError, naming the difference, unless both are parts of one run."""
    for name, value in _facts(one).items():
        theirs = _facts(other)[name]
        if value != theirs:
            raise UserError(
                f"{other.run.path}: its {name} is {theirs!r:.100}, but that of {one.run.path} is {value!r:.100}; "
                "only parts of one run can be merged"
            )


def _facts(part: _Part) -> dict[str, Any]:
    """What must be the same in all parts."""
    versions = part.manifest.versions
    packages = ["pie_bench", *(plugin["package"] for plugin in part.manifest.plugins)]
    return {
        **{name: part.plan.identity.get(name) for name in sorted({*part.plan.identity, "model_args"})},
        "samples": part.plan.task.sampling.n,
        "context": part.manifest.settings.context,
        "model_resolved": part.generation.model_resolved,
        "examples": {k: v for k, v in part.generation.examples.items() if k not in (LEFT_OUT, CUT)},
        **{f"execution.{name}": value for name, value in part.execution.model_dump().items()},
        "set of stress inputs": part.manifest.stress.sha256 if part.manifest.stress is not None else None,
        **{f"version of {package}": versions.get(package) for package in packages},
    }


def _check_shards(parts: Sequence[_Part]) -> bool:
    """Whether the parts are shards; UserError unless all are, of the same pairs, without repetitions."""
    texts = [part.manifest.settings.shard for part in parts]
    if not any(texts):
        return False
    if not all(texts):
        raise UserError(f"{parts[texts.index(None)].run.path}: not a shard, unlike the others; merge only shards")
    first = parts[0]
    for part in parts:
        for name in ("limit", "pairs"):
            value, theirs = (getattr(each.manifest.settings, name) for each in (first, part))
            if value != theirs:
                raise UserError(
                    f"{part.run.path}: shard {part.manifest.settings.shard} with --{name} {theirs!r:.60}, "
                    f"{first.run.path} with {value!r:.60}; only shards of the same pairs can be merged"
                )
    counts = {Shard.parse(text).count for text in texts if text is not None}
    if len(counts) > 1:
        raise UserError(f"shards of {' and of '.join(map(str, sorted(counts)))}; give all shards of one N")
    repeated = [text for text, times in Counter(texts).items() if times > 1]
    if repeated:
        both = " and ".join(str(part.run.path) for part in parts if part.manifest.settings.shard == repeated[0])
        raise UserError(f"shard {repeated[0]} is given twice: {both}")
    return True


def _plan_of_all(parts: Sequence[_Part], shards: bool) -> Plan:
    """The plan of the merged run."""
    settings = parts[0].manifest.settings
    if shards:
        return make_plan(settings.model_copy(update={"shard": None}))
    ids = {pair_id for part in parts for pair_id in part.pair_ids}
    pairs = parts[0].plan.dataset.pairs
    chosen = None if len(ids) == len(pairs) else tuple(pair.pair_id for pair in pairs if pair.pair_id in ids)
    return make_plan(settings.model_copy(update={"pairs": chosen, "limit": None}))


def _owners(parts: Sequence[_Part]) -> dict[str, _Part]:
    """The first part with each pair; UserError if another part differs on it."""
    owners: dict[str, _Part] = {}
    for part in parts:
        common: dict[int, list[str]] = {}
        for pair_id in part.pair_ids:
            owner = owners.setdefault(pair_id, part)
            if owner is not part:
                common.setdefault(parts.index(owner), []).append(pair_id)
        for number, pair_ids in common.items():
            _check_agree(parts[number], part, pair_ids)
    return owners


def _check_agree(one: _Part, other: _Part, pair_ids: Sequence[str]) -> None:
    """UserError, naming what differs, unless both say the same of these pairs."""
    answers = [part.run.read_generations() for part in (one, other)]
    verdicts = [part.run.read_verdicts() for part in (one, other)]
    stressed = [part.run.read_verdicts(stress=True) for part in (one, other)]
    samples = range(one.plan.task.sampling.n)
    for pair_id in sorted(pair_ids):
        differing = [
            f"answer {index}"
            for index in samples
            if _said(answers[0][pair_id, index]) != _said(answers[1][pair_id, index])
        ]
        keys = [(pair_id, "source", 0), (pair_id, "target", 0), *((pair_id, "candidate", index) for index in samples)]
        differing += [f"verdict on {key[1]} {key[2]}" for key in keys if verdicts[0][key] != verdicts[1][key]]
        differing += [
            f"verdict on {key[1]} {key[2]} on stress inputs"
            for key in keys
            if stressed[0].get(key) != stressed[1].get(key)
        ]
        if differing:
            raise UserError(
                f"pair {pair_id} is in {one.run.path} and in {other.run.path}, with a different {differing[0]}; "
                "leave one of the runs out"
            )


def _said(generation: Generation) -> list[Any]:
    return [getattr(generation, name) for name in _OF_THE_ANSWER]


def _check_covered(plan: Plan, owners: Mapping[str, _Part]) -> None:
    """Raises UserError if a shard is missing. (Parts that are not shards need not cover everything.)"""
    missing = [pair for pair in plan.pairs if pair.pair_id not in owners]
    if not missing:
        return
    shard = next(part.manifest.settings.shard for part in owners.values())
    count = Shard.parse(shard or "").count
    absent = [
        str(Shard(index, count))
        for index in range(1, count + 1)
        if Shard(index, count).of_dataset(plan.dataset, missing)
    ]
    shown = ", ".join(absent[:8]) + (f" and {len(absent) - 8} more" if len(absent) > 8 else "")
    raise UserError(f"missing: shard {shown}, with {len(missing)} of {len(plan.pairs)} pairs; give all shards")


def _manifest(parts: Sequence[_Part], plan: Plan) -> Manifest:
    """A manifest like that of a single run, plus the origin of the parts."""
    first = parts[0].manifest
    by_pair = {
        name: {pair_id: n for part in parts for pair_id, n in part.generation.examples.get(name, {}).items()}
        for name in (LEFT_OUT, CUT)
    }
    examples = parts[0].generation.examples | {name: value for name, value in by_pair.items() if value}
    seconds = [part.manifest.cpu_seconds for part in parts]
    known = [each for each in seconds if each is not None]
    noted = {
        name: {key: value for part in parts for key, value in (getattr(part.manifest, name) or {}).items()}
        for name in ("provider", "simulators")
    }
    kill_rates = next((part.manifest.kill_rates for part in parts if part.manifest.kill_rates is not None), None)
    plugins = {tuple(sorted(plugin.items())): plugin for part in parts for plugin in part.manifest.plugins}
    merged = [
        {
            "run": part.run.path.name,
            **{name: getattr(part.manifest.settings, name) for name in EXTENT},
            **{name: getattr(part.manifest, name) for name in ("created", "host", "versions", "cpu_seconds")},
        }
        for part in parts
    ]
    update = {
        "settings": plan.settings,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        "generation": parts[0].generation.model_copy(update={"examples": examples}),
        "cpu_seconds": round(sum(known), 3) if len(known) == len(parts) else None,
        "merged": merged,
        **{name: value for name, value in noted.items() if value},
        **({"plugins": list(plugins.values())} if plugins else {}),
        **({"kill_rates": kill_rates} if kill_rates is not None else {}),
    }
    return first.model_copy(update=update)


def _answers(part: _Part, pair_ids: set[str]) -> Iterable[Mapping[str, Any]]:
    found = part.run.read_generations()
    for pair_id in part.pair_ids:
        if pair_id in pair_ids:
            for index in range(part.plan.task.sampling.n):
                yield found[pair_id, index].to_json()


def _verdicts(part: _Part, pair_ids: set[str]) -> Iterable[Mapping[str, Any]]:
    found = part.run.read_verdicts()
    for pair_id in part.pair_ids:
        if pair_id in pair_ids:
            for role, count in (("source", 1), ("target", 1), ("candidate", part.plan.task.sampling.n)):
                for index in range(count):
                    yield found[pair_id, role, index].to_json()


def _on_stress(part: _Part, pair_ids: set[str]) -> Iterable[Mapping[str, Any]]:
    found = part.run.read_verdicts(stress=True)
    return (verdict.to_json() for key, verdict in sorted(found.items()) if key[0] in pair_ids)


def _findings(part: _Part, pair_ids: set[str]) -> Iterable[Mapping[str, Any]]:
    return (each.to_json() for each in part.run.read_guard_findings() if each.pair_id in pair_ids)
