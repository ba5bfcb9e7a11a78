"""What is kept survives a kill at any moment."""

import json
import multiprocessing
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_bench.cli.main import main
from pie_bench.errors import UserError
from pie_bench.run.files import append_jsonl, read_jsonl, write_json
from pie_bench.run.guard import GuardFinding
from pie_bench.run.measurement import Measurement, Profile
from pie_bench.run.run import Run
from pie_bench.run.verdict import Verdict
from pie_bench.store import GenerationStore, MeasurementStore, merge_stores, network_type

MEASUREMENT = Measurement("b", "i", "s", "ok", 0, "o", {"Ir": 5}, {"Ir": 2})


def test_measurements_are_kept_by_binary_input_and_simulation(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path / "m.sqlite")
    store.put(MEASUREMENT)
    store.put(replace(MEASUREMENT, input_sha256="i2", counters={"Ir": 7}))
    store.close()
    store = MeasurementStore(tmp_path / "m.sqlite")
    assert store.get("b", ["i", "i2", "i3"], "s") == {
        "i": MEASUREMENT,
        "i2": replace(MEASUREMENT, input_sha256="i2", counters={"Ir": 7}),
    }
    assert store.get("other", ["i"], "s") == {} == store.get("b", ["i"], "other")


def test_an_error_of_ours_is_not_kept(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path / "m.sqlite")
    store.put(replace(MEASUREMENT, outcome="infra_error"))
    assert store.get("b", ["i"], "s") == {}


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.sqlite").write_text("this is not a database, but it is long enough to be taken for one" * 20)
    with pytest.raises(UserError, match=r"m\.sqlite: not a usable measurement store"):
        MeasurementStore(tmp_path / "m.sqlite")


def test_a_full_disk_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = MeasurementStore(tmp_path / "m.sqlite")
    store.put(MEASUREMENT)
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    more = [replace(MEASUREMENT, input_sha256=str(number), detail="x" * 4000) for number in range(10)]
    for measurement in more:
        store.put(measurement)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "m.sqlite: measurements are no longer kept for other runs (database or disk is full)" in said
    known = store.get("b", ["i", *map(str, range(10))], "s")
    assert known == {"i": MEASUREMENT} | {measurement.input_sha256: measurement for measurement in more}


def test_a_cache_that_cannot_be_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = MeasurementStore(tmp_path / "file" / "m.sqlite")
    assert "warning: " in (said := capsys.readouterr().err)
    assert "m.sqlite: the measurement store cannot be written" in said
    store.put(MEASUREMENT)
    assert store.get("b", ["i"], "s") == {"i": MEASUREMENT}
    answers = GenerationStore(tmp_path / "file" / "g.sqlite")
    answers.put("key", {"text": "x"})
    assert (answers.writable, answers.get("key")) == (False, None)


def _as_another_user(path: Path, answers: "multiprocessing.Queue[object]") -> None:
    if os.geteuid() == 0:  # whom nothing is forbidden
        os.seteuid(65534)
    store = MeasurementStore(path)
    store.put(replace(MEASUREMENT, input_sha256="new"))
    answers.put((sorted(store.get("b", ["i", "new"], "s")), store._writable))


def test_a_read_only_cache_is_read() -> None:
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "m?.sqlite")  # a name that must be quoted in a URI
        store = MeasurementStore(path)
        store.put(MEASUREMENT)
        store.close()
        path.chmod(0o444)
        path.parent.chmod(0o555)
        process = context.Process(target=_as_another_user, args=(path, answers))
        process.start()
        assert answers.get(timeout=60) == (["i", "new"], False)
        process.join()
        path.parent.chmod(0o755)
        assert sorted(MeasurementStore(path).get("b", ["i", "new"], "s")) == ["i"]


texts = st.text(st.characters(codec="utf-8"), max_size=20)


@settings(max_examples=60)
@given(st.lists(st.dictionaries(texts, texts, max_size=3), min_size=1, max_size=5), st.data())
def test_whatever_byte_a_kill_leaves_last_whole_records_are_read(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, str]], data: st.DataObject
) -> None:
    directory = Run(tmp_path_factory.mktemp("run"))
    for record in records:
        append_jsonl(directory.verdicts_path, record)
    content = directory.verdicts_path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    directory.verdicts_path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    assert read_jsonl(directory.verdicts_path) == records[:whole]
    append_jsonl(directory.verdicts_path, {"after": "the kill"})
    assert read_jsonl(directory.verdicts_path) == [*records[:whole], {"after": "the kill"}]


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text('{"a": 1}\n[1]\n')
    with pytest.raises(UserError, match=r"verdicts\.jsonl:2: not a record"):
        read_jsonl(path)
    assert read_jsonl(tmp_path / "none.jsonl") == []


def test_text_that_is_no_unicode_survives(tmp_path: Path) -> None:
    directory = Run(tmp_path)
    append_jsonl(directory.generations_path, {"text": "a\ud800\u2028b\x85"})
    assert read_jsonl(directory.generations_path) == [{"text": "a\ud800\u2028b\x85"}]


