"""Checks a bundle without running anything: its numbers follow from its verdicts, its verdicts belong to its answers,
and everything belongs to a task, a dataset and an environment that are known here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from pie_bench import registry
from pie_bench.data.load import PairDataset
from pie_bench.errors import UserError
from pie_bench.execution.checker import CHECKER
from pie_bench.execution.environment import Environment, load_environment_spec
from pie_bench.execution.integrity.guards import N_GUARD_INPUTS, inputs_of, shown_input
from pie_bench.execution.sandbox.choose import MECHANISMS
from pie_bench.leaderboard.bundle import MANIFEST_MEMBERS, STRESS, Bundle, opened, records
from pie_bench.leaderboard.entry import Entry, entry_of, strict_json
from pie_bench.leaderboard.recount import check_numbers, is_time, same
from pie_bench.models.reference import ReferenceEntry
from pie_bench.paths import cache_dir
from pie_bench.plain import plain, public_name, shown_name
from pie_bench.prompting.fit import CUT, LEFT_OUT
from pie_bench.run.files import validated as validated_as
from pie_bench.run.generation import Generation
from pie_bench.run.guard import GuardFinding
from pie_bench.run.manifest import Settings
from pie_bench.run.run import Key
from pie_bench.run.verdict import OUTCOMES, Candidate, Verdict
from pie_bench.stages.execute import candidate_of, own_programs
from pie_bench.stages.generate import prompt_builder
from pie_bench.stages.plan import Plan, make_plan
from pie_bench.stages.score import judged_on_stress, score
from pie_bench.stages.stress import stress_inputs

_PROVENANCE = {"status", "verification", "submitter", "links", "commit", "adapter"}
_WITHOUT_BINARY = {"no_code", "truncated", "compile_error", "compile_timeout"}
_OF_A_BINARY = ("tests", "runtime_seconds", "startup_seconds", "counters", "startup_counters")
_NAMES = ("task", "model", "model_resolved", "adapter", "dataset", "split", "environment", "submitter")
_MOST_GUARD_INPUTS = 200  # the most that a pair may plausibly have had
R = TypeVar("R")


@dataclass(frozen=True)
class Checked:
    """A consistent bundle, its plan recreated here, and its programs and verdicts by pair, role and sample.

    `on_stress` has the verdicts on stress inputs, the tests of `stress`; None for a bundle without them.
    """

    bundle: Bundle
    plan: Plan
    programs: Mapping[Key, Candidate]
    verdicts: Mapping[Key, Verdict]
    on_stress: Mapping[Key, Verdict]
    stress: PairDataset | None


@contextmanager
def validated(path: Any) -> Iterator[Checked]:
    """The bundle, after every check that needs no execution. UserError, naming the field."""
    with opened(path) as bundle:
        if bundle.entry.status != "self-reported":
            raise UserError(f"{path}: entry.json: status: a bundle is self-reported; reviewers verify it")
        _check_names(bundle)
        plan = _plan_of(bundle)
        programs = {candidate.key: candidate for candidate in own_programs(plan)}
        programs |= _answers(bundle, plan, _prompts(bundle, plan))
        verdicts = _verdicts(bundle, "verdicts.jsonl", plan, programs, _ids_of_tests(plan))
        on_stress, stress = _on_stress(bundle, plan, programs, verdicts)
        _check_guards(bundle, plan, verdicts)
        _check_kill_rates(bundle, plan)
        _check_results(bundle, plan)
        yield Checked(bundle, plan, programs, verdicts, on_stress, stress)


def _check_names(bundle: Bundle) -> None:
    """Checks that names equal their displayed form, and that none is a local path."""
    entry = bundle.entry.model_dump(mode="json")
    names = {name: entry[name] for name in _NAMES if entry[name] is not None}
    names |= {f"links.{number}": link for number, link in enumerate(entry["links"])}
    for field, name in sorted(names.items()):
        if shown_name(name) != name or (field.startswith("links") and not name.isascii()):
            raise UserError(f"{bundle.path}: entry.json: {field}: {plain(name)!r:.80} differs from how it is shown")
    for field, name in sorted((names | {f"model_args.{k}": v for k, v in entry["model_args"].items()}).items()):
        if not field.startswith("links") and public_name(name) != name:
            raise UserError(f"{bundle.path}: entry.json: {field}: {plain(name)!r:.80} is a local path")


def _plan_of(bundle: Bundle) -> Plan:
    """The run's plan, recreated here: its task, dataset and environment must be known."""
    where = f"{bundle.path}: manifest.json"
    manifest = strict_json(bundle.run.manifest_path.read_bytes(), where)
    try:
        settings = Settings(**manifest["settings"])
        theirs, execution = dict(manifest["identity"]), manifest["execution"]
        facts, sandbox = dict(execution["facts"]), execution["sandbox"]
        environment_id, generation = execution["environment_id"], manifest["generation"]
        if not {"model_resolved", "examples"} <= generation.keys():
            raise ValueError("generation: model_resolved and examples belong to it")
        named = {name: getattr(settings, name) for name in ("task", "model", "environment")}
        if not all(isinstance(value, str) for value in named.values()) or settings.include_path is not None:
            raise ValueError("task, model and environment are names, and include_path is null")
        for name in ("dataset", "encoder", "environment"):
            value = getattr(settings, name)
            if value is not None and (public_name(value) != value or value.endswith((".yaml", ".yml"))):
                raise ValueError(f"{name}: a submitter's own file is not known here")
            if value is not None and registry.is_import_string(value) and not value.startswith("hf:"):
                raise ValueError(f"{name}: a bundle may not name code to import")
        if CHECKER in settings.environment:
            raise ValueError("environment: a submitter's own checkers are not known here")
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UserError(f"{where}: not a run's manifest: {error}") from None
    unknown = manifest.keys() - set(MANIFEST_MEMBERS)
    if unknown:
        raise UserError(f"{where}: {min(unknown)}: not part of a bundle's manifest")
    used = manifest.get("cpu_seconds")
    if used is not None and not is_time(used):
        raise UserError(f"{where}: cpu_seconds: {used!r:.40} is not a time")
    try:
        # The model need not be known here; whether its arguments match the entry is checked below.
        stand_in = ReferenceEntry(adapter="reference", answer="tgt_code")
        plan = make_plan(settings.model_copy(update={"model_args": {}}), stand_in)
    except UserError as error:
        raise UserError(f"{where}: settings: {error}") from None
    _compare(f"{where}: identity", {k: v for k, v in theirs.items() if k != "model_args"}, plan.identity)
    if theirs.get("model_args", {}) != dict(settings.model_args):
        raise UserError(f"{where}: identity.model_args: not those of the settings")
    spec = load_environment_spec(settings.environment)
    if execution.get("name") != spec.environment:
        raise UserError(f"{where}: execution.name: it is {execution.get('name')!r}, expected {spec.environment!r}")
    if Environment(spec, facts).environment_id != environment_id:
        raise UserError(
            f"{where}: execution.environment_id: not that of {spec.environment} with these facts: "
            "made with another pie_bench, or changed"
        )
    if sandbox not in MECHANISMS:
        raise UserError(f"{where}: execution.sandbox: {sandbox!r} is unknown; known: {', '.join(sorted(MECHANISMS))}")
    return replace(plan, settings=settings)


