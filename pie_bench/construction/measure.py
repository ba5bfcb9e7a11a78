"""Determines which programs are right, on which tests, and how long they take; each program once, for all its pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.construction.database import ParquetRows, database, literal, one, rows, table, write_parquet
from pie_bench.construction.findings import Findings
from pie_bench.construction.recipe import Recipe, path_of
from pie_bench.construction.stage import Outcome, Workplace, metered
from pie_bench.construction.tests import in_order
from pie_bench.data.pair import TestCase
from pie_bench.errors import PieBenchError, UserError
from pie_bench.run.files import append_jsonl, iter_jsonl
from pie_bench.run.verdict import Candidate, TestResult, Verdict

if TYPE_CHECKING:
    from pie_bench.execution.executor import Executor
    from pie_bench.execution.pool import Pool

_STOPPED = "instruction_limit"  # judging's outcome; the tests after it were not run
_CHECKED = "columns={problem_id: 'VARCHAR', code_sha256: 'VARCHAR', outcome: 'VARCHAR', tests: 'MAP(VARCHAR, VARCHAR)'}"
_TIMED = (
    "columns={problem_id: 'VARCHAR', code_sha256: 'VARCHAR', outcome: 'VARCHAR', "
    "tests: 'MAP(VARCHAR, STRUCT(seconds DOUBLE, instructions BIGINT))', over: 'VARCHAR[]'}"
)


@dataclass(frozen=True)
class _Program:
    """A program of a problem, with the problem's tests."""

    problem_id: str
    code_sha256: str
    code: str
    tests: tuple[TestCase, ...]


def check_programs(workplace: Workplace, into: Path, executor: Executor | None, pool: Pool) -> Outcome:
    """Writes `right.parquet`: the programs that compile and are right on all kept tests; and `tests.parquet`: every
    test, whether it is kept, and how many compiling programs gave its output.

    Without an executor nothing is run, and all programs count as right.
    """
    recipe = workplace.recipe
    progress = into / "progress.jsonl"
    if executor is not None:
        _run_all(workplace, into, "compile and check", progress, pool, _native(executor), with_all_tests=True)
    programs = workplace.programs()
    tests = table(workplace.path("tests", "tests.parquet"))
    findings = Findings()
    with database(workplace.temporary) as connection:
        connection.execute(
            f"CREATE TEMP VIEW programs AS SELECT DISTINCT problem_id, code_sha256 FROM {programs} "
            f"WHERE problem_id IN (SELECT problem_id FROM {tests})"
        )
        if executor is None:
            connection.execute("CREATE TEMP TABLE checked AS SELECT *, 'ok' AS outcome FROM programs")
            connection.execute(
                "CREATE TEMP TABLE judged AS SELECT problem_id, test_id, origin, 0 AS passed, 0 AS of, true AS kept "
                f"FROM {tests}"
            )
            connection.execute("CREATE TEMP TABLE failed (problem_id VARCHAR, code_sha256 VARCHAR)")
        else:
            _keep_tests(connection, recipe, tests, progress)
        compiled = "outcome NOT IN ('compile_error', 'compile_timeout', 'no_code', 'infra_error')"
        enough = (
            f"SELECT problem_id FROM judged WHERE kept GROUP BY problem_id HAVING count(*) >= {recipe.check.min_tests}"
        )
        right = (
            f"SELECT problem_id, code_sha256 FROM checked ANTI JOIN failed USING (problem_id, code_sha256) "
            f"WHERE {compiled} AND problem_id IN ({enough}) ORDER BY problem_id, code_sha256"
        )
        counts = {
            "different programs": one(
                connection, f"SELECT count(*) FROM (SELECT DISTINCT problem_id, code_sha256 FROM {programs})"
            ),
            "of problems with tests": one(connection, "SELECT count(*) FROM programs"),
            "compiled": one(connection, f"SELECT count(*) FROM checked WHERE {compiled}"),
            "right on all kept tests": write_parquet(connection, right, into / "right.parquet"),
            "tests": one(connection, "SELECT count(*) FROM judged"),
            "tests kept": one(connection, "SELECT count(*) FROM judged WHERE kept"),
        }
        for outcome, count in connection.execute(
            "SELECT outcome, count(*) FROM checked WHERE outcome <> 'ok' GROUP BY outcome ORDER BY outcome"
        ).fetchall():
            counts[f"outcome {outcome}"] = count
        for problem in connection.execute(
            f"SELECT DISTINCT problem_id FROM judged WHERE problem_id NOT IN ({enough}) ORDER BY 1"
        ).fetchall():
            findings.add("problem with too few tests that programs agree on", problem[0])
        write_parquet(connection, "FROM judged ORDER BY problem_id, test_id", into / "tests.parquet")
    progress.unlink(missing_ok=True)
    return Outcome(counts, findings, {})


