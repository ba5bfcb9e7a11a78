"""Stage two: selects the programs that do something new, grouped into classes of equal behaviour."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pie_bench.adapt.selfplay.behaviour import Behaviour, behaviour, does_the_same, normalised, outputs_of, signature
from pie_bench.adapt.selfplay.draws import Draw, eligible
from pie_bench.adapt.selfplay.funnel import Step, narrowed, write_funnel
from pie_bench.adapt.selfplay.place import NewProgram, Place, ProgramClass, write_dataset
from pie_bench.adapt.selfplay.problems import Problems, Program, encodable
from pie_bench.adapt.selfplay.task import SelfPlayTask, load_preset
from pie_bench.cpp import text_sum
from pie_bench.data.pair import TestCase
from pie_bench.errors import PieBenchError
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.hashing import hash_of, sha256
from pie_bench.progress import program_bar
from pie_bench.run.files import append_jsonl, iter_jsonl, validated, write_jsonl
from pie_bench.run.generation import Generation
from pie_bench.run.manifest import Settings
from pie_bench.run.verdict import Candidate
from pie_bench.stages.execute import candidate_of

if TYPE_CHECKING:
    from pie_bench.execution.executor import Executor
    from pie_bench.execution.pool import Pool

Against = Literal["every", "fastest"]
T = TypeVar("T")

_RAN, _KNOWN, _OUTPUTS = "ran.jsonl", "known.jsonl", "outputs.jsonl"
_PROBE_PROBLEMS, _PROBES_EACH = 10, 20  # like the authors: the first inputs of ten problems
_FAILED = ("runtime_error", "instruction_limit", "memory_limit", "output_limit", "unsupported", "infra_error")
# The reasons to drop a program, in the order in which they are checked.
_STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("answers", ()),
    ("with a program", ("no_code", "truncated")),
    ("different", ("copy",)),
    ("of no text in the dataset", ("known_text",)),
    ("compile", ("compile_error", "compile_timeout")),
    ("look for nothing forbidden", ("forbidden",)),
    ("run on every input", _FAILED),
    ("do the same twice", ("nondeterministic",)),
    ("depend on the input", ("constant_output", "ignores_input")),
    ("do what no program of the dataset does", ("solves_its_problem", "known_behaviour")),
)


@dataclass(frozen=True)
class _Asked:
    """A distinct program among the answers, and how many answers contain it."""

    candidate: Candidate
    text_sha256: str
    copies: int = 1


def filter_programs(
    place: Place,
    executor: Executor,
    pool: Pool,
    *,
    against: Against = "every",
    representatives: int = 1,
    visible: bool = True,
) -> list[Step]:
    """Filters what was generated, in a folder that the caller has locked; reuses earlier findings.

    `against`: whether a program must differ from every program of the dataset, or only from the fastest of each problem
    (the paper). `representatives`: how many members of a class to optimise.
    UserError if nothing was generated; PieBenchError if a program of the dataset could not be run.
    """
    settings = place.generate.read_manifest().settings
    draws = place.draws()
    problems = Problems(settings.dataset or _task_of(settings).dataset)
    asked, lost = _different(draws, place.generate.read_generations())
    known_texts = {program.text_sha256: program for program in problems.programs}
    to_run = {each.text_sha256: each for each in asked if each.text_sha256 not in known_texts}
    probes = _Probes(problems, eligible(_task_of(settings), problems))
    keys = _keys(to_run.values(), problems, probes, executor)
    ran = _run_all(place, to_run, keys, problems, probes, executor, pool, visible)
    place.funnel_path("filter").unlink(missing_ok=True)  # its presence marks what follows as complete
    while True:
        same = _known(place, to_run, ran, problems, against, executor, pool, visible)
        programs = [
            _new_program(each, known_texts, ran.get(each.text_sha256), same, problems, probes) for each in asked
        ]
        programs, classes = _classes(_without_copies(programs), probes, problems, representatives)
        unsteady = _write_representatives(place, programs, classes, problems, executor, pool, visible)
        if not unsteady:
            break
        for each, program in zip(asked, programs, strict=True):
            if program.code_sha256 in unsteady:  # only a third run revealed it
                text = each.text_sha256
                ran[text] = replace(ran[text], outcome="nondeterministic", detail="in its third run")
                append_jsonl(place.filter / _RAN, {"key": keys[text], **asdict(ran[text])})
    write_jsonl(place.programs_path, (each.to_json() for each in programs))
    write_jsonl(place.classes_path, (each.to_json() for each in classes))
    copies = sum(each.copies - 1 for each in programs)
    outcomes = [*lost, *["copy"] * copies, *(each.outcome for each in programs)]
    steps = [*narrowed(_STEPS, outcomes), Step("classes of programs that do the same", len(classes))]
    write_funnel(place.funnel_path("filter"), steps)
    return steps


def _task_of(settings: Settings) -> SelfPlayTask:
    return load_preset(settings.task, None if settings.include_path is None else Path(settings.include_path))


def _different(
    draws: Iterable[Draw], generations: Mapping[tuple[str, int], Generation]
) -> tuple[list[_Asked], list[str]]:
    """The distinct programs, in order of draws and samples, and the reasons of answers without one."""
    by_pair: dict[str, list[Generation]] = {}
    for key in sorted(generations):
        by_pair.setdefault(key[0], []).append(generations[key])
    found: dict[str, _Asked] = {}
    lost: list[str] = []
    for draw in draws:
        pair = draw.as_pair()
        for generation in by_pair.get(draw.pair_id, ()):
            candidate = candidate_of(generation, pair)
            if candidate.code is None:
                lost.append(candidate.reason)
                continue
            alternatives = tuple(map(encodable, candidate.alternatives))
            candidate = replace(candidate, code=encodable(candidate.code), alternatives=alternatives)
            text = text_sum(candidate.code or "")
            if text in found:
                found[text] = replace(found[text], copies=found[text].copies + 1)
            else:
                found[text] = _Asked(candidate, text)
    return list(found.values()), lost


class _Probes:
    """The extra inputs on which to observe a program, besides its problem's own: the first inputs of some problems with
    the same input format, and the same ones for all programs of that format."""

    def __init__(self, problems: Problems, ids: Iterable[str]):
        by_format: dict[str, list[str]] = {}
        self._problems = problems
        self._format = {each: problems.input_format(each) for each in ids}
        for each, its_format in self._format.items():
            by_format.setdefault(its_format, []).append(each)
        self._chosen = {}
        for its_format, members in by_format.items():
            shuffled = sorted(members)
            random.Random(its_format).shuffle(shuffled)
            self._chosen[its_format] = sorted(shuffled[:_PROBE_PROBLEMS])

    def of(self, problem_id: str) -> list[bytes]:
        chosen = self._chosen[self._format[problem_id]]
        inputs = [test.input for each in chosen for test in self._problems.tests(each)[:_PROBES_EACH]]
        return list(dict.fromkeys(inputs))


def _each_once(
    path: Path, items: Mapping[str, T], make: Callable[[T], dict[str, Any]], pool: Pool, title: str, visible: bool
) -> dict[str, dict[str, Any]]:
    """Applies `make` to each item, by key. Each result is written to a file at once and computed only once; at the end
    the file holds exactly these results, sorted. An `infra_error` is computed anew the next time."""
    known = {record["key"]: record for record in iter_jsonl(path) if record.get("key") in items}
    missing = [(key, item) for key, item in items.items() if key not in known]
    path.parent.mkdir(parents=True, exist_ok=True)

    def call(entry: tuple[str, T]) -> dict[str, Any]:
        return {"key": entry[0], **make(entry[1])}

    with program_bar(title, visible=visible and bool(missing)) as advance:
        for record in pool.map_unordered(call, missing):
            if record.get("outcome") != "infra_error":
                append_jsonl(path, record)
            known[record["key"]] = record
            advance(len(missing))
    write_jsonl(path, (known[key] for key in sorted(known) if known[key].get("outcome") != "infra_error"))
    return known


def _twice(what: str, find_out: Callable[[], T]) -> T:
    """The result of `find_out`, retried once if it fails on our side. PieBenchError if it fails again."""
    try:
        return find_out()
    except SandboxError:
        try:
            return find_out()
        except SandboxError as error:
            raise PieBenchError(
                f"{what}: {error} (not the program's fault); rerun the same command to continue"
            ) from None


def _keys(asked: Iterable[_Asked], problems: Problems, probes: _Probes, executor: Executor) -> dict[str, str]:
    """The hash of all that decides each program's behaviour, by its text."""

    def key(each: _Asked) -> str:
        tests = problems.tests(each.candidate.problem_id)
        sums = [[sha256(test.input), sha256(test.expected_output)] for test in tests]
        probed = list(map(sha256, probes.of(each.candidate.problem_id)))
        candidate = each.candidate
        texts = [candidate.code, *candidate.alternatives, candidate.src_code]
        return hash_of([executor.environment.environment_id, candidate.problem_id, texts, sums, probed])

    return {each.text_sha256: key(each) for each in asked}