def _prompts(bundle: Bundle, plan: Plan) -> dict[tuple[str, int], str]:
    """The hashes of the prompts, recreated from task and dataset, by pair and sample.

    How many examples had to be left out depends on the model's tokenizer. That number is taken from the manifest, and
    the hashes then show whether it is right.
    """
    where = f"{bundle.path}: manifest.json: generation.examples"
    facts = bundle.manifest.generation
    told = dict(facts.examples) if facts is not None else {}
    left_out, cut = told.pop(LEFT_OUT, {}), told.pop(CUT, {})
    builder = prompt_builder(plan, cache_dir())
    _compare(where, told, builder.describe())
    _compare(f"{where}.{CUT}", cut, {p.pair_id: n for p in plan.pairs if (n := builder.characters_cut(p))})
    unknown = left_out.keys() - {pair.pair_id for pair in plan.pairs} if isinstance(left_out, dict) else {"it"}
    if unknown or not all(type(n) is int and 0 < n <= plan.task.fewshot.k for n in left_out.values()):
        raise UserError(f"{where}.{LEFT_OUT}: not numbers of examples of the run's pairs")
    return {
        (pair.pair_id, index): builder.build(pair, index, leave_out=left_out.get(pair.pair_id, 0)).sha256
        for pair in plan.pairs
        for index in range(plan.task.sampling.n)
    }


