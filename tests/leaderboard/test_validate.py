"""Bundles that were tampered with: each is refused, with the field named."""

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pie_bench.errors import UserError
from pie_bench.execution.environment import load_environment_spec
from pie_bench.leaderboard.bundle import SUMS, write_bundle
from pie_bench.leaderboard.recount import seconds_of
from pie_bench.leaderboard.validate import validated

Parts = dict[str, Any]
JSONL = ("generations.jsonl", "stress.jsonl", "verdicts.jsonl")


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
        for name, value in sorted(parts.items())
    }


def changed(member: str, *keys: str | int, to: Any) -> Callable[[Parts], None]:
    """Sets one value and recomputes the sums, so that a later check must notice."""

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


def a_tenth_less(verdict: dict[str, Any]) -> None:
    """Less time than follows from the counts, spread over the tests so that sums and start-up agree."""
    for name in ("runtime_seconds", "startup_seconds"):
        verdict[name] *= 0.9
    for test in verdict["tests"]:
        test.update(seconds=test["seconds"] * 0.9, startup_seconds=test["startup_seconds"] * 0.9)


def more_startup(verdict: dict[str, Any]) -> None:
    """Hardly any of the run is start-up, which improves the metrics without it."""
    verdict["startup_seconds"] = 0.0
    for test in verdict["tests"]:
        test["startup_seconds"] = test["seconds"] * 0.999
        verdict["startup_seconds"] += test["startup_seconds"]


def half_of_all(verdict: dict[str, Any]) -> None:
    """Counts, times and sums all agree, but the same program appears twice."""
    share = 0.5
    for name in ("counters", "startup_counters"):
        verdict[name] = {event: int(count * share) for event, count in verdict[name].items()}
    for test in verdict["tests"]:
        test["instructions"] = int(test["instructions"] * share)
    verdict["counters"]["instructions"] = sum(test["instructions"] for test in verdict["tests"])
    spec = load_environment_spec("skylake").simulator
    for name, of_test, counts in (
        ("startup_seconds", "startup_seconds", verdict["startup_counters"]),
        ("runtime_seconds", "seconds", verdict["counters"]),
    ):
        total = seconds_of(spec, counts)
        before, verdict[name] = verdict[name], 0.0
        for test in verdict["tests"]:
            test[of_test] *= total / before
            verdict[name] += test[of_test]


def failed_to_compile(verdict: dict[str, Any]) -> None:
    verdict.update(outcome="compile_error", runtime_seconds=None, startup_seconds=None, counters={}, tests=[])
    verdict["startup_counters"] = {}


def moved_prompt(parts: Parts) -> None:
    one, other = (record for record in parts["generations.jsonl"] if record["sample_index"] == 0)
    one["prompt_sha256"], other["prompt_sha256"] = other["prompt_sha256"], one["prompt_sha256"]


