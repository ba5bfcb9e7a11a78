"""A run's files with arbitrary contents: every command on the run succeeds or names the broken file."""

import contextlib
import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from benchmarks.made_run import make_dataset, make_run
from pie_bench.errors import UserError
from pie_bench.report.analyses import ANALYSES
from pie_bench.report.page import make_pictures, render
from pie_bench.run.guard import GuardFinding
from pie_bench.run.measurement import Measurement
from pie_bench.run.run import Run
from pie_bench.stages.execute import counts
from pie_bench.stages.finished import FinishedRun
from pie_bench.stages.plan import plan_of
from pie_bench.stages.score import score
from pie_bench.store import GenerationStore, MeasurementStore
from tests.fuzz.damage import changed, damaged

FILES = ("manifest.json", "generations.jsonl", "verdicts.jsonl", "guards.jsonl", "results.json")
EXAMPLES = 300 if os.environ.get("PIE_BENCH_TEST_ALL") == "1" else 12
MEASUREMENT = Measurement("b", "i", "s", "ok", 0, "o", {"Ir": 5}, {"Ir": 2})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A scored run with guards, three pairs of two problems."""
    folder = tmp_path_factory.mktemp("made")
    make_dataset(folder / "data", pairs=3, problems=2, tests=2)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PIE_DATA_DIR", str(folder / "data"))
        directory = make_run(folder / "run", 2, 0)
        plan = plan_of(directory)
        text = directory.verdicts_path.read_text().replace('"code_sha256": null', f'"code_sha256": "{"a" * 64}"')
        directory.verdicts_path.write_text(text)
        verdicts = map(json.loads, text.splitlines())
        finding = {"sanitizer": "test 0: line 1: x", "guard_input": None, "n_guard_inputs": 2}
        for verdict in verdicts:
            if verdict["role"] == "candidate" and verdict["outcome"] == "ok":
                named = {name: verdict[name] for name in ("pair_id", "sample_index", "code_sha256", "environment_id")}
                directory.append(GuardFinding(**named, **finding))
        score(plan, directory)
        yield directory.path


def damage(data: st.DataObject, path: Path) -> None:
    """One of a run's files: its bytes, or a value of it."""
    content = path.read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(damaged(content)))
    elif path.suffix == ".json":
        path.write_text(json.dumps(data.draw(changed(json.loads(content)))))
    else:
        lines = content.splitlines()
        number = data.draw(st.integers(0, len(lines) - 1))
        lines[number] = json.dumps(data.draw(changed(json.loads(lines[number])))).encode()
        path.write_bytes(b"\n".join(lines) + b"\n")


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=EXAMPLES, phases=[Phase.generate], report_multiple_bugs=False)  # one is a few edits already
@given(data=st.data())
def test_any_file(name: str, made: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = Run(tmp_path_factory.mktemp("fuzz") / "run")
    shutil.copytree(made, directory.path)
    damage(data, directory.path / name)
    before = {path.name: path.read_bytes() for path in directory.path.iterdir() if path.name != name}
    try:
        run = FinishedRun(directory.path)
        for analysis in ANALYSES.values():
            analysis(run)
        render([run], make_pictures([run]), [{}])
    except UserError as error:
        assert "\n" not in str(error)
    with contextlib.suppress(UserError):
        counts(plan_of(directory), directory)
    assert before == {path.name: path.read_bytes() for path in directory.path.iterdir() if path.name != name}
    with contextlib.suppress(UserError):
        score(plan_of(directory), directory)


@given(data=st.data())
def test_a_damaged_store_forgets_and_goes_on(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("store")
    MeasurementStore(folder / "m.sqlite").put(MEASUREMENT)
    GenerationStore(folder / "g.sqlite").put("key", {"text": "x"})
    value = data.draw(st.text() | changed(vars(MEASUREMENT)).map(json.dumps))
    for name, table in (("m", "measurement"), ("g", "generation")):
        with sqlite3.connect(folder / f"{name}.sqlite") as connection:
            connection.execute(f"UPDATE {table} SET record = ?", (value.encode(errors="replace").decode(),))
        connection.close()
    known = MeasurementStore(folder / "m.sqlite").get("b", ["i"], "s")
    assert all(type(count) is int for measurement in known.values() for count in measurement.counters.values())
    kept = GenerationStore(folder / "g.sqlite").get("key")
    assert kept is None or isinstance(kept, dict)