def _answers(bundle: Bundle, plan: Plan, prompts: Mapping[tuple[str, int], str]) -> dict[Key, Candidate]:
    """The programs, extracted from the answers again. Every sample of every pair occurs exactly once."""
    pairs = {pair.pair_id: pair for pair in plan.pairs}
    found: dict[Key, Candidate] = {}
    for where, record in records(bundle, "generations.jsonl"):
        answer = _whole(Generation, where, record)
        if answer.pair_id not in pairs:
            raise UserError(f"{where}: pair_id: the run has no pair {answer.pair_id!r:.60}")
        if not 0 <= answer.sample_index < plan.task.sampling.n:
            raise UserError(f"{where}: sample_index: {answer.sample_index} of {plan.task.sampling.n}")
        if answer.seed != plan.task.sampling.seed + answer.sample_index:
            raise UserError(f"{where}: seed: {answer.seed} is not the task's for this sample")
        if answer.prompt_sha256 != prompts[answer.key]:
            raise UserError(
                f"{where}: prompt_sha256: {answer.prompt_sha256[:12]!r} is not the hash of the prompt that task and "
                f"dataset give for pair {answer.pair_id}, sample {answer.sample_index} ({prompts[answer.key][:12]})"
            )
        if answer.answers_prompt is not None:
            raise UserError(f"{where}: answers_prompt: given to another or an unknown prompt")
        candidate = candidate_of(answer, pairs[answer.pair_id])
        if candidate.key in found:
            raise UserError(f"{where}: sample_index: a second answer for {_named(candidate.key)}")
        found[candidate.key] = candidate
    for pair in plan.pairs:
        for index in range(plan.task.sampling.n):
            if (pair.pair_id, "candidate", index) not in found:
                raise UserError(f"{bundle.path}: generations.jsonl: pair {pair.pair_id}: sample {index} is missing")
    return found


def _ids_of_tests(plan: Plan) -> dict[str, list[str]]:
    return {pair.pair_id: [test.test_id for test in plan.dataset.tests(pair)] for pair in plan.pairs}


def _on_stress(
    bundle: Bundle, plan: Plan, programs: Mapping[Key, Candidate], verdicts: Mapping[Key, Verdict]
) -> tuple[dict[Key, Verdict], PairDataset | None]:
    """The verdicts on stress inputs, and these, as they are known here; nothing for a bundle that has none."""
    told, there = bundle.manifest.stress, bundle.run.stress_path.exists()
    if told is None and not there:
        return {}, None
    where = f"{bundle.path}: manifest.json: stress"
    if told is None or not there:
        raise UserError(f"{where}: {'missing' if there else 'there, but not ' + STRESS}")
    dataset, known = stress_inputs(plan)
    if told.sha256 != known.sha256:
        raise UserError(
            f"{where}.sha256: other stress inputs than those here ({told.sha256[:12]}, here {known.sha256[:12]}); "
            "put the file that the run was judged with in their place: docs/stress.md"
        )
    _compare(where, told.model_dump(mode="json"), known.model_dump(mode="json"))
    wanted = {key: programs[key] for key in judged_on_stress(known, verdicts)}
    found = _verdicts(bundle, STRESS, plan, wanted, known.pairs)
    for key, verdict in found.items():
        for name in ("code_sha256", "binary_sha256"):
            if getattr(verdict, name) != getattr(verdicts[key], name):
                raise UserError(f"{bundle.path}: {STRESS}: {name}: {_named(key)} is another program in verdicts.jsonl")
    return found, dataset


def _check_kill_rates(bundle: Bundle, plan: Plan) -> None:
    """That mutants were made from the problems' programs and tests as they are here. (How many of them the tests find
    is taken from the bundle.)"""
    told = bundle.manifest.kill_rates
    if told is None:
        return
    where, known = f"{bundle.path}: manifest.json: kill_rates", plan.dataset.by_problem()
    for name, kills in sorted(told.problems.items()):
        if name not in known:
            raise UserError(f"{where}: {name!r:.60}: the dataset has no such problem")
        if plan.dataset.sum_of(known[name]) != kills.made_from:
            raise UserError(f"{where}.{name}.made_from: not the sum of the problem's programs and tests")