def _run_all(
    place: Place,
    asked: Mapping[str, _Asked],
    keys: Mapping[str, str],
    problems: Problems,
    probes: _Probes,
    executor: Executor,
    pool: Pool,
    visible: bool,
) -> dict[str, Behaviour]:
    """Each program's behaviour, by its text."""

    def make(each: _Asked) -> dict[str, Any]:
        problem_id = each.candidate.problem_id
        return asdict(behaviour(each.candidate, problems.tests(problem_id), probes.of(problem_id), executor))

    items = {keys[text]: each for text, each in asked.items()}
    records = _each_once(place.filter / _RAN, items, make, pool, "run    ", visible)
    behaviours = {
        key: validated(Behaviour, {name: value for name, value in record.items() if name != "key"})
        for key, record in records.items()
    }
    return {text: behaviours[keys[text]] for text in asked}


def _known(
    place: Place,
    to_run: Mapping[str, _Asked],
    ran: Mapping[str, Behaviour],
    problems: Problems,
    against: Against,
    executor: Executor,
    pool: Pool,
    visible: bool,
) -> dict[tuple[str, str], str]:
    """Signatures (with their problem) that a program of the dataset shares, mapped to the problem of one such
    program."""
    wanted: dict[str, dict[str, Sequence[str]]] = {}
    for text, each in to_run.items():
        if ran[text].outcome == "ok":
            problem_id = each.candidate.problem_id
            inputs = [test.input for test in problems.tests(problem_id)]
            wanted.setdefault(problem_id, {})[signature(inputs, ran[text].outputs)] = ran[text].outputs
    wanted = {each: dict(sorted(wanted[each].items())) for each in sorted(wanted)}
    tests = {each: problems.tests(each) for each in wanted}
    asked_about = hash_of([executor.environment.environment_id, wanted])

    def make(program: Program) -> dict[str, Any]:
        what = f"problem {program.problem_id}, program {program.text_sha256[:16]}"
        return {"same": _twice(what, lambda: does_the_same(program.code, wanted, tests, executor))}

    programs = problems.compared(against) if wanted else ()
    items = {hash_of([asked_about, program.text_sha256]): program for program in programs}
    records = _each_once(place.filter / _KNOWN, items, make, pool, "compare", visible)
    found: dict[tuple[str, str], str] = {}
    for key in sorted(records, key=lambda each: items[each].problem_id):
        for problem_id, signatures in records[key]["same"].items():
            for each in signatures:
                found.setdefault((problem_id, each), items[key].problem_id)
    return found


