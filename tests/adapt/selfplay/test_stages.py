"""Self-play from prompts to a dataset: every kind of answer, and commands that are killed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pie_bench.adapt.selfplay.draws import Drawing
from pie_bench.adapt.selfplay.place import Place
from pie_bench.adapt.selfplay.problems import Problems
from pie_bench.adapt.selfplay.task import load_preset
from pie_bench.cli.main import main
from pie_bench.cpp import text_sum
from pie_bench.data.load import load_dataset
from tests.adapt.selfplay.made import ANSWERS, RECORDED, SQUARES, make, program, record_answers, record_faster
from tests.stages.test_generate import Forking

_KILLS = 5  # of a command that may be over before it is killed


@dataclass(frozen=True)
class Made:
    """A finished self-play: its folder, and what it was made from."""

    source: Path
    folder: Path

    @property
    def place(self) -> Place:
        return Place(self.folder)

    def generate(self, folder: Path, *more: str, model: str | None = None) -> list[str]:
        return [
            *("adapt", "selfplay", "generate", str(folder), "--model", model or f"replay:{self.source}/answers.jsonl"),
            *("--dataset", str(self.source / "data"), "--include-path", str(self.source / "presets")),
            *("--preset", "made", "--environment", str(self.source / "quick.yaml"), *more),
        ]

    def optimise(self, folder: Path) -> list[str]:
        model = f"replay:{self.source}/faster.jsonl"
        return ["adapt", "selfplay", "optimise", str(folder), "--model", model, "--samples", "2"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, measured_cache: Path, pinned_root: Path) -> Made:
    """All four stages, with real compilers and the simulator."""
    source = tmp_path_factory.mktemp("selfplay")
    make(source)
    drawing = Drawing(load_preset("made", source / "presets"), Problems(str(source / "data")), {})
    record_answers(source / "answers.jsonl", [draw.pair_id for draw in drawing.draws(3)])
    made = Made(source, source / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIE_BENCH_CACHE", str(measured_cache))
        assert main(made.generate(made.folder)) == 0
        assert main(["adapt", "selfplay", "filter", str(made.folder)]) == 0
        record_faster(source / "faster.jsonl", made.place)
        assert main(made.optimise(made.folder)) == 0
        assert main(["adapt", "selfplay", "select", str(made.folder)]) == 0
    return made


def test_every_kind_of_answer_is_recognised(made: Made) -> None:
    outcomes = Counter(program.outcome for program in made.place.programs())
    assert outcomes == Counter(what for _, what in ANSWERS.values() if what not in ("copy", "no_code"))
    programs = {text_sum(each.code): each for each in made.place.programs()}
    for name, (text, what) in ANSWERS.items():
        if name not in ("fenced", "copy", "no code"):
            assert programs[text_sum(text)].outcome == what, name
    (known,) = (each for each in programs.values() if each.outcome == "known_behaviour")
    assert known.detail == "of problem odd", "programs of the test split count, too"
    (fenced,) = (each for each in programs.values() if "300000" in each.code)
    assert (fenced.copies, fenced.outcome) == (2, "ok")


def test_equivalent_programs_form_a_class(made: Made) -> None:
    classes = made.place.classes()
    assert sorted(len(each.members) for each in classes) == [1, 2]
    assert {each.inputs for each in classes} == {6}
    members = {program.class_id for program in made.place.programs() if program.outcome == "ok"}
    assert members == {each.class_id for each in classes}


def test_the_funnel_adds_up(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    steps = {step.name: step for step in made.place.funnel()}
    assert steps["answers"].left == 18
    assert steps["different"].lost == {"copy": 1}
    assert steps["do what no program of the dataset does"].left == 3
    assert steps["classes of programs that do the same"].left == 2
    assert steps["answers that optimise"].left == 4
    assert steps["pairs kept"].left == 1
    left = None
    for step in made.place.funnel()[:10]:
        assert left is None or step.left == left - sum(step.lost.values()), step.name
        left = step.left
    assert main(["adapt", "selfplay", "select", str(made.folder)]) == 0
    shown = capsys.readouterr().out
    assert "1 instruction limit" in shown and f"dataset: {made.folder}/dataset" in shown


def test_what_is_kept_is_a_dataset_with_its_provenance(made: Made) -> None:
    dataset = load_dataset(made.place.dataset, "train")
    (pair,) = dataset.pairs
    assert (pair.kind, pair.tgt_code) == ("synthetic", program(SQUARES))
    assert pair.src_seconds is not None and pair.tgt_seconds is not None
    assert sum(pair.src_seconds.values()) >= 5 * sum(pair.tgt_seconds.values())
    assert [test.expected_output for test in dataset.tests(pair)][1] == b"25\n", "its own output is the expected one"
    row = json.loads((made.place.dataset / "train.jsonl").read_text())
    provenance = row["provenance"]
    assert provenance["generated_by"]["resolved"].startswith("replay:")
    assert provenance["generated_by"]["model"] == "replay:answers.jsonl", "no folder of the machine"
    assert provenance["optimised_by"]["task"] == "pie_finetuned"
    assert provenance["class_members"] == 2
    assert row["speedup"] == pytest.approx(row["src_agg_runtime"] / row["tgt_agg_runtime"])


def test_a_higher_bar_keeps_fewer_and_the_same_command_the_same_bytes(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(made.folder, folder)
    assert main(["adapt", "selfplay", "select", str(folder), "--min-speedup", "1000000"]) == 0
    assert Place(folder).funnel()[-1].left == 0
    assert main(["adapt", "selfplay", "select", str(folder)]) == 0
    assert files(folder / "dataset") == files(made.folder / "dataset")


def files(folder: Path) -> dict[str, str]:
    """What the files in a folder hold."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("manifest.json", ".lock")
    }