def _keep_tests(connection: Any, recipe: Recipe, tests: str, progress: Path) -> None:
    """Creates `checked` (programs), `judged` (tests) and `failed` (programs that are wrong on a kept test)."""
    check = recipe.check
    results = f"read_json({literal(progress)}, format='newline_delimited', {_CHECKED})"
    connection.execute(f"CREATE TEMP TABLE checked AS SELECT problem_id, code_sha256, outcome FROM {results}")
    connection.execute(
        "CREATE TEMP TABLE ran AS SELECT problem_id, code_sha256, entry.key AS test_id, entry.value AS outcome FROM "
        f"(SELECT problem_id, code_sha256, unnest(map_entries(tests)) AS entry FROM {results})"
    )
    connection.execute(
        "CREATE TEMP TABLE judged AS SELECT problem_id, test_id, any_value(origin) AS origin, "
        "count(outcome) FILTER (outcome = 'ok') AS passed, count(outcome) AS of, "
        f"passed >= {check.min_programs} AND passed >= {check.agreement} * of AS kept "
        f"FROM (SELECT problem_id, test_id, origin FROM {tests}) LEFT JOIN ran USING (problem_id, test_id) "
        "GROUP BY problem_id, test_id"
    )
    connection.execute(
        "CREATE TEMP TABLE failed AS SELECT DISTINCT problem_id, code_sha256 FROM ran JOIN judged "
        "USING (problem_id, test_id) WHERE kept AND outcome <> 'ok'"
    )


def _native(executor: Executor) -> Callable[[_Program], dict[str, Any]]:
    """Compiles a program and runs it on every test: returns the outcome of each, including those after one that it does
    not finish."""

    def judge(program: _Program) -> dict[str, Any]:
        outcomes: dict[str, str] = {}
        tests: Sequence[TestCase] = program.tests
        while True:
            verdict = executor.execute(_candidate(program), tests, measured=False)
            _refuse_failure_of_ours(program, verdict)
            if not verdict.tests:
                return {"outcome": verdict.outcome, "tests": {}}
            ran = _until_stopped(verdict.tests)
            outcomes |= {result.test_id: result.outcome for result in ran}
            tests = tests[len(ran) :]
            if not tests:
                break
        first = next((outcome for outcome in outcomes.values() if outcome != "ok"), "ok")
        return {"outcome": first, "tests": outcomes}

    return judge


def _until_stopped(results: Sequence[TestResult]) -> Sequence[TestResult]:
    stopped = next((place for place, result in enumerate(results) if result.outcome == _STOPPED), len(results) - 1)
    return results[: stopped + 1]


def _candidate(program: _Program) -> Candidate:
    return Candidate(f"{program.problem_id} {program.code_sha256[:16]}", "source", 0, program.code)


def _refuse_failure_of_ours(program: _Program, verdict: Verdict) -> None:
    if verdict.outcome == "infra_error":
        raise PieBenchError(
            f"problem {program.problem_id}, program {program.code_sha256[:16]}: {verdict.detail or 'not judged'} "
            "(not the program's fault); rerun the same command to continue"
        )