def _new_program(
    each: _Asked,
    known_texts: Mapping[str, Program],
    ran: Behaviour | None,
    same: Mapping[tuple[str, str], str],
    problems: Problems,
    probes: _Probes,
) -> NewProgram:
    candidate = each.candidate
    code = (ran.code if ran is not None and ran.code else candidate.code) or ""
    outcome, detail = (
        (ran.outcome, ran.detail)
        if ran is not None
        else ("known_text", f"of problem {known_texts[each.text_sha256].problem_id}")
    )
    on_problem = on_all = None
    if ran is not None and outcome == "ok":
        inputs = [test.input for test in problems.tests(candidate.problem_id)]
        on_problem, on_all = signature(inputs, ran.outputs), signature(probes.of(candidate.problem_id), ran.probes)
        if (candidate.problem_id, on_problem) in same:
            outcome, detail = "known_behaviour", f"of problem {same[candidate.problem_id, on_problem]}"
    return NewProgram(
        pair_id=candidate.pair_id,
        sample_index=candidate.sample_index,
        problem_id=candidate.problem_id,
        code=code,
        code_sha256=sha256(code.encode(errors="replace")),
        copies=each.copies,
        outcome=outcome,
        detail=detail,
        on_problem=on_problem,
        on_all=on_all,
    )


def _without_copies(programs: Iterable[NewProgram]) -> list[NewProgram]:
    """Drops programs that occur twice: where an answer's last program does not compile, an earlier one replaces it."""
    seen: set[str] = set()
    found = []
    for program in programs:
        is_copy = program.outcome == "ok" and program.code_sha256 in seen
        seen.add(program.code_sha256)
        found.append(replace(program, outcome="copy", on_problem=None, on_all=None) if is_copy else program)
    return found