@pytest.fixture(scope="module")
def forking(
    made: Made, measured_cache: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Forking]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIE_BENCH_CACHE", str(measured_cache))
        patch.setenv(RECORDED, str(made.source / "answers.jsonl"))
        forking = Forking(pytestconfig.rootpath, tmp_path_factory.mktemp("said") / "said")
        yield forking
        forking.close()


def killed_at(forking: Forking, arguments: list[str], folder: Path, whole: Path, *names: str) -> None:
    """Runs a command once per file, killing it as soon as it has written a line to that file, then once to its end.
    `whole` is what becomes of the folder without kills: a file that was complete by the time of the kill, on a busy
    machine, is removed, and it is killed once more."""

    def lines(path: Path) -> int:
        return path.read_bytes().count(b"\n") if path.exists() else 0

    for name in names:
        for _ in range(_KILLS):
            child = forking.start(arguments)
            deadline = time.monotonic() + 300
            while not lines(folder / name):
                assert time.monotonic() < deadline
                time.sleep(0.002)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            assert forking.status() in (0, -signal.SIGKILL), forking.said()
            if lines(folder / name) < lines(whole / name):
                break
            (folder / name).unlink()
        else:
            pytest.fail(f"{name}: never killed in the midst of it")
    finish(forking, arguments)


def finish(forking: Forking, arguments: list[str]) -> None:
    forking.start(arguments)
    assert forking.status() == 0, forking.said()


def test_it_resumes_when_killed_while_asking(made: Made, tmp_path: Path, forking: Forking) -> None:
    folder, whole = tmp_path / "out", tmp_path / "whole"
    model = "tests.adapt.selfplay.made:Slow"
    finish(forking, made.generate(whole, model=model))
    killed_at(forking, made.generate(folder, model=model), folder, whole, "generate/generations.jsonl")
    assert files(folder / "generate") == files(whole / "generate")


def test_it_resumes_when_killed_while_filtering(made: Made, tmp_path: Path, forking: Forking) -> None:
    folder = tmp_path / "out"
    shutil.copytree(made.folder / "generate", folder / "generate")
    command = ["adapt", "selfplay", "filter", str(folder), "--workers", "1"]
    names = (f"filter/{name}.jsonl" for name in ("ran", "known", "outputs"))
    killed_at(forking, command, folder, made.folder, *names)
    for each in ("filter", "representatives"):
        assert files(folder / each) == files(made.folder / each)


def test_it_resumes_when_killed_while_optimising_or_selecting(made: Made, tmp_path: Path, forking: Forking) -> None:
    folder = tmp_path / "out"
    for each in ("generate", "filter", "representatives"):
        shutil.copytree(made.folder / each, folder / each)
    killed_at(forking, made.optimise(folder), folder, made.folder, "optimise/verdicts.jsonl")

    def sorted_lines(path: Path) -> list[str]:
        return sorted(path.read_text().splitlines())

    for name in ("generations.jsonl", "verdicts.jsonl"):
        assert sorted_lines(folder / "optimise" / name) == sorted_lines(made.folder / "optimise" / name)
    select = ["adapt", "selfplay", "select", str(folder)]
    chance = random.Random(3)
    for _ in range(5):  # no file shows its progress, so it is killed at arbitrary moments
        child = forking.start(select)
        time.sleep(chance.uniform(0.0, 0.4))
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        assert forking.status() in (0, -signal.SIGKILL)
    finish(forking, select)
    assert files(folder / "dataset") == files(made.folder / "dataset")