def relabel(workplace: Workplace, into: Path, executor: Executor | None, pool: Pool) -> Outcome:
    """Writes `times.parquet`: seconds of every right program on every remaining test; and `programs.parquet`: their
    sums.

    A test that exceeds a limit for any program is dropped for the whole problem. Times come from the executor's
    simulator or, without one, from the recipe's recorded times.
    """
    recipe = workplace.recipe
    progress = into / "progress.jsonl"
    if executor is not None:
        _run_all(workplace, into, "measure", progress, pool, _simulated(executor), with_all_tests=False)
        results = f"read_json({literal(progress)}, format='newline_delimited', {_TIMED})"
    else:
        results = "recorded"
    right = table(workplace.path("check", "right.parquet"))
    limits = recipe.limits
    over = " OR ".join(
        f"{column} > {limit}"
        for column, limit in (("seconds", limits.max_seconds), ("instructions", limits.max_instructions))
        if limit is not None
    )
    with database(workplace.temporary) as connection:
        if executor is None:
            _load_recorded(connection, workplace)
        else:
            connection.execute(
                "CREATE TEMP TABLE timed AS SELECT problem_id, code_sha256, entry.key AS test_id, "
                "entry.value.seconds AS seconds, entry.value.instructions AS instructions FROM (SELECT problem_id, "
                f"code_sha256, unnest(map_entries(tests)) AS entry FROM {results} WHERE outcome = 'ok')"
            )
            connection.execute(f"CREATE TEMP TABLE over AS SELECT problem_id, unnest(over) AS test_id FROM {results}")
            connection.execute(
                f"CREATE TEMP TABLE outcomes AS SELECT outcome, count(*) AS n FROM {results} GROUP BY outcome"
            )
        if over:
            connection.execute(f"INSERT INTO over SELECT DISTINCT problem_id, test_id FROM timed WHERE {over}")
        # A program counts if it has a time on every remaining test.
        connection.execute(
            "CREATE TEMP TABLE stay AS SELECT DISTINCT problem_id, test_id FROM timed "
            "ANTI JOIN over USING (problem_id, test_id)"
        )
        connection.execute(
            "CREATE TEMP TABLE whole AS SELECT problem_id, code_sha256 FROM timed "
            "JOIN stay USING (problem_id, test_id) GROUP BY problem_id, code_sha256 HAVING count(*) = "
            "(SELECT count(*) FROM stay WHERE stay.problem_id = timed.problem_id)"
        )
        times = (
            "SELECT problem_id, code_sha256, test_id, seconds FROM timed JOIN stay USING (problem_id, test_id) "
            "JOIN whole USING (problem_id, code_sha256) ORDER BY problem_id, code_sha256, test_id"
        )
        write_parquet(connection, times, into / "times.parquet")
        _write_sums(connection, into)
        counts = {
            "right on all kept tests": one(connection, f"SELECT count(*) FROM {right}"),
            "measured": one(connection, f"SELECT count(*) FROM {table(into / 'programs.parquet')}"),
            "tests over a limit": one(
                connection, "SELECT count(*) FROM (SELECT DISTINCT problem_id, test_id FROM over)"
            ),
            "problems": one(connection, f"SELECT count(DISTINCT problem_id) FROM {table(into / 'programs.parquet')}"),
        }
        for outcome, count in connection.execute(
            "SELECT outcome, n FROM outcomes WHERE outcome <> 'ok' ORDER BY 1"
        ).fetchall():
            counts[f"outcome {outcome}"] = count
        findings = Findings()
        for problem, test in connection.execute(
            "SELECT DISTINCT problem_id, test_id FROM over ORDER BY 1, 2"
        ).fetchall():
            findings.add("test over a limit, dropped for its problem", f"{problem}: test {test}")
    progress.unlink(missing_ok=True)
    return Outcome(counts, findings, {})


def _write_sums(connection: Any, into: Path) -> None:
    """Sums in the order of the tests' numbers, each rounded once, so that they are the same on every machine."""
    schema = {"problem_id": "string", "code_sha256": "string", "seconds": "float64"}
    with ParquetRows(into / "programs.parquet", schema) as out:
        query = (
            f"SELECT problem_id, code_sha256, list(seconds) AS seconds FROM {table(into / 'times.parquet')} "
            "GROUP BY problem_id, code_sha256 ORDER BY problem_id, code_sha256"
        )
        for row in rows(connection, query):
            out.add(row | {"seconds": math.fsum(row["seconds"])})


def _simulated(executor: Executor) -> Callable[[_Program], dict[str, Any]]:
    """A program's time on every test that it finishes within the environment's limit, and the list of other tests."""

    def measure(program: _Program) -> dict[str, Any]:
        over: list[str] = []
        tests = list(program.tests)
        while tests:
            verdict = executor.execute(_candidate(program), tests)
            _refuse_failure_of_ours(program, verdict)
            stopped = [result.test_id for result in verdict.tests if result.outcome == _STOPPED]
            if verdict.outcome != _STOPPED or not stopped:
                times = {r.test_id: {"seconds": r.seconds, "instructions": r.instructions} for r in verdict.tests}
                right = verdict.outcome == "ok"
                return {"outcome": verdict.outcome, "tests": times if right else {}, "over": over if right else []}
            # Short inputs come first, and the first that exceeds the limit stands for all later ones: drop one at a
            # time.
            first = min((test for test in tests if test.test_id in stopped), key=lambda test: len(test.input))
            over.append(first.test_id)
            tests.remove(first)
        return {"outcome": _STOPPED, "tests": {}, "over": over}

    return measure


