"""The whole pipeline over a small CodeNet with every kind of dirt; the right result is known by construction."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.construction.build import STAGES, build_dataset
from pie_bench.construction.stats import dataset_stats
from pie_bench.data.load import load_dataset
from pie_bench.errors import UserError
from tests.construction.conftest import Made, rows, write_jsonl


def counts(made: Made, stage: str) -> dict[str, int]:
    return next(each["counts"] for each in made.manifest["funnel"] if each["stage"] == stage)


def test_the_expected_pairs_are_found_and_no_others(built: Made) -> None:
    found = sorted([row["problem_id"], row["src_id"], row["tgt_id"]] for row in rows(built.out))
    assert found == built.expected["pairs"]
    assert counts(built, "pairs")["pairs"] == len(found)
    assert all(row["speedup"] > 1.1 for row in rows(built.out))


def test_they_are_found_in_a_larger_one_with_every_kind_of_dirt(recorded: Made) -> None:
    found = sorted([row["problem_id"], row["src_id"], row["tgt_id"]] for row in rows(recorded.out))
    assert len(found) > 100
    assert found == recorded.expected["pairs"]


def test_bad_input_is_counted_and_named_by_file_and_line(recorded: Made) -> None:
    found = {each["what"]: each for each in recorded.manifest["bad_input"]}
    assert len(recorded.expected["dirt"]) >= 10
    names = {
        "empty user": "empty user_id",
        "status beyond the table": "a status beyond CodeNet's table",
        "binary": "binary program",
        "oversized": "oversized program",
        "broken": "broken line (missing columns)",
        "too many columns": "broken line (too many columns)",
        "not utf-8": "broken line (invalid encoding)",
    }
    for kind, number in recorded.expected["dirt"].items():
        assert found[names.get(kind, kind)]["count"] == number, kind
    file, _, line = found["negative cpu_time"]["named"][0].rpartition(":")
    assert Path(file).read_text(errors="replace").splitlines()[int(line) - 1].split(",")[8].startswith("-")


def test_tests_have_origins_and_the_one_nobody_agrees_with_is_dropped(built: Made) -> None:
    tests = [json.loads(line) for line in (built.out / "tests.jsonl").read_text().splitlines()]
    assert {test["origin"] for test in tests if int(test["test_id"]) < 100} == {"generated"}
    assert {test["origin"] for test in tests if int(test["test_id"]) >= 100} == {"public"}
    wrong = [test for test in tests if not test["kept"]]
    assert [test["test_id"] for test in wrong] == ["2"] * len({test["problem_id"] for test in tests})
    assert {test["passed"] for test in wrong} == {0}
    for row in rows(built.out):
        assert row["tests"] == ["0", "1", "100"]
        assert row["tgt_agg_runtime"] == pytest.approx(sum(row["tgt_code_tc2time"].values()))


def test_the_fastest_program_is_the_fastest_of_all(built: Made) -> None:
    for row in rows(built.out):
        assert row["fastest_agg_runtime"] <= row["tgt_agg_runtime"] < row["src_agg_runtime"]
        assert row["target_reward"] == pytest.approx(row["fastest_agg_runtime"] / row["tgt_agg_runtime"])
        assert built.expected["levels"][row["fastest_id"]] == min(built.expected["levels"].values())


def test_building_again_redoes_nothing(built: Made, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.out.rglob("*") if path.is_file()}
    assert build_dataset(built.source / "recipe.yaml", built.out) == built.manifest
    after = {path: path.stat().st_mtime_ns for path in built.out.rglob("*") if path.is_file()}
    assert {path for path in before if before[path] != after.get(path)} <= {built.out / "stages" / ".lock"}


def test_it_runs_in_the_harness_and_passes_the_check(
    built: Made, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--environment", "skylake", "--dataset", str(built.out), "--run-dir", str(tmp_path / "run")]
    assert main(["run", "--task", "pie_instruct", "--model", "reference", "--samples", "1", *arguments]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["metrics"]["percent_correct"]["best@1"] == 100.0
    recorded = [(pair["recorded_source_seconds"], pair["source"]["seconds"]) for pair in results["pairs"]]
    assert recorded
    assert all(was == pytest.approx(now) for was, now in recorded), "measured again as it was measured for the dataset"
    assert main(["dataset", "check", str(built.out), "--environment", "skylake"]) == 0
    assert load_dataset(built.out, "test").pairs[0].problem_date
    assert main(["analyse", "contamination", str(tmp_path / "run"), "--since", "2000-01-01", "--json"]) == 0


def test_statistics_as_table_json_and_page(built: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["dataset", "stats", str(built.out), "--page", str(page), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(split["pairs"] for split in found["splits"]) == len(rows(built.out))
    assert found["tokens"] == "C++ tokens"
    assert page.read_text().count("<svg") == 1 + len(found["splits"])
    assert main(["dataset", "stats", str(built.out)]) == 0
    assert "From submissions" not in capsys.readouterr().out


def test_lengths_by_a_tokenizer_file_or_folder(recorded: Made, tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"int": 0, "?": 1}, unk_token="?"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made.save(str(tmp_path / "tokenizer.json"))
    train_rows = map(json.loads, (recorded.out / "train.jsonl").read_text().splitlines())
    words = [len(row["src_code"].split()) for row in train_rows]
    for given in (tmp_path, tmp_path / "tokenizer.json"):
        found = dataset_stats(recorded.out, given)
        assert found.tokens == str(given)
        train = next(split for split in found.splits if split.split == "train")
        assert train.mean_src_tokens == pytest.approx(statistics.fmean(words))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"--tokenizer .*cannot be used .*expected a tokenizer\.json, its folder"):
        dataset_stats(recorded.out, tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer\.json: no such file; a tokenizer's folder contains one"):
        dataset_stats(recorded.out, tmp_path)


def test_lengths_by_the_embedded_models_tokenizer(
    recorded: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], weights_path: Path
) -> None:
    assert main(["dataset", "stats", str(recorded.out), "--tokenizer", str(weights_path), "--json"]) == 0
    by_file = json.loads(capsys.readouterr().out)
    by_cpp = dataset_stats(recorded.out)
    for split, other in zip(by_file["splits"], by_cpp.splits, strict=True):
        # smollm2's tokens are single digits, newlines, runs of spaces and parts of words.
        assert other.mean_src_tokens < split["mean_src_tokens"] < 4 * other.mean_src_tokens
    assert main(["dataset", "stats", str(recorded.out), "--tokenizer", str(weights_path)]) == 0
    assert f"Lengths in {weights_path}" in capsys.readouterr().out


def sums(out: Path) -> dict[str, str]:
    """What a dataset's files hold, without what is kept to continue a build."""
    files = [path for path in out.rglob("*") if path.is_file() and "stages" not in path.relative_to(out).parts]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_killed_at_ten_random_moments_it_ends_with_the_same_bytes(
    built: Made, cache: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    command = [sys.executable, "-m", "pie_bench.cli", "dataset", "build", str(built.source / "recipe.yaml")]
    command += ["--out", str(tmp_path / "out")]
    chance = random.Random(18)
    killed = 0
    while killed < 10:
        process = subprocess.Popen(
            command,
            cwd=pytestconfig.rootpath,
            env=os.environ | {"PYTHONPATH": str(pytestconfig.rootpath)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(chance.uniform(0.8, 2.5))
            assert process.returncode == 0
            (tmp_path / "out" / "manifest.json").unlink()  # finished before the last kill: repeat the last stage
            (tmp_path / "out" / "stages" / "splits" / "stage.json").unlink()
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    assert subprocess.run(command, cwd=pytestconfig.rootpath, capture_output=True, check=False).returncode == 0
    assert sums(tmp_path / "out") == sums(built.out)


def test_what_has_changed_is_rebuilt_and_reported_in_one_line(
    recorded: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    shutil.copytree(recorded.source, source)
    shutil.copytree(recorded.out, out)
    recipe, stages = source / "recipe.yaml", out / "stages"

    def build() -> tuple[list[str], list[str]]:
        """The messages, and the stages that ran again."""
        before = {file: file.stat().st_mtime_ns for file in stages.glob("*/stage.json")}
        capsys.readouterr()
        build_dataset(recipe, out)
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("pie-bench: ")]
        return said, [
            stage
            for stage in STAGES
            if (stages / stage / "stage.json").stat().st_mtime_ns != before.get(stages / stage / "stage.json")
        ]

    assert build()[1] == list(STAGES), "other files than those that it was built from"
    assert build() == ([], [])
    recipe.write_text(recipe.read_text().replace("seed: 0", "") + "pairs: {threshold: 2.5, drop_duplicates: []}\n")
    recipe.write_text(recipe.read_text().replace("pairs: {drop_duplicates: []}\n", "", 1))
    said, made = build()
    assert made == ["pairs", "splits"]
    assert said == [
        f"pie-bench: made: pairs and all later stages are rebuilt: the recipe's pairs changed since {out} was started"
    ]
    program = next(path for path in sorted((source / "data").rglob("*.cpp")) if b"main" in path.read_bytes())
    program.write_bytes(program.read_bytes() + b"// touched\n")
    said, made = build()
    assert made == list(STAGES[2:])
    assert [re.search("are rebuilt: (.*) changed", line)[1] for line in said] == ["the sources' programs"]
    metadata = next((source / "metadata").glob("p0*.csv"))
    metadata.write_text(
        "".join(metadata.read_text(errors="surrogateescape").splitlines(True)[:-1]), errors="surrogateescape"
    )
    said, made = build()
    assert made == list(STAGES)
    assert [re.search("are rebuilt: (.*) changed", line)[1] for line in said] == ["the sources"]
    # The same while a stage is unfinished.
    (stages / "pairs").rename(stages / "pairs.partial")
    noted = json.loads((stages / "pairs.partial" / "stage.json").read_text())["made_from"]
    (stages / "pairs.partial" / "made_from.json").write_text(json.dumps(noted))
    recipe.write_text(recipe.read_text().replace("threshold: 2.5", "threshold: 1.5"))
    assert "pairs and all later stages are rebuilt: the recipe's pairs" in build()[0][0]


def test_a_build_that_would_lose_too_much_stops_and_says_why(recorded: Made, tmp_path: Path) -> None:
    source, recipe = recorded.source, tmp_path / "strict.yaml"
    text = (source / "recipe.yaml").read_text().replace("max_lost: 0.2", "max_lost: 0.001")
    recipe.write_text(text.replace("path: ", f"path: {source}/").replace("problem_list: ", f"problem_list: {source}/"))
    with pytest.raises(UserError, match=r"recipe made: .* % of submissions would be lost \(.*the first .*csv:\d+"):
        build_dataset(recipe, tmp_path / "out")


def test_missing_metadata_is_reported_with_where_to_get_it(source: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "p00001" / "C++").mkdir(parents=True)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((source / "recipe.yaml").read_text())
    with pytest.raises(UserError, match=r"there is no metadata/.*iNeil77/CodeNet"):
        build_dataset(recipe, tmp_path / "out")


def test_recorded_times_rebuild_pairs_without_running_anything(tmp_path: Path) -> None:
    """Submissions in JSON Lines, one line broken and one duplicated; times already known."""
    code = "int main() {{ return {}; }}\n"
    submissions = [
        {"submission_id": f"s{n}", "problem_id": "p1", "user_id": "u", "date": 100 - n, "code": code.format(n)}
        for n in range(4)
    ]
    source = write_jsonl(tmp_path / "mine.jsonl", [*submissions, submissions[0]])
    source.write_text(source.read_text() + "{broken\n")
    seconds = [1.0, 2.0, 2.1, 4.0]  # by number; the order of dates is the other way round
    write_jsonl(
        tmp_path / "times.jsonl", [{"submission_id": f"s{n}", "seconds": {"0": s}} for n, s in enumerate(seconds)]
    )
    (tmp_path / "tests" / "p1").mkdir(parents=True)
    (tmp_path / "tests" / "p1" / "input.0.txt").write_text("1\n")
    (tmp_path / "tests" / "p1" / "output.0.txt").write_text("1\n")
    (tmp_path / "recipe.yaml").write_text(
        "dataset: mine\n"
        "sources: [{kind: jsonl, path: mine.jsonl, defaults: {language: C++, status: Accepted}}]\n"
        "tests: [{kind: folder, path: tests, origin: merged}]\n"
        "check: {native: false}\ntimes: {path: times.jsonl, environment: elsewhere}\n"
        "splits: {val: 0, test: 0}\nmax_lost: 0.5\n"
    )
    manifest = build_dataset(tmp_path / "recipe.yaml", tmp_path / "out")
    found = {(row["src_id"], row["tgt_id"]) for row in rows(tmp_path / "out")}
    assert found == {("s3", "s2"), ("s3", "s1"), ("s3", "s0"), ("s2", "s0"), ("s1", "s0")}  # 2.1 / 2.0 is not above 1.1
    assert manifest["environment"]["environment_id"] == "recorded:elsewhere"
    assert [f"{each['what']} {each['named']}" for each in manifest["bad_input"] if each["lost"]] == [
        f"broken line (not JSON in UTF-8) ['{source}:6']",
        f"repeated submission_id ['s0: {source}: row 5']",
    ]
    assert len((tmp_path / "out" / "train_hq.jsonl").read_text().splitlines()) == 4
    assert {row["target_reward_pct_bin"] for row in rows(tmp_path / "out") if row["target_reward"] == 1} == {
        max(row["target_reward_pct_bin"] for row in rows(tmp_path / "out"))
    }
    # With a date the same problem is new: another dataset in the same folder; obsolete files are removed.
    text = (tmp_path / "recipe.yaml").read_text().replace("test: 0", "test: 0, since: 1970-01-01")
    (tmp_path / "recipe.yaml").write_text(text)
    assert build_dataset(tmp_path / "recipe.yaml", tmp_path / "out")["rows"] == {"new": 5}
    assert not (tmp_path / "out" / "train.jsonl").exists()
    assert len(load_dataset(tmp_path / "out" / "new.yaml", "test").pairs) == 5


@pytest.mark.pie_data
def test_published_rows_taken_apart_and_rebuilt(tmp_path: Path) -> None:
    """The submissions of PIE's rows, with the published times: the same pairs, speedups and tests come out.

    Users and dates are not published: programs that pairs connect are one user's, a source is earlier than its targets.
    """
    data = Path(os.environ.get("PIE_DATA_DIR", "../shared/pie"))
    if not (data / "merged_test_cases").is_dir():
        pytest.skip("needs PIE's rows and tests in PIE_DATA_DIR")
    published = [json.loads(line) for line in (data / "test.jsonl").read_text().splitlines()]
    user: dict[str, str] = {}
    for row in published:
        ends = [(row["problem_id"], row[f"{side}_id"]) for side in ("src", "tgt")]
        known = {user.get(program, program) for _, program in ends}
        name = min(known)
        joined = {program for program, old in user.items() if old in known}
        user |= dict.fromkeys(joined | {program for _, program in ends}, name)
    submissions, times = {}, {}
    for row in published:
        for side, date in (("src", 1), ("tgt", 2)):
            program = row[f"{side}_id"]
            given = {"submission_id": program, "problem_id": row["problem_id"], "user_id": user[program], "date": date}
            submissions[program] = given | {"code": row[f"{side}_code"]}
            seconds = {test: row[f"{side}_code_tc2time"][test] for test in row["tests"]}
            times[program] = {"submission_id": program, "seconds": seconds}
    write_jsonl(tmp_path / "rows.jsonl", list(submissions.values()))
    write_jsonl(tmp_path / "times.jsonl", list(times.values()))
    (tmp_path / "recipe.yaml").write_text(
        "dataset: rebuilt\n"
        "sources: [{kind: jsonl, path: rows.jsonl, defaults: {language: C++, status: Accepted}}]\n"
        f"tests: [{{kind: folder, path: {(data / 'merged_test_cases').resolve()}, origin: merged}}]\n"
        "check: {native: false}\ntimes: {path: times.jsonl, environment: published-gem5}\n"
        f"splits: {{published: {{test: {(data / 'test.jsonl').resolve()}}}}}\n"
    )
    build_dataset(tmp_path / "recipe.yaml", tmp_path / "out")
    built = {(row["src_id"], row["tgt_id"]): row for row in rows(tmp_path / "out")}
    wanted = {(row["src_id"], row["tgt_id"]): row for row in published}
    assert built.keys() == wanted.keys()
    for key, row in wanted.items():
        again = built[key]
        assert again["src_code"] == row["src_code"]
        # The published sums were rounded after they were added up, the times by test before.
        assert again["speedup"] == pytest.approx(row["src_agg_runtime"] / row["tgt_agg_runtime"], rel=1e-6)
        assert set(again["tests"]) == set(row["tests"])
        # The published fastest program need not be in any of these rows; if it is, it is found.
        assert again["fastest_agg_runtime"] >= row["fastest_agg_runtime"] * (1 - 1e-6)
    fastest = {
        row["problem_id"]: built[key]["fastest_agg_runtime"] / row["fastest_agg_runtime"] for key, row in wanted.items()
    }
    assert sorted(problem for problem, ratio in fastest.items() if ratio < 1 + 1e-6) == ["p02630", "p03636", "p04030"]
