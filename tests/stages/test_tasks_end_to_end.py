"""Every shipped task asked of the embedded model, end to end; tasks and pairs chosen as users choose them."""

import json
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.models.registry import weights_of
from pie_bench.models.weights import get_weights
from pie_bench.paths import cache_dir
from pie_bench.run.files import read_jsonl
from pie_bench.run.results import Results
from pie_bench.task import load_task, task_names

PAIR = "m007_panels_pairs-m007_panels_root"


@pytest.fixture
def weights(cache: Path) -> None:
    """The embedded model's weights from the real cache folder, linked into the tests' one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PIE_BENCH_CACHE")
        real = get_weights(weights_of("smollm2"), cache_dir())
    (cache / "models").mkdir(exist_ok=True)
    for file in (real, real.with_name(f"{real.name}.checked")):
        if file.is_file() and not (cache / "models" / file.name).exists():
            (cache / "models" / file.name).hardlink_to(file)


@pytest.fixture
def short(tiny: Path, tmp_path: Path) -> Path:
    """A user's folder with every shipped task, its answers cut after a few tokens, its examples those of `tiny`."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in task_names():
        n = 3 if name == "pie_perf_cond_mixed" else 1
        text = f"include: {name}.yaml\ntask: short_{name}\nversion: 1\nsampling: {{max_tokens: 8, n: {n}}}\n"
        if load_task(name).fewshot.dataset is not None:
            text += f"fewshot: {{dataset: {tiny}}}\n"
        (folder / f"short_{name}.yaml").write_text(text)
    return folder


@pytest.mark.slow
def test_all_tasks_with_the_embedded_model(
    weights: None, short: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    options = ["--model", "smollm2", "--dataset", str(tiny), "--limit", "1", "--include-path", str(short)]
    options += ["--run-dir", str(runs)]
    assert main(["run", "--task", "short_*", *options]) == 0
    said = capsys.readouterr()
    assert f"task {len(task_names())} of {len(task_names())}: " in said.err
    for name in task_names():
        results = Results.model_validate_json((runs / f"short_{name}" / "results.json").read_text())
        assert (results.n_pairs, results.infra_errors) == (1, 0)
        assert sum(results.outcomes.values()) == results.n_samples == (3 if name == "pie_perf_cond_mixed" else 1)
        assert f"short_{name}: {runs / f'short_{name}' / 'results.json'}" in said.out, "the closing summary names it"
    mixed = read_jsonl(runs / "short_pie_perf_cond_mixed" / "generations.jsonl")
    assert len({record["prompt_sha256"] for record in mixed}) == 3, "a prompt for each tag"
    assert main(["score", str(runs / "short_pie_cot_k2")]) == 0, "a run knows where its task came from"


def test_a_dry_run_asks_nothing_and_leaves_nothing(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "run"
    options = ["--task", "pie_perf_cond_mixed,pie_cot_k2", "--model", "reference", "--limit", "2", "--dry-run"]
    assert main(["generate", *options, "--run-dir", str(directory)]) == 0
    said = capsys.readouterr().out
    assert "would request answers: 12, to 6 distinct prompts, each of at most 1000 tokens" in said
    assert "would request answers: 16, to 2 distinct prompts, each of at most 1536 tokens" in said
    assert "prompts: about" in said
    assert not directory.exists() or not any(directory.rglob("*.json*"))


def test_prompts_that_do_not_fit_lose_their_farthest_examples_and_say_so(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "run"
    options = ["--task", "pie_retrieval_k4", "--model", "reference", "--limit", "3", "--samples", "1"]
    assert main(["generate", *options, "--context", "3000", "--run-dir", str(directory)]) == 0
    assert "3 of 3 prompts do not fit with all their examples; the farthest are not shown" in capsys.readouterr().err
    manifest = json.loads((directory / "manifest.json").read_text())
    left_out = manifest["generation"]["examples"]["examples_left_out_to_fit"]
    assert set(left_out.values()) <= {1, 2}
    assert main(["generate", *options, "--context", "1100", "--run-dir", str(tmp_path / "other")]) == 2
    said = capsys.readouterr().err
    assert "3 of 3 prompts do not fit even without examples: pair m001_slow-m001_fast has about" in said
    assert "there is room for 76" in said
    assert not (tmp_path / "other").exists()


def test_a_cut_source_is_reported(cache: Path, short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (short / "cut.yaml").write_text(
        "include: pie_finetuned.yaml\ntask: cut\nversion: 1\nprompt: {max_source_chars: 99}\n"
    )
    options = ["--task", "cut", "--model", "reference", "--limit", "2", "--include-path", str(short)]
    assert main(["generate", *options, "--run-dir", str(tmp_path / "run")]) == 0
    assert "2 of 2 source programs are cut at the task's prompt.max_source_chars: m001" in capsys.readouterr().err
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert set(manifest["generation"]["examples"]["source_characters_cut"]) == {
        *("m001_slow-m001_fast", "m002_naive-m002_prefix")
    }


def test_pairs_are_chosen_by_id_or_from_a_file(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def asked(*options: str) -> list[str]:
        directory = tmp_path / f"run {len(list(tmp_path.iterdir()))}"
        arguments = ["--task", "pie_instruct", "--model", "reference", "--samples", "1", "--run-dir", str(directory)]
        assert main(["generate", *arguments, *options]) == 0
        return [record["pair_id"] for record in read_jsonl(directory / "generations.jsonl")]

    assert asked("--pairs", f"{PAIR},m001_slow-m001_fast") == [PAIR, "m001_slow-m001_fast"]
    chosen = tmp_path / "pairs.txt"
    chosen.write_text(f"m001_slow-m001_fast\n\n{PAIR}\n{PAIR}\n")
    assert asked("--pairs", f"@{chosen}") == ["m001_slow-m001_fast", PAIR]
    assert asked("--pairs", f"@{chosen}", "--limit", "1") == ["m001_slow-m001_fast"]
    for wrong, message in (
        ("m001_slow-m001_fats", "unknown pair 'm001_slow-m001_fats'; did you mean m001_slow-m001_fast"),
        (f"@{tmp_path / 'missing'}", "cannot be read"),
        (",", "matches no pair"),
    ):
        assert main(["run", "--task", "pie_instruct", "--model", "reference", "--pairs", wrong]) == 2
        assert message in capsys.readouterr().err


def test_a_mistake_in_the_last_task_is_found_before_the_first_is_asked(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.yaml").write_text("include: _base.yaml\ntask: wrong\nversion: 1\ndescription: x\n")
    options = ["--model", "reference", "--include-path", str(tmp_path), "--run-dir", str(tmp_path / "run")]
    assert main(["generate", "--task", "pie_instruct", "--task", "wrong", *options]) == 2
    assert "wrong.yaml:1: prompt: Field required" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_among_several_tasks_an_encoder_is_for_those_that_retrieve(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", "reference", "--limit", "1", "--samples", "1", "--encoder", "tfidf", "--dry-run"]
    assert main(["generate", "--task", "pie_prompting", *options]) == 0
    assert capsys.readouterr().out.count("would request answers: 1, to 1 distinct prompts") == 6
    assert main(["generate", "--task", "pie_instruct,pie_cot_k2", *options]) == 2
    assert "task pie_instruct does not retrieve examples" in capsys.readouterr().err