def _load_recorded(connection: Any, workplace: Workplace) -> None:
    """Recorded times: JSON Lines of `submission_id` and `seconds`, by test id."""
    recipe = workplace.recipe
    assert recipe.times is not None, "without an executor times are recorded"
    path = path_of(recipe.times.path, workplace.base)
    if not path.is_file():
        raise UserError(f"recipe {recipe.dataset}: {path}: no such file of recorded times")
    programs = workplace.programs()
    right = table(workplace.path("check", "right.parquet"))
    kept = f"SELECT problem_id, test_id FROM {table(workplace.path('check', 'tests.parquet'))} WHERE kept"
    recorded = (
        f"read_json({literal(path)}, format='newline_delimited', "
        "columns={submission_id: 'VARCHAR', seconds: 'MAP(VARCHAR, DOUBLE)'})"
    )
    # If a program was submitted twice, the first submission's times count: a program has one time.
    first = (
        "SELECT problem_id, code_sha256, seconds FROM (SELECT problem_id, code_sha256, seconds, row_number() OVER "
        "(PARTITION BY problem_id, code_sha256 ORDER BY date, submission_id) AS nth "
        f"FROM {programs} JOIN {recorded} USING (submission_id) JOIN {right} USING (problem_id, code_sha256)) "
        "WHERE nth = 1"
    )
    connection.execute(
        "CREATE TEMP TABLE timed AS SELECT problem_id, code_sha256, entry.key AS test_id, entry.value AS seconds, "
        f"NULL::BIGINT AS instructions FROM (SELECT problem_id, code_sha256, unnest(map_entries(seconds)) AS entry "
        f"FROM ({first}))"
    )
    connection.execute(f"DELETE FROM timed WHERE (problem_id, test_id) NOT IN ({kept})")
    connection.execute("CREATE TEMP TABLE over (problem_id VARCHAR, test_id VARCHAR)")
    connection.execute(
        f"CREATE TEMP TABLE outcomes AS SELECT 'without recorded times' AS outcome, count(*) AS n FROM {right} "
        "ANTI JOIN timed USING (problem_id, code_sha256) HAVING count(*) > 0"
    )


def _run_all(
    workplace: Workplace,
    into: Path,
    title: str,
    progress: Path,
    pool: Pool,
    judge: Callable[[_Program], dict[str, Any]],
    *,
    with_all_tests: bool,
) -> None:
    """Judges every program without a line in `progress`, and appends one for each."""
    programs = workplace.programs()
    tests = f"FROM {table(workplace.path('tests', 'tests.parquet'))}"
    if with_all_tests:
        todo = f"SELECT problem_id, code_sha256, any_value(code) AS code FROM {programs} GROUP BY 1, 2"
    else:
        right = table(workplace.path("check", "right.parquet"))
        kept = table(workplace.path("check", "tests.parquet"))
        todo = (
            f"SELECT problem_id, code_sha256, any_value(code) AS code FROM {programs} "
            f"JOIN {right} USING (problem_id, code_sha256) GROUP BY 1, 2"
        )
        tests = f"{tests} JOIN (SELECT problem_id, test_id FROM {kept} WHERE kept) USING (problem_id, test_id)"
    for _ in iter_jsonl(progress):  # removes a partial line left by a killed process
        break
    done = (
        f"SELECT problem_id, code_sha256 FROM read_json({literal(progress)}, format='newline_delimited', "
        "columns={problem_id: 'VARCHAR', code_sha256: 'VARCHAR'})"
        if progress.is_file()
        else "SELECT NULL::VARCHAR AS problem_id, NULL::VARCHAR AS code_sha256 WHERE false"
    )
    progress.touch()

    def record(program: _Program) -> None:
        found = judge(program)
        append_jsonl(progress, {"problem_id": program.problem_id, "code_sha256": program.code_sha256, **found})

    with database(workplace.temporary) as connection:
        ready = write_parquet(connection, done, into / "done.parquet")
        total = one(connection, f"SELECT count(*) FROM ({todo})")
        missing = (
            f"SELECT * FROM ({todo}) ANTI JOIN {table(into / 'done.parquet')} USING (problem_id, code_sha256) "
            "ORDER BY problem_id, code_sha256"
        )
        with metered(title, total, "program") as meter:
            meter.done = meter.before = ready
            for _ in pool.map_unordered(record, _programs(workplace, missing, tests)):
                meter.advance()
    (into / "done.parquet").unlink()


def _programs(workplace: Workplace, missing: str, tests: str) -> Iterator[_Program]:
    """The programs with their problem's tests, which are read once per problem. The pool consumes this in its own
    thread, hence the separate connections."""
    with database(workplace.temporary) as connection, database(workplace.temporary) as beside:
        problem: str | None = None
        cases: tuple[TestCase, ...] = ()
        for row in rows(connection, missing):
            if row["problem_id"] != problem:
                problem = row["problem_id"]
                query = f"SELECT test_id, input, output {tests} WHERE problem_id = {literal(str(problem))}"
                found = sorted(rows(beside, query), key=lambda test: in_order(test["test_id"]))
                cases = tuple(TestCase(t["test_id"], bytes(t["input"]), bytes(t["output"])) for t in found)
            if cases:
                yield _Program(row["problem_id"], row["code_sha256"], row["code"], cases)