def _classes(
    programs: Sequence[NewProgram], probes: _Probes, problems: Problems, representatives: int
) -> tuple[list[NewProgram], list[ProgramClass]]:
    """The programs with their classes, and the classes, in order of their first members.

    Programs of one problem are equivalent if they agree on its tests and on the probes. Programs of several problems
    are equivalent if they agree on the probes and no problem's tests distinguish any two of them.
    """
    by_probes: dict[str, list[NewProgram]] = {}
    for program in programs:
        if program.outcome == "ok" and program.on_all is not None:
            by_probes.setdefault(program.on_all, []).append(program)
    members: dict[str, list[NewProgram]] = {}
    class_of: dict[str, str] = {}
    for on_all, alike in by_probes.items():
        behaviours = {(program.problem_id, program.on_problem) for program in alike}
        one = len(behaviours) == len({problem_id for problem_id, _ in behaviours})
        for program in alike:
            key = [on_all] if one else [on_all, program.problem_id, program.on_problem]
            class_id = hash_of(key)[:16]
            class_of[program.code_sha256] = class_id
            members.setdefault(class_id, []).append(program)
    order = {program.code_sha256: number for number, program in enumerate(programs)}
    classes = []
    for class_id, alike in sorted(members.items(), key=lambda entry: order[entry[1][0].code_sha256]):
        problem_ids = sorted({program.problem_id for program in alike})
        own = {test.input for each in problem_ids for test in problems.tests(each)} if len(problem_ids) == 1 else set()
        classes.append(
            ProgramClass(
                class_id=class_id,
                problem_ids=tuple(problem_ids),
                inputs=len(own | set(probes.of(problem_ids[0]))),
                members=tuple(program.code_sha256 for program in alike),
                representatives=tuple(f"{class_id}-{number}" for number in range(min(representatives, len(alike)))),
            )
        )
    return [replace(program, class_id=class_of.get(program.code_sha256)) for program in programs], classes


def _write_representatives(
    place: Place,
    programs: Sequence[NewProgram],
    classes: Sequence[ProgramClass],
    problems: Problems,
    executor: Executor,
    pool: Pool,
    visible: bool,
) -> list[str]:
    """Writes the dataset `representatives`: rows whose tests are the problem's inputs with the program's own outputs.

    If the output of some programs has changed, writes nothing and returns their hashes.
    """
    by_sum = {program.code_sha256: program for program in programs}
    chosen = {
        pair_id: by_sum[member]
        for each in classes
        for pair_id, member in zip(each.representatives, each.members, strict=False)
    }

    def make(program: NewProgram) -> dict[str, Any]:
        what = f"draw {program.pair_id}, sample {program.sample_index}"
        found = _twice(what, lambda: outputs_of(program.code, problems.tests(program.problem_id), executor))
        return {"outputs": [base64.b64encode(output).decode() for output in found]}

    keys = {
        pair_id: hash_of([executor.environment.environment_id, program.code, program.on_problem])
        for pair_id, program in chosen.items()
    }
    items = {keys[pair_id]: program for pair_id, program in chosen.items()}
    records = _each_once(place.filter / _OUTPUTS, items, make, pool, "outputs", visible)
    rows: list[dict[str, Any]] = []
    tests: dict[str, list[TestCase]] = {}
    unsteady: list[str] = []
    for pair_id, program in chosen.items():
        inputs = problems.tests(program.problem_id)
        outputs = [base64.b64decode(output) for output in records[keys[pair_id]]["outputs"]]
        sums = [sha256(normalised(output)) for output in outputs]
        if signature([test.input for test in inputs], sums) != program.on_problem:
            unsteady.append(program.code_sha256)
            continue
        problem_id = f"synthetic-{pair_id}"
        tests[problem_id] = [
            replace(test, expected_output=output) for test, output in zip(inputs, outputs, strict=True)
        ]
        rows.append(
            {
                "pair_id": pair_id,
                "problem_id": problem_id,
                "src_id": program.code_sha256[:16],
                "tgt_id": program.code_sha256[:16],
                "src_code": program.code,
                "tgt_code": program.code,  # no faster one is known yet
                "tests": [test.test_id for test in inputs],
                "kind": "synthetic",
                "language": "cpp",
            }
        )
    if not unsteady:
        write_dataset(place.representatives, "test", rows, tests)
    return unsteady