def _try_to_lock(path: Path, answers: "multiprocessing.Queue[str]") -> None:
    try:
        with Run(path).locked():
            answers.put("locked")
    except UserError as error:
        answers.put(str(error))


def test_two_processes_cannot_work_in_one_run_directory(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    with Run(tmp_path).locked():
        process = context.Process(target=_try_to_lock, args=(tmp_path, answers))
        process.start()
        assert "another process is working in this run directory" in answers.get(timeout=60)
        process.join()
    with Run(tmp_path).locked():
        pass


def test_json_is_stable_and_replaced_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": 1, "a": "ü"})
    assert (tmp_path / "x.json").read_text() == '{\n  "a": "ü",\n  "b": 1\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": "ü", "b": 1}
    write_json(tmp_path / "x.json", {"half a surrogate pair": "\ud800"})
    assert json.loads((tmp_path / "x.json").read_text()) == {"half a surrogate pair": "\ud800"}


def test_a_folder_without_or_with_a_broken_manifest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run directory"):
        Run(tmp_path).read_manifest()
    (tmp_path / "manifest.json").write_text("{\n")
    with pytest.raises(UserError, match=r"manifest\.json:2: broken JSON"):
        Run(tmp_path).read_manifest()


def stored(folder: Path, *measurements: Measurement) -> Path:
    store = MeasurementStore(folder / "measurements.sqlite")
    for measurement in measurements:
        store.put(measurement)
    store.close()
    return folder


def test_stores_of_several_machines_are_brought_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = [replace(MEASUREMENT, input_sha256=str(number)) for number in range(3)]
    a, b = stored(tmp_path / "a", MEASUREMENT, *others[:2]), stored(tmp_path / "b", *others[1:])
    profile = Profile("c", "i", "e", 10, ((1, 10),))
    store = MeasurementStore(b / "measurements.sqlite")
    store.put_profile(profile)
    verdict = Verdict("p-q", "source", 0, "e", "ok", runtime_seconds=2.0, startup_seconds=1.0)
    store.put_verdict("key", verdict)
    finding = GuardFinding("p-q", 0, "c", 20, "e", sanitizer="test 1: heap-buffer-overflow")
    store.put_finding("key", finding)
    store.close()
    for folder, text in ((a, "first"), (b, "second")):
        answers = GenerationStore(folder / "generations.sqlite")
        answers.put("key", {"text": text})
        answers.close()
    into = stored(tmp_path / "into", MEASUREMENT)
    assert merge_stores([a, b], into) == {
        "measurements.sqlite": {"measurement": 3, "profile": 1, "verdict": 1, "finding": 1},
        "generations.sqlite": {"generation": 1},
    }
    merged = MeasurementStore(into / "measurements.sqlite")
    assert set(merged.get("b", ["i", "0", "1", "2"], "s")) == {"i", "0", "1", "2"}
    assert merged.get_profile("c", "i", "e") == profile
    assert merged.get_verdict("key") == verdict
    assert merged.get_finding("key") == finding
    merged.close()
    answers = GenerationStore(into / "generations.sqlite")
    assert answers.get("key") == {"text": "first"}
    answers.close()
    assert main(["store", "merge", str(a), str(b), "--into", str(into)]) == 0
    assert (
        f"{into / 'measurements.sqlite'}: added 0 findings, 0 measurements, 0 profiles, 0 verdicts"
        in capsys.readouterr().out
    )


def test_stores_that_disagree_or_are_none_are_refused_whole(tmp_path: Path) -> None:
    a = stored(tmp_path / "a", replace(MEASUREMENT, input_sha256="new"))
    b = stored(tmp_path / "b", replace(MEASUREMENT, counters={"Ir": 6}))
    into = stored(tmp_path / "into", MEASUREMENT)
    with pytest.raises(
        UserError, match=r"b/measurements.sqlite: its measurement differs from the known one for binary_sha256 b"
    ):
        merge_stores([a, b], into)
    with pytest.raises(UserError, match="nowhere: not a cache folder"):
        merge_stores([a, tmp_path / "nowhere"], into)
    with pytest.raises(UserError, match="is the folder to copy into"):
        merge_stores([into], into)
    (b / "measurements.sqlite").write_bytes(b"this is no database at all, however long it may be" * 100)
    with pytest.raises(UserError, match=r"b/measurements.sqlite: cannot be read as a store"):
        merge_stores([a, b], into)
    store = MeasurementStore(into / "measurements.sqlite")
    assert set(store.get("b", ["i", "new"], "s")) == {"i"}
    store.close()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/me/.cache", "nfs4"), ("/home", "nfs4"), ("/homely", None), ("/", None), ("/a b/c", "fuse.sshfs")],
)
def test_a_network_file_system_is_known(path: str, kind: str | None) -> None:
    mounts = (
        "22 1 254:0 / / rw - ext4 /dev/vda rw\n"
        "30 22 0:40 / /home rw,relatime shared:1 - nfs4 server:/home rw,vers=4.2\n"
        "31 22 0:41 / /a\\040b rw - fuse.sshfs me@there:/ rw\n"
        "half a line\n"
    )
    assert network_type(mounts, Path(path)) == kind