def finding(**changes: Any) -> Callable[[Parts], None]:
    """Adds a finding of the guards, on the first correct answer."""

    def tamper(parts: Parts) -> None:
        verdict = candidate(parts)
        made = {name: verdict[name] for name in ("pair_id", "sample_index", "code_sha256", "environment_id")}
        made |= {"n_guard_inputs": 3, "sanitizer": None, "guard_input": None, "slower": None} | changes
        parts["guards.jsonl"] = json.dumps(made).encode() + b"\n"

    return tamper


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
        r"verdicts.jsonl:\d+: outcome: wrong_output, but no test failed that way",
    ),
    "outcome that there is not": (
        on_candidate(lambda v: v.update(outcome="great")),
        "outcome: Input should be 'ok', .*; not a verdict",
    ),
    "an error of ours": (
        on_candidate(lambda v: v.update(outcome="infra_error")),
        "outcome: 'infra_error' is not an outcome",
    ),
    "time": (
        on_candidate(lambda v: v.update(runtime_seconds=1e-6)),
        "runtime_seconds: 1e-06 does not equal the sum|startup_seconds: not a part of runtime_seconds",
    ),
    "time below zero": (on_candidate(lambda v: v.update(runtime_seconds=-1.0)), "runtime_seconds: not a time"),
    "time of every test": (on_candidate(faster), r"tests: seconds: test .* instructions take at least|its counts give"),
    "instructions": (
        on_candidate(lambda v: v["counters"].update(instructions=5)),
        "counters: 5 instructions are not the instructions, summed over the tests",
    ),
    "seconds and start-up a tenth less": (
        on_candidate(a_tenth_less),
        r"runtime_seconds: it is .*; its counts give|tests: seconds",
    ),
    "all of it start-up": (on_candidate(more_startup), r"startup_seconds: it is .*; its counts give"),
    "one of two twins faster": (on_candidate(half_of_all), r"tests: pair .* differs from pair .*, its twin"),
    "start-up above the whole": (
        on_candidate(lambda v: v["startup_counters"].update(instructions=10**15, uops=10**15)),
        r"startup_counters: instructions: 1000000000000000, more than the whole process",
    ),
    "cycles": (
        on_candidate(lambda v: v["counters"].update(cycles=v["counters"]["cycles"] - 100)),
        r"runtime_seconds: it is .*; its counts give",
    ),
    "more forwarded loads than loads": (
        on_candidate(lambda v: v["counters"].update(forwarded_loads=v["counters"]["loads"] + 1)),
        r"counters: forwarded_loads: \d+ of \d+ loads",
    ),
    "more mispredictions than branches": (
        on_candidate(lambda v: v["startup_counters"].update(mispredicted_indirect=10**14)),
        r"startup_counters: mispredicted_indirect: \d+ of \d+ branches",
    ),
    "a count below zero": (
        on_candidate(lambda v: v["counters"].update(branches=-1)),
        "counters: branches: -1 is no count",
    ),
    "a count without end": (
        on_candidate(lambda v: v["counters"].update(stores=10**30)),
        "counters.* stores|counters.stores",
    ),
    "a count of text": (on_candidate(lambda v: v["counters"].update(stores="many")), "counters.stores"),
    "start-up of one test": (
        on_candidate(lambda v: v["tests"][0].update(startup_seconds=v["tests"][0]["seconds"] * 2)),
        "startup_seconds: .* does not equal the sum|tests: startup_seconds: test",
    ),
    "no instructions in a test": (
        on_candidate(lambda v: v["tests"][0].update(instructions=None)),
        "tests: instructions: test .*: None is no count",
    ),
    "instructions moved to another test": (
        on_candidate(
            lambda v: (
                v["tests"][0].update(instructions=v["tests"][0]["instructions"] + 10**12),
                v["tests"][1].update(instructions=v["tests"][1]["instructions"] - 10**12),
            )
        ),
        r"tests: (seconds: test .* instructions take at least|instructions: test)",
    ),
    "no binary": (on_candidate(lambda v: v.update(binary_sha256=None)), "binary_sha256: None is no sum"),
    "half a sum of the binary": (on_candidate(lambda v: v.update(binary_sha256="ab")), "binary_sha256: 'ab' is no sum"),
    "a binary that did not compile": (on_candidate(failed_to_compile), "binary_sha256: '.* for a program that is"),
    "counts of what failed": (
        on_candidate(lambda v: v.update(outcome="forbidden", runtime_seconds=None, startup_seconds=None)),
        "counters: counts of a program that is forbidden",
    ),
    "a reading of the dataset's own": (
        lambda parts: next(r for r in parts["verdicts.jsonl"] if r["role"] == "target").update(
            reading={"rule": "the only program", "passed_over": []}
        ),
        "reading: pair .* target 0 is the dataset's own",
    ),
    "a test twice": (on_candidate(lambda v: v["tests"].append(v["tests"][0])), r"tests: not the \d+ tests of pair"),
    "tests in another order": (on_candidate(lambda v: v["tests"].reverse()), r"tests: not the \d+ tests of pair"),
    "the slow program slower": (
        lambda parts: next(r for r in parts["verdicts.jsonl"] if r["role"] == "source").update(runtime_seconds=10.0),
        "runtime_seconds: 10.0 does not equal the sum",
    ),
    "the slow program made to fail": (
        lambda parts: next(r for r in parts["verdicts.jsonl"] if r["role"] == "source").update(outcome="wrong_output"),
        "outcome: wrong_output, but no test failed that way",
    ),
    "no prompt": (
        changed("generations.jsonl", 0, "prompt_sha256", to="0" * 64),
        r"generations.jsonl:1: prompt_sha256: '000000000000' is not the hash of the prompt",
    ),
    "an empty prompt": (changed("generations.jsonl", 0, "prompt_sha256", to=""), r"prompt_sha256: '' is not the hash"),
    "another pair's prompt": (moved_prompt, r"generations.jsonl:\d: prompt_sha256: '.*' is not the hash of the prompt"),
    "an answer to another prompt": (
        changed("generations.jsonl", 0, "answers_prompt", to="a" * 64),
        "generations.jsonl:1: answers_prompt: given to another or an unknown prompt",
    ),
    "an answer to nobody knows what": (
        changed("generations.jsonl", 0, "answers_prompt", to="unknown"),
        "generations.jsonl:1: answers_prompt",
    ),
    "other examples": (
        changed("manifest.json", "generation", "examples", "strategy", to="retrieval"),
        "manifest.json: generation.examples.strategy: it is 'retrieval'; recomputed: 'none'",
    ),
    "another corpus": (
        changed("manifest.json", "generation", "examples", "corpus_size", to=77),
        "manifest.json: generation.examples.corpus_size: it is 77; recomputed: 0",
    ),
    "examples left out of a task without": (
        lambda parts: parts["manifest.json"]["generation"]["examples"].update(examples_left_out_to_fit={"p": 1}),
        "generation.examples.examples_left_out_to_fit: not numbers of examples of the run's pairs",
    ),
    "sources cut": (
        lambda parts: parts["manifest.json"]["generation"]["examples"].update(source_characters_cut={"p": 1}),
        "generation.examples.source_characters_cut.p: unknown",
    ),
    "a part more of the manifest": (
        lambda parts: parts["manifest.json"].update(host={"name": "mine"}),
        "manifest.json: host: not part of a bundle's manifest",
    ),
    "the day": (changed("entry.json", "date", to="2020-01-01"), "entry.json.date: it is '2020-01-01'; recomputed"),
    "the model's own arguments": (
        changed("entry.json", "model_args", to={"temperature": "0"}),
        "entry.json.model_args.temperature: unknown",
    ),
    "what answered": (changed("entry.json", "model_resolved", to="gpt-7-2030"), "entry.json.model_resolved: it is"),
    "number of samples": (changed("entry.json", "n_samples", to=8), "entry.json.n_samples: it is 8; recomputed: 2"),
    "number of problems": (changed("entry.json", "n_problems", to=900), "entry.json.n_problems: it is 900"),
    "human reference": (
        changed("entry.json", "human_reference", "speedup", "best@1", to=1.0),
        "entry.json.human_reference.speedup.best@1: it is 1.0; recomputed",
    ),
    "a pair's seconds in the results": (
        changed("results.json", "pairs", 0, "samples", 0, "seconds", to=1e-9),
        "results.json.pairs.0.samples.0.seconds: it is 1e-09; recomputed",
    ),
    "a pair left out of the results": (
        lambda parts: parts["results.json"]["pairs"].pop(),
        "results.json.pairs: it is ",
    ),
    "memory": (changed("results.json", "memory", to={"model": {}}), "results.json.memory.human: missing"),
    "guards that were not run": (
        lambda parts: parts["entry.json"].update(
            guards={"checked": 4, "findings": [], "unchecked": 0, "metrics": {}, "metrics_without_startup": {}}
        ),
        "entry.json.guards: it is .*; recomputed: None",
    ),
    "a name with what is not seen": (
        changed("entry.json", "submitter", to="some\u200bbody"),
        r"entry.json: submitter: 'some\\\\u200bbody' differs from how it is shown",
    ),
    "a name that passes for another": (
        changed("entry.json", "model", to="r\u0435ference"),
        "entry.json: model: .* differs from how it is shown",
    ),
    "a link that reads backwards": (
        lambda parts: parts["entry.json"].update(links=["https://a.b/\u202egro.live"]),
        "entry.json: links.0: .* differs from how it is shown",
    ),
    "a path for a name": (
        changed("entry.json", "model", to="replay:/home/me/answers.jsonl"),
        "entry.json: model: '.*' is a local path",
    ),
    "a path among the arguments": (
        changed("entry.json", "model_args", to={"lora": "/home/me/lora"}),
        "entry.json: model_args.lora: '/home/me/lora' is a local path",
    ),
    "an encoder to import": (
        changed("manifest.json", "settings", "encoder", to="os.path:join"),
        "encoder: a bundle may not name code to import",
    ),
    "a file for a dataset": (
        changed("manifest.json", "settings", "dataset", to="/tmp/own.yaml"),
        "dataset: a submitter's own file is not known here",
    ),
    "a finding on another program": (
        finding(code_sha256="0" * 64),
        "guards.jsonl:1: code_sha256: not that of the verdict on pair",
    ),
    "a finding in another environment": (
        finding(environment_id="0" * 64),
        "guards.jsonl:1: environment_id: not that of the verdict",
    ),
    "a finding on no answer": (finding(sample_index=9), "guards.jsonl:1: sample_index: no correct answer"),
    "more guard inputs than there can be": (
        finding(n_guard_inputs=5000),
        "guards.jsonl:1: n_guard_inputs: 5000, the tests make",
    ),
    "a guard input that is none": (
        finding(guard_input="input '1 2 3': '4', not '5'"),
        "guards.jsonl:1: guard_input: names none of the pair's guard inputs",
    ),
    "a sanitizer's finding on no test": (
        finding(sanitizer="test none: line 3: out of bounds"),
        "guards.jsonl:1: sanitizer: names none of the pair's tests",
    ),
    "findings left out of the results": (finding(), r"results.json.guards: it is None; recomputed"),
    "a test left out": (on_candidate(lambda v: v["tests"].pop()), r"tests: not the \d+ tests of pair"),
    "tests of another kind": (
        on_candidate(lambda v: v.update(tests=7)),
        "tests: Input should be a valid tuple; not a verdict",
    ),
    "a key more": (on_candidate(lambda v: v.update(bonus=1)), r"verdicts.jsonl:\d+: bonus: missing, or unknown"),
    "code": (
        changed("generations.jsonl", 0, "text", to="```cpp\nint main() {}\n```"),
        r"verdicts.jsonl:\d+: code_sha256: not the hash of the program of pair",
    ),
    "sum of the code": (on_candidate(lambda v: v.update(code_sha256="0" * 64)), "code_sha256: not the hash"),
    "the dataset's own program": (
        lambda parts: next(r for r in parts["verdicts.jsonl"] if r["role"] == "source").update(code_sha256="0" * 64),
        "code_sha256: not the hash of the program of pair .* source 0",
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
        "environment: a submitter's own checkers are not known here",
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
        "execution.sandbox: 'unsafe' is unknown",
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
            | {"programs": [], "environment_facts": {}, "entry_sha256": "0" * 64, "environment_id": "0" * 64}
            | {"carrying": 0, "guards_checked": 0, "guards_flagged": [], "key": "A" * 43 + "="}
            | {"signature": "A" * 86 + "=="},
        ),
        "entry.json: status: a bundle is self-reported",
    ),
    "schema from the future": (changed("entry.json", "schema_version", to=4), "entry.json: schema_version: it is 4"),
    "unknown key": (lambda parts: parts["entry.json"].update(rank=1), "entry.json: rank: Extra inputs"),
    "cost below zero": (changed("entry.json", "cost_usd", to=-1.0), "entry.json: cost_usd: Input should be greater"),
    "CPU time": (changed("entry.json", "cpu_hours", to=1.5), "entry.json.cpu_hours: it is 1.5; recomputed: 0.0"),
    "CPU time below zero": (
        changed("manifest.json", "cpu_seconds", to=-1.0),
        "manifest.json: cpu_seconds: -1.0 is not a time",
    ),
    "CPU time that is none": (changed("manifest.json", "cpu_seconds", to="1"), "manifest.json: cpu_seconds: '1' is no"),
    "NaN": (changed("entry.json", "cost_usd", to=float("nan")), "entry.json: broken JSON: NaN is not a JSON number"),
    "infinity": (changed("results.json", "cost_usd", to=float("inf")), "results.json: broken JSON: Infinity"),
    "invalid UTF-8": (
        lambda parts: parts.update({"generations.jsonl": b'{"text": "\xff"}\n'}),
        "generations.jsonl:1: not UTF-8 at byte 10",
    ),
    "half a line": (lambda parts: parts.update({"verdicts.jsonl": b"{}"}), "verdicts.jsonl:1: the line has no end"),
    "a line without end": (
        lambda parts: parts.update({"generations.jsonl": str([*range(1_300_000)]).encode()}),
        "generations.jsonl:1: longer than any record",
    ),
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