def _verdicts(
    bundle: Bundle, name: str, plan: Plan, programs: Mapping[Key, Candidate], tests: Mapping[str, Sequence[str]]
) -> dict[Key, Verdict]:
    """The verdicts on these programs in a file, one each, on these tests of their pairs."""
    found: dict[Key, Verdict] = {}
    for where, record in records(bundle, name):
        _check_fields(Verdict, where, record)
        try:
            verdict = Verdict.from_json(record)
        except ValueError as error:
            raise UserError(f"{where}: {error}; not a verdict") from None
        if verdict.key not in programs:
            raise UserError(f"{where}: pair_id, role, sample_index: the run has no {_named(verdict.key)}")
        if verdict.key in found:
            raise UserError(f"{where}: sample_index: a second verdict on {_named(verdict.key)}")
        found[verdict.key] = verdict
        try:
            _check_verdict(verdict, programs[verdict.key], tests[verdict.pair_id], plan, bundle.entry)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        except (TypeError, AttributeError) as error:
            raise UserError(f"{where}: tests: a value of the wrong type: {error}") from None
    for key in programs:
        if key not in found:
            raise UserError(f"{bundle.path}: {name}: {_named(key)} has no verdict")
    _check_alike(f"{bundle.path}: {name}", found)
    return found


def _check_verdict(verdict: Verdict, program: Candidate, tests: Sequence[str], plan: Plan, entry: Entry) -> None:
    """Checks that the verdict is on this program, and that its parts are consistent."""
    if verdict.environment_id != entry.environment_id:
        raise UserError("environment_id: not the entry's")
    if not program.can_be(verdict.code_sha256):
        raise UserError(f"code_sha256: not the hash of the program of {_named(verdict.key)}")
    if verdict.outcome not in OUTCOMES or verdict.outcome == "infra_error":
        raise UserError(f"outcome: {verdict.outcome!r:.40} is not an outcome of a finished run")
    if program.code is None and verdict.outcome != program.reason:
        raise UserError(f"outcome: {verdict.outcome} for an answer without a program ({program.reason})")
    if program.code is not None and verdict.outcome in ("no_code", "truncated"):
        raise UserError(f"outcome: {verdict.outcome} for an answer that contains a program")
    if verdict.tests and [test.test_id for test in verdict.tests] != list(tests):
        raise UserError(f"tests: not the {len(tests)} tests of pair {verdict.pair_id}, in order")
    if verdict.role != "candidate" and verdict.reading is not None:
        raise UserError(f"reading: {_named(verdict.key)} is the dataset's own program, not an answer")
    if verdict.binary_sha256 is not None and verdict.outcome in _WITHOUT_BINARY:
        raise UserError(f"binary_sha256: {verdict.binary_sha256!r:.40} for a program that is {verdict.outcome}")
    failed = {test.outcome for test in verdict.tests} - {"ok"}
    if not failed <= set(OUTCOMES):
        raise UserError(f"tests: outcome: {min(map(str, failed - set(OUTCOMES)))!r} is unknown")
    if verdict.outcome != "ok":
        if verdict.tests and verdict.outcome not in failed and verdict.outcome != "forbidden":
            raise UserError(f"outcome: {verdict.outcome}, but no test failed that way")
        if verdict.tests and verdict.outcome in _WITHOUT_BINARY:
            raise UserError(f"tests: present for a program that is {verdict.outcome}")
        if verdict.runtime_seconds is not None or verdict.startup_seconds is not None:
            raise UserError(f"runtime_seconds: a time for a program that is {verdict.outcome}")
    elif failed or not verdict.tests:
        raise UserError(f"outcome: ok, but not every test is ({min(failed) if failed else 'none was run'})")
    check_numbers(verdict, load_environment_spec(plan.settings.environment).simulator)


def _check_alike(where: str, verdicts: Mapping[Key, Verdict]) -> None:
    """Checks that a program that occurs twice, with the same tests, has the same numbers."""
    measured: dict[tuple[str, str], Verdict] = {}
    for verdict in verdicts.values():
        if verdict.outcome != "ok" or verdict.binary_sha256 is None:
            continue
        one = measured.setdefault((verdict.pair_id, verdict.binary_sha256), verdict)
        for name in _OF_A_BINARY:
            if getattr(one, name) != getattr(verdict, name):
                raise UserError(f"{where}: {name}: {_named(verdict.key)} differs from {_named(one.key)}, its twin")


