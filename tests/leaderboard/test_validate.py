"""Bundles that were tampered with: each is refused, and told by which field."""

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pie_bench.errors import UserError
from pie_bench.leaderboard.bundle import SUMS, write_bundle
from pie_bench.leaderboard.validate import validated

Parts = dict[str, Any]
JSONL = ("generations.jsonl", "verdicts.jsonl")


def parts_of(path: Path) -> Parts:
    """A bundle's members, parsed."""
    with zipfile.ZipFile(path) as archive:
        return {
            name: [json.loads(line) for line in archive.read(name).splitlines()]
            if name in JSONL
            else json.loads(archive.read(name))
            for name in archive.namelist()
            if name != SUMS
        }


def text_of(parts: Parts) -> dict[str, bytes]:
    return {
        name: value
        if isinstance(value, bytes)
        else b"".join(json.dumps(record).encode() + b"\n" for record in value)
        if name in JSONL
        else json.dumps(value).encode()
        for name, value in parts.items()
    }


def changed(member: str, *keys: str | int, to: Any) -> Callable[[Parts], None]:
    """Sets one value; the sums are made anew, so that it is the check behind them that must notice."""

    def tamper(parts: Parts) -> None:
        place = parts[member]
        for key in keys[:-1]:
            place = place[key]
        assert place[keys[-1]] != to
        place[keys[-1]] = to

    return tamper


def candidate(parts: Parts) -> dict[str, Any]:
    return next(record for record in parts["verdicts.jsonl"] if record["role"] == "candidate")


def on_candidate(change: Callable[[dict[str, Any]], Any]) -> Callable[[Parts], None]:
    return lambda parts: change(candidate(parts)) and None


def faster(verdict: dict[str, Any]) -> None:
    verdict["runtime_seconds"] = 0.0
    for test in verdict["tests"]:
        verdict["runtime_seconds"] += test["seconds"] * 0.5
        test.update(seconds=test["seconds"] * 0.5, startup_seconds=0.0)
    verdict["startup_seconds"] = 0.0


def failed_test(verdict: dict[str, Any]) -> None:
    verdict["tests"][0]["outcome"] = "wrong_output"


