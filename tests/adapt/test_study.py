"""A study: its grid, the settings of each part, and one that really evaluates and compares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pie_bench.adapt import study as module
from pie_bench.adapt.recipe import load_adapt_recipe
from pie_bench.adapt.study import Cell, cells_of, load_study, run_study
from pie_bench.cli.main import main
from pie_bench.errors import PieBenchError, UserError


def written(path: Path, **changes: Any) -> Path:
    grid = {"study": "tiny", "dataset": "mini", "models": ["reference", "identity"], "recipes": ["full"], **changes}
    path.write_text(yaml.safe_dump(grid))
    return path


def test_the_grid_is_every_combination_with_the_models_as_they_are_first(tmp_path: Path) -> None:
    changes = {"quarter": {"training": {"max_steps": 600}}, "whole": {}}
    study, _ = load_study(written(tmp_path / "s.yaml", recipes=["full", "lora"], changes=changes))
    names = [cell.name for cell in cells_of(study)]
    assert names[:3] == ["reference--unadapted", "identity--unadapted", "reference--full--quarter"]
    assert len(names) == 2 + 2 * 2 * 2
    assert Cell("hf:a/b", "own/short.yaml", None).name == "hf_a_b--short"


def test_a_mistake_in_a_recipe_is_met_before_anything_is_trained(tmp_path: Path) -> None:
    study, base = load_study(written(tmp_path / "s.yaml", changes={"bad": {"training": {"max_step": 1}}}))
    with pytest.raises(UserError, match="max_step: unknown key"):
        run_study(study, base, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_each_part_is_trained_by_its_own_recipe_and_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[tuple[str, ...]] = []

    def noted(cell: Cell, *arguments: str) -> None:
        commands.append(arguments)
        if arguments[0] == "adapt":
            folder = Path(arguments[arguments.index("--out") + 1]) / "model"
            folder.mkdir(parents=True)
            (folder / "pie_bench.json").write_text("{}")

    monkeypatch.setattr(module, "_command", noted)
    monkeypatch.setattr(module, "comparisons", lambda *_: [])
    changes = {"few": {"training": {"max_steps": 3}}}
    evaluate = {"tasks": ["pie_perf_cond", "pie_perf_cond_mixed"], "samples": 6, "limit": 2}
    path = written(tmp_path / "s.yaml", models=["m"], recipes=["perf_cond"], changes=changes, evaluate=evaluate)
    study, base = load_study(path)
    rows = run_study(study, base, tmp_path / "out", arguments=["--workers", "1"])
    assert [command[0] for command in commands] == ["run", "run", "adapt", "run", "run"]
    assert [row["task"] for row in rows] == ["pie_perf_cond", "pie_perf_cond_mixed"] * 2
    recipe = load_adapt_recipe(tmp_path / "out" / "recipes" / "m--perf_cond--few.yaml")
    assert recipe == load_adapt_recipe("perf_cond", {**changes["few"], "recipe": "perf_cond_few"})
    assert f"hf:{tmp_path}/out/models/m--perf_cond--few/model" in commands[-1]
    assert commands[-1][-2:] == ("--workers", "1")
    assert json.loads((tmp_path / "out" / "study.json").read_text())["runs"] == rows


@pytest.mark.slow
def test_models_are_evaluated_and_compared_for_real(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a training: models that answer with the dataset's own programs, as they are."""
    monkeypatch.setattr(module, "cells_of", lambda study: [Cell(model, None, None) for model in study.models])
    path = written(tmp_path / "s.yaml", evaluate={"limit": 1, "samples": 1})
    for _ in range(2):
        assert main(["adapt", "study", str(path), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "A: pie_finetuned · identity" in said, "what is new against the first, so that a gain is positive"
    assert said.startswith(" "), "its parts' own tables are with their progress"
    found = json.loads((tmp_path / "out" / "study.json").read_text())
    assert [row["cell"] for row in found["runs"]] == ["reference--unadapted", "identity--unadapted"]
    (compared,) = found["comparisons"]
    assert (compared["model_a"], compared["model_b"]) == ("identity", "reference")
    assert main(["adapt", "study", str(path), "--out", f"{tmp_path}/../{tmp_path.name}/out", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found


def test_a_part_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(PieBenchError, match="m--full: pie-bench run failed with exit code 2"):
        module._command(Cell("m", "full", None), "run", "--task", "pie_instruct", "--model", "no-such-model")