def _check_guards(bundle: Bundle, plan: Plan, verdicts: Mapping[Key, Verdict]) -> None:
    """Checks that each finding is on a correct answer, with tests and guard inputs that its pair has."""
    if not bundle.run.guards_path.exists():
        return
    pairs = {pair.pair_id: pair for pair in plan.pairs}
    inputs: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    seen = set()
    for where, record in records(bundle, "guards.jsonl"):
        finding = _whole(GuardFinding, where, record)
        key = (finding.pair_id, "candidate", finding.sample_index)
        if key not in verdicts or verdicts[key].outcome != "ok" or key in seen:
            raise UserError(f"{where}: sample_index: no correct answer, or a second finding: {_named(key)}")
        seen.add(key)
        for name in ("code_sha256", "environment_id"):
            if getattr(finding, name) != getattr(verdicts[key], name):
                raise UserError(f"{where}: {name}: not that of the verdict on {_named(key)}")
        tests = plan.dataset.tests(pairs[finding.pair_id])
        if finding.pair_id not in inputs:
            many = min(_MOST_GUARD_INPUTS, max(N_GUARD_INPUTS, 10 * finding.n_guard_inputs))  # `guard --inputs`
            made = inputs_of(finding.pair_id, tests, many)
            inputs[finding.pair_id] = {shown_input(data) for data in made}
        most = len(inputs[finding.pair_id])
        if finding.n_guard_inputs > most:
            raise UserError(f"{where}: n_guard_inputs: {finding.n_guard_inputs}, the tests make {most} at most")
        if finding.n_guard_inputs != counts.setdefault(finding.pair_id, finding.n_guard_inputs):
            raise UserError(f"{where}: n_guard_inputs: differs from that of another answer of the pair")
        if finding.sanitizer is not None and not any(
            finding.sanitizer.startswith(f"test {test.test_id}: ") for test in tests
        ):
            raise UserError(f"{where}: sanitizer: names none of the pair's tests")
        for name in ("guard_input", "slower"):
            said = getattr(finding, name)
            if said is not None and not any(said.startswith(f"input {shown}: ") for shown in inputs[finding.pair_id]):
                raise UserError(f"{where}: {name}: names none of the pair's guard inputs")


def _whole(kind: type[R], where: str, record: Mapping[str, Any]) -> R:
    """The record as a `kind`, with exactly its fields. UserError, naming the field."""
    _check_fields(kind, where, record)
    try:
        return validated_as(kind, record)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None


def _check_fields(kind: Any, where: str, record: Mapping[str, Any]) -> None:
    unknown = record.keys() ^ {field.name for field in fields(kind)}
    if unknown:
        raise UserError(f"{where}: {min(unknown)}: missing, or unknown")


def _check_results(bundle: Bundle, plan: Plan) -> None:
    """Checks that results and entry equal what scoring these verdicts here gives."""
    results_path = bundle.run.results_path
    theirs = strict_json(results_path.read_bytes(), f"{bundle.path}: results.json")
    results = score(plan, bundle.run)
    ours = results.model_dump(mode="json")
    versions = theirs.get("versions") if isinstance(theirs, dict) else None
    _compare(f"{bundle.path}: results.json", theirs, ours | {"versions": versions})
    results = results.model_copy(update={"versions": versions})
    given = {name: getattr(bundle.entry, name) for name in _PROVENANCE}
    expected = entry_of(results, bundle.manifest, **given)
    _compare(f"{bundle.path}: entry.json", bundle.entry.model_dump(mode="json"), expected.model_dump(mode="json"))


def _compare(where: str, found: Any, expected: Any) -> None:
    """Raises UserError, naming the first part that differs."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted(found.keys() | expected.keys()):
            if name not in found or name not in expected:
                raise UserError(f"{where}.{name}: {'missing' if name in expected else 'unknown'}")
            _compare(f"{where}.{name}", found[name], expected[name])
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, (one, other) in enumerate(zip(found, expected, strict=True)):
            _compare(f"{where}.{index}", one, other)
    elif isinstance(found, float) and isinstance(expected, float):
        if not same(found, expected):
            raise UserError(f"{where}: it is {found!r}; recomputed: {expected!r}")
    elif found != expected or isinstance(found, bool) != isinstance(expected, bool):
        raise UserError(f"{where}: it is {found!r:.80}; recomputed: {expected!r:.80}")


def _named(key: Key) -> str:
    pair_id, role, index = key
    return f"pair {pair_id!r:.60}, {role} {index}"