TAMPERED: dict[str, tuple[Callable[[Parts], Any], str]] = {
    "metric in the results": (
        changed("results.json", "metrics", "speedup", "best@1", to=9.5),
        r"results.json.metrics.speedup.best@1: it is 9.5; recomputed: ",
    ),
    "metric in the entry": (
        changed("entry.json", "metrics", "speedup", "best@1", to=9.5),
        r"entry.json.metrics.speedup.best@1: it is 9.5; recomputed: ",
    ),
    "metric without start-up": (
        changed("entry.json", "metrics_without_startup", "percent_correct", "best@1", to=12.0),
        "entry.json.metrics_without_startup.percent_correct.best@1",
    ),
    "interval": (changed("entry.json", "scores", 0, "low", to=0.25), "entry.json.scores.0.low"),
    "a score's k": (changed("entry.json", "scores", 0, "k", to=7), "entry.json.scores.0.k"),
    "counts of outcomes": (changed("entry.json", "outcomes", to={"ok": 400}), "entry.json.outcomes.ok"),
    "tokens": (changed("entry.json", "tokens", "completion", to=1), "entry.json.tokens.completion"),
    "another model's name": (changed("entry.json", "model", to="gpt-7"), "entry.json.model: it is 'gpt-7'"),
    "versions": (changed("entry.json", "versions", to={"pie_bench": "9"}), "entry.json.versions"),
    "number of pairs": (changed("entry.json", "n_pairs", to=978), "entry.json.n_pairs: it is 978; recomputed: 2"),
    "outcome, failed to passed": (
        on_candidate(lambda v: (failed_test(v), v)),
        r"verdicts.jsonl:\d+: outcome: ok, but not every test is \(wrong_output\)",
    ),
    "outcome, passed to failed": (
        on_candidate(lambda v: v.update(outcome="wrong_output")),
        r"verdicts.jsonl:\d+: outcome: wrong_output, but no test failed so",
    ),
    "outcome that there is not": (
        on_candidate(lambda v: v.update(outcome="great")),
        "outcome: Input should be 'ok', .*; not a verdict",
    ),
    "an error of ours": (on_candidate(lambda v: v.update(outcome="infra_error")), "outcome: 'infra_error' is none"),
    "time": (
        on_candidate(lambda v: v.update(runtime_seconds=1e-6)),
        "runtime_seconds: 1e-06 is not the sum|startup_seconds: not a part of runtime_seconds",
    ),
    "time below zero": (on_candidate(lambda v: v.update(runtime_seconds=-1.0)), "runtime_seconds: not a time"),
    "time of every test": (on_candidate(faster), r"results.json.metrics(_without_startup)?\..*: it is .*; recomputed:"),
    "instructions": (
        on_candidate(lambda v: v["counters"].update(instructions=5)),
        "counters: 5 instructions are not the sum",
    ),
    "a test left out": (on_candidate(lambda v: v["tests"].pop()), r"tests: not the \d+ tests of pair"),
    "tests of another kind": (
        on_candidate(lambda v: v.update(tests=7)),
        "tests: Input should be a valid tuple; not a verdict",
    ),
    "a key more": (on_candidate(lambda v: v.update(bonus=1)), r"verdicts.jsonl:\d+: bonus: missing, or unknown"),
    "code": (
        changed("generations.jsonl", 0, "text", to="```cpp\nint main() {}\n```"),
        r"verdicts.jsonl:\d+: code_sha256: not the sum of the program of pair",
    ),
    "sum of the code": (on_candidate(lambda v: v.update(code_sha256="0" * 64)), "code_sha256: not the sum"),
    "the dataset's own program": (
        lambda parts: next(r for r in parts["verdicts.jsonl"] if r["role"] == "source").update(code_sha256="0" * 64),
        "code_sha256: not the sum of the program of pair .* source 0",
    ),
    "missing sample": (
        lambda parts: parts["generations.jsonl"].pop(0),
        "generations.jsonl: pair .*: sample 0 is missing",
    ),
    "duplicated sample": (
        lambda parts: parts["generations.jsonl"].append(parts["generations.jsonl"][0]),
        "generations.jsonl:5: sample_index: a second answer",
    ),
    "sample of another pair": (
        changed("generations.jsonl", 0, "pair_id", to="p99"),
        "pair_id: the run has no pair 'p99'",
    ),
    "sample beyond the last": (changed("generations.jsonl", 0, "sample_index", to=64), "sample_index: 64 of 2"),
    "seed": (changed("generations.jsonl", 0, "seed", to=64), "seed: 64 is not the task's"),
    "type": (changed("generations.jsonl", 0, "text", to=None), "text: None is not text"),
    "tokens below zero": (
        changed("generations.jsonl", 0, "prompt_tokens", to=-5),
        "prompt_tokens: Input should be greater",
    ),
    "missing verdict": (lambda parts: parts["verdicts.jsonl"].pop(), "verdicts.jsonl: pair .* has no verdict"),
    "duplicated verdict": (
        lambda parts: parts["verdicts.jsonl"].append(candidate(parts)),
        "sample_index: a second verdict on pair",
    ),
    "verdict from another environment": (
        on_candidate(lambda v: v.update(environment_id="0" * 64)),
        "environment_id: not the entry's",
    ),
    "environment's id": (
        changed("manifest.json", "execution", "environment_id", to="0" * 64),
        "manifest.json: execution.environment_id: not that of skylake",
    ),
    "environment's facts": (
        changed("manifest.json", "execution", "facts", "compiler", to="g++ 99"),
        "manifest.json: execution.environment_id: not that of skylake with these facts",
    ),
    "a checker of one's own": (
        changed("manifest.json", "settings", "environment", to="skylake+checker:mine"),
        "environment: checkers of one's own are not known here",
    ),
    "environment's name": (
        changed("manifest.json", "execution", "name", to="gem5-skylake"),
        "manifest.json: execution.name: it is 'gem5-skylake'",
    ),
    "an environment of one's own": (
        changed("manifest.json", "settings", "environment", to="mine"),
        "manifest.json: settings: unknown environment 'mine'",
    ),
    "an environment that is gone": (
        changed("manifest.json", "settings", "environment", to="cachegrind"),
        "manifest.json: settings: environment cachegrind is gone; use its successor: skylake",
    ),
    "no sandbox": (
        changed("manifest.json", "execution", "sandbox", to="unsafe"),
        "execution.sandbox: 'unsafe' is none",
    ),
    "task's hash": (
        changed("manifest.json", "identity", "task_hash", to="0" * 64),
        "manifest.json: identity.task_hash: it is '000",
    ),
    "a task of one's own": (
        changed("manifest.json", "settings", "task", to="easy"),
        "manifest.json: settings: unknown task 'easy'",
    ),
    "a folder of tasks": (
        changed("manifest.json", "settings", "include_path", to="/tmp"),
        "manifest.json: not a run's manifest: .* include_path is null",
    ),
    "dataset's fingerprint": (
        changed("manifest.json", "identity", "dataset_fingerprint", to="0" * 64),
        "manifest.json: identity.dataset_fingerprint: it is '000",
    ),
    "a dataset of one's own": (
        changed("manifest.json", "settings", "dataset", to="easy"),
        "manifest.json: settings: .*easy",
    ),
    "arguments of the model": (
        changed("manifest.json", "settings", "model_args", to={"temperature": "default"}),
        "manifest.json: identity.model_args: not those of the settings",
    ),
    "no manifest": (changed("manifest.json", "settings", to=None), "manifest.json: not a run's manifest"),
    "verified by oneself": (
        lambda parts: parts["entry.json"].update(
            status="verified",
            verification={"by": "me", "date": "2026-01-01", "bundle_sha256": "0" * 64, "seed": "0", "of": 1}
            | {"programs": [], "environment_facts": {}},
        ),
        "entry.json: status: a bundle is self-reported",
    ),
    "schema from the future": (changed("entry.json", "schema_version", to=4), "entry.json: schema_version: it is 4"),
    "unknown key": (lambda parts: parts["entry.json"].update(rank=1), "entry.json: rank: Extra inputs"),
    "cost below zero": (changed("entry.json", "cost_usd", to=-1.0), "entry.json: cost_usd: Input should be greater"),
    "CPU time": (changed("entry.json", "cpu_hours", to=0.0), "entry.json.cpu_hours: it is 0.0; recomputed: 0.0"),
    "CPU time below zero": (
        changed("manifest.json", "cpu_seconds", to=-1.0),
        "manifest.json: cpu_seconds: -1.0 is no time",
    ),
    "CPU time that is none": (changed("manifest.json", "cpu_seconds", to="1"), "manifest.json: cpu_seconds: '1' is no"),
    "NaN": (changed("entry.json", "cost_usd", to=float("nan")), "entry.json: broken JSON: NaN is no number"),
    "infinity": (changed("results.json", "cost_usd", to=float("inf")), "results.json: broken JSON: Infinity"),
    "invalid UTF-8": (
        lambda parts: parts.update({"generations.jsonl": b'{"text": "\xff"}\n'}),
        "generations.jsonl:1: not UTF-8 at byte 10",
    ),
    "half a line": (lambda parts: parts.update({"verdicts.jsonl": b"{}"}), "verdicts.jsonl:1: the line does not end"),
    "a list for a record": (
        lambda parts: parts.update({"generations.jsonl": b"[]\n"}),
        "generations.jsonl:1: not a record",
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_bundle_is_refused_with_the_field(name: str, packed: Path, tmp_path: Path) -> None:
    tamper, message = TAMPERED[name]
    parts = parts_of(packed)
    tamper(parts)
    path = tmp_path / "bundle.zip"
    write_bundle(path, text_of(parts))
    with pytest.raises(UserError, match=message) as refused, validated(path):
        pass
    assert "\n" not in str(refused.value)


def test_what_the_tests_tamper_with_is_valid_before(packed: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    write_bundle(path, text_of(parts_of(packed)))
    with validated(path) as checked:
        assert (len(checked.programs), len(checked.verdicts)) == (8, 8)


def rezipped(packed: Path, path: Path, extra: tuple[zipfile.ZipInfo, bytes] | None = None, leave: str = "") -> None:
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            if info.filename != leave:
                target.writestr(info, source.read(info))
        if extra is not None:
            target.writestr(*extra)


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("entry.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def lying(path: Path) -> None:
    """The directory says a gigabyte of the first member."""
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(data)


def encrypted(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


ARCHIVES: dict[str, tuple[Callable[[Path, Path], Any], str]] = {
    "not a zip": (lambda _, path: path.write_bytes(b"hello"), "not a usable zip file"),
    "truncated": (lambda packed, path: path.write_bytes(packed.read_bytes()[:-100]), "not a usable zip file"),
    "flipped bit": (
        lambda packed, path: path.write_bytes(
            (data := packed.read_bytes())[:2000] + bytes([data[2000] ^ 1]) + data[2001:]
        ),
        "not a usable zip file|the sum of",
    ),
    "path escape": (
        lambda packed, path: rezipped(packed, path, (zipfile.ZipInfo("../../evil"), b"x")),
        "'../../evil': no member of a bundle has this name",
    ),
    "absolute path": (
        lambda packed, path: rezipped(packed, path, (zipfile.ZipInfo("/etc/cron.d/evil"), b"x")),
        "'/etc/cron.d/evil': no member",
    ),
    "symlink": (
        lambda packed, path: rezipped(packed, path, (link(), b"/etc/passwd"), leave="entry.json"),
        "entry.json: not a plain file",
    ),
    "a member twice": (
        lambda packed, path: rezipped(packed, path, (zipfile.ZipInfo("entry.json"), b"{}")),
        "entry.json: there are two of it",
    ),
    "gigabyte member": (
        lambda packed, path: (path.write_bytes(packed.read_bytes()), lying(path)),
        "entry.json: 1073741824 bytes, more than any run has",
    ),
    "bomb": (
        lambda packed, path: write_bundle(path, text_of(parts_of(packed)) | {"verdicts.jsonl": bytes(64 << 20)}),
        r"verdicts.jsonl: \d+ bytes that become 67108864: a bomb",
    ),
    "encrypted": (
        lambda packed, path: (path.write_bytes(packed.read_bytes()), encrypted(path)),
        "entry.json: not a plain file",
    ),
    "no sums": (lambda packed, path: rezipped(packed, path, leave=SUMS), f"{SUMS}: is missing"),
    "no entry": (lambda packed, path: rezipped(packed, path, leave="entry.json"), "entry.json: is missing"),
    "wrong sum": (
        lambda packed, path: rezipped(packed, path, (zipfile.ZipInfo("results.json"), b"{}"), leave="results.json"),
        f"{SUMS}: the sum of results.json is not right",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_not_a_bundle_is_refused_before_it_is_unpacked(
    name: str, packed: Path, tmp_path: Path
) -> None:
    make, message = ARCHIVES[name]
    path = tmp_path / "in" / "bundle.zip"
    path.parent.mkdir()
    make(packed, path)
    with pytest.raises(UserError, match=message), validated(path):
        pass
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "bundle.zip"]


def test_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="no such bundle; make one: pie-bench leaderboard submit"),
        validated(tmp_path / "x.zip"),
    ):
        pass


def test_sizes_are_limited_however_the_directory_lies(packed: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO(packed.read_bytes())
    with zipfile.ZipFile(buffer) as archive:
        assert all(info.date_time == (1980, 1, 1, 0, 0, 0) for info in archive.infolist())
    data = bytearray(packed.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")  # less than there is: read no further, and noticed
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(UserError, match="not a usable zip file|the sum of"), validated(tmp_path / "x.zip"):
        pass