def test_there_are_a_hundred_of_them() -> None:
    assert len(TAMPERED) + len(ARCHIVES) >= 100


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
        "not a usable zip file|the checksum of",
    ),
    "path escape": (
        lambda packed, path: rezipped(packed, path, (zipfile.ZipInfo("../../evil"), b"x")),
        "'../../evil': not a file of a bundle",
    ),
    "absolute path": (
        lambda packed, path: rezipped(packed, path, (zipfile.ZipInfo("/etc/cron.d/evil"), b"x")),
        "'/etc/cron.d/evil': not a file of a bundle",
    ),
    "symlink": (
        lambda packed, path: rezipped(packed, path, (link(), b"/etc/passwd"), leave="entry.json"),
        "entry.json: not a plain file",
    ),
    "a member twice": (
        lambda packed, path: rezipped(packed, path, (zipfile.ZipInfo("entry.json"), b"{}")),
        "entry.json: appears twice",
    ),
    "gigabyte member": (
        lambda packed, path: (path.write_bytes(packed.read_bytes()), lying(path)),
        "entry.json: 1073741824 bytes, more than any run needs",
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
        f"{SUMS}: the checksum of results.json is wrong",
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


def test_a_missing_bundle(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="no such bundle; make one: pie-bench leaderboard submit"),
        validated(tmp_path / "x.zip"),
    ):
        pass


def test_sizes_are_limited_even_if_the_directory_lies(packed: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO(packed.read_bytes())
    with zipfile.ZipFile(buffer) as archive:
        assert all(info.date_time == (1980, 1, 1, 0, 0, 0) for info in archive.infolist())
    data = bytearray(packed.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")  # less than there is: noticed, and not read any further
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(UserError, match="not a usable zip file|the checksum of"), validated(tmp_path / "x.zip"):
        pass
