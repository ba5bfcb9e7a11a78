"""The parts of self-play: what is drawn and shown, which outputs are equal, what inputs look like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.adapt.selfplay.behaviour import normalised, signature
from pie_bench.adapt.selfplay.draws import Drawing, DrawPrompts, eligible
from pie_bench.adapt.selfplay.funnel import narrowed, read_funnel, write_funnel
from pie_bench.adapt.selfplay.place import Place, read_tests, write_dataset
from pie_bench.adapt.selfplay.problems import Problems, encodable, read_descriptions, shape
from pie_bench.adapt.selfplay.task import PRESETS_DIR, DrawsSpec, load_preset
from pie_bench.cli.main import main
from pie_bench.config import names_in
from pie_bench.cpp import text_sum
from pie_bench.data.pair import TestCase
from pie_bench.errors import UserError
from pie_bench.run.files import write_jsonl
from tests.adapt.selfplay.made import make

GOLDEN = Path(__file__).parents[2] / "golden" / "selfplay"


@pytest.fixture(scope="module")
def mini_problems() -> Problems:
    return Problems("mini")


@pytest.mark.parametrize(
    ("output", "same"),
    [
        (b"1 2 \n3\n\n", b"1 2\n3"),
        (b"0.12345 1.9996\r\n", b"0.123 2"),
        (b"-0.0001", b"0"),
        (b"3.000 3 +2.50", b"3 3 2.5"),
        (b"1.5e3", b"1500"),
        (b"12345678901234567890123 1e999999999 .5.", b"12345678901234567890123 1e999999999 .5."),
        (b"\xff\xfe 0.5000", b"\xff\xfe 0.5"),
        (b"0." + b"1" * 300, b"0." + b"1" * 300),
    ],
)
def test_outputs_that_are_the_same(output: bytes, same: bytes) -> None:
    assert normalised(output) == same


@given(st.binary(max_size=60) | st.text("0123456789.e+- \n", max_size=40).map(str.encode))
def test_normalising_twice_changes_nothing_more(output: bytes) -> None:
    assert normalised(normalised(output)) == normalised(output)


@given(st.lists(st.tuples(st.binary(max_size=8), st.sampled_from("abc")), unique_by=lambda each: each[0], min_size=1))
def test_a_signature_is_that_of_inputs_and_outputs_in_order(given: list[tuple[bytes, str]]) -> None:
    inputs, sums = [list(column) for column in zip(*given, strict=True)]
    found = signature(inputs, sums)
    for number in range(len(sums)):
        assert signature(inputs, [*sums[:number], "other", *sums[number + 1 :]]) != found
    assert (signature(inputs[::-1], sums[::-1]) == found) == (len(inputs) == 1)


def test_layout_and_comments_do_not_change_the_hash_of_a_program() -> None:
    assert text_sum("int  main() {} // x") == text_sum("int main()\n{ }") != text_sum("int main() { ; }")
    assert encodable("a\ud800b") == "a?b"


def test_the_shape_of_inputs() -> None:
    assert shape(b"3\n1 2 3\n") == shape(b"5\n1 2 3 4 5\n") == "i"
    assert shape(b"2 abc\n1.5 x\n2.5 y\n") == "iw/rw"
    assert shape(b"") == shape(b"\n") == ""


def test_draws_are_a_sequence_that_only_grows(mini_problems: Problems) -> None:
    task = load_preset("default")
    drawing = Drawing(task, mini_problems, {})
    draws = drawing.draws(60)
    assert draws[:7] == Drawing(task, mini_problems, {}).draws(7)
    assert {draw.problem_2 for draw in draws[:20]} == set(mini_problems.ids), "each in turn"
    assert all(draw.problem_1 != draw.problem_2 for draw in draws)
    assert len({draw.pair_id for draw in draws}) == 60
    assert all("\n\n" not in draw.code_1 for draw in draws)
    other = task.model_copy(update={"sampling": task.sampling.model_copy(update={"seed": 1})})
    assert Drawing(other, mini_problems, {}).draws(7) != draws[:7]
    test = {pair.problem_id for pair in mini_problems.splits["test"].pairs}
    assert not test & {problem for draw in draws for problem in (draw.problem_1, draw.problem_2)}


def test_a_problem_of_another_split_is_never_drawn(tmp_path: Path) -> None:
    make(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "data" / "train.jsonl").read_text().splitlines()]
    write_jsonl(tmp_path / "data" / "val.jsonl", [rows[0] | {"src_id": "again"}])
    problems = Problems(str(tmp_path / "data"))
    assert rows[0]["problem_id"] not in problems.ids
    assert rows[0]["problem_id"] in {program.problem_id for program in problems.programs}, "but is compared with"


def test_a_prompt_that_is_too_long_is_not_asked(mini_problems: Problems) -> None:
    task = load_preset("default")
    short = task.model_copy(update={"draws": task.draws.model_copy(update={"max_prompt_chars": 900})})
    every, some = (Drawing(each, mini_problems, {}).draws(40) for each in (task, short))
    assert 0 < len(some) < len(every) == 40
    assert all(len(draw.code_1) + len(draw.code_2) <= 900 for draw in some)


def test_the_preset_of_the_paper_takes_ten_problems(mini_problems: Problems) -> None:
    task = load_preset("published")
    assert (task.draws.problems, task.draws.count, task.draws.min_tests) == (10, 2000, 20)
    assert (task.sampling.n, task.sampling.temperature, task.sampling.top_p) == (5, 1.0, 0.9)
    with pytest.raises(UserError, match="of its 20 training problems 0 have 20 tests or more"):
        Drawing(task, mini_problems, {})
    few = task.model_copy(update={"draws": DrawsSpec(count=1, problems=3, min_tests=8, max_prompt_chars=9)})
    counts = sorted((mini_problems.count(each) for each in mini_problems.ids), reverse=True)
    assert [mini_problems.count(each) for each in eligible(few, mini_problems)] == counts[:3]
    assert load_preset("default").task_hash != task.task_hash
    more = task.model_copy(update={"draws": task.draws.model_copy(update={"count": 9})})
    assert more.task_hash == task.task_hash, "it may grow"


@pytest.mark.parametrize("described", [False, True])
def test_the_prompt_is_the_papers(mini_problems: Problems, described: bool) -> None:
    """Byte for byte, as tests/golden/selfplay has it."""
    task = load_preset("default")
    descriptions = {each: f"Problem {each}." for each in mini_problems.ids} if described else {}
    draws = Drawing(task, mini_problems, descriptions).draws(1)
    prompt = DrawPrompts(task, draws, descriptions).build(draws[0].as_pair())
    golden = GOLDEN / f"default.v{task.version}{'.described' if described else ''}.txt"
    assert prompt.text == golden.read_text(), "a prompt changed: raise the preset's version, and write the file anew"
    assert [message.role for message in prompt.messages] == ["user"]


def test_every_preset_loads() -> None:
    assert names_in(PRESETS_DIR) == ["default", "published"]
    for name in names_in(PRESETS_DIR):
        assert load_preset(name).task == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "task: own\nprompt: {template: 'x {{ src_code }}'}\n",
            r"own\.yaml:3: prompt\.template: unknown variable 'src",
        ),
        ("task: own\ndraws: {problem: 3}\n", r"own\.yaml:3: draws\.problem: unknown key 'problem'; did you mean"),
        ("task: own\ndraws: {min_tests: 1}\n", r"own\.yaml:3: draws\.min_tests: "),
        ("task: own\nfewshot: {strategy: random, k: 1}\n", r"own\.yaml:3: fewshot: not available in self-play"),
        ("task: other\n", r"own\.yaml:2: task: expected 'own'"),
    ],
)
def test_a_broken_preset_says_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.yaml").write_text("include: selfplay/default.yaml\n" + text)
    with pytest.raises(UserError, match=message):
        load_preset("own", tmp_path)


def test_descriptions_are_read_as_text(tmp_path: Path) -> None:
    page = "<html><style>p {}</style><h1>Beads</h1>\n\n\n\n<p>Count &lt; <var>n</var></p><script>x()</script>"
    (tmp_path / "m101.html").write_text(page)
    (tmp_path / "m102.txt").write_text("Fence\n")
    assert read_descriptions(tmp_path, ["m101", "m102", "m103"]) == {"m101": "Beads\n\nCount < n", "m102": "Fence"}
    assert read_descriptions(None, ["m101"]) == {}
    with pytest.raises(UserError, match=r"describes none of the dataset's problems; expected files like m9\.html"):
        read_descriptions(tmp_path, ["m9"])


def test_the_fastest_program_of_a_problem(tmp_path: Path) -> None:
    make(tmp_path)
    path = tmp_path / "data" / "train.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    problems = Problems(str(tmp_path / "data"))
    assert problems.fastest("sums") == rows[0]["tgt_code"], "where nothing is recorded, a target"
    ids = [str(number) for number in range(6)]
    times = {"src_code_tc2time": dict.fromkeys(ids, 1.0), "tgt_code_tc2time": dict.fromkeys(ids, 2.0)}
    write_jsonl(path, [rows[0] | times, *rows[1:]])
    again = Problems(str(tmp_path / "data"))
    assert again.fastest("sums") == rows[0]["src_code"]
    assert len(again.compared("every")) == 8
    fastest = again.compared("fastest")
    assert sorted(program.problem_id for program in fastest) == ["least", "most", "odd", "sums"]
    assert rows[0]["src_code"] in {program.code for program in fastest}


def test_a_funnel_survives_its_file(tmp_path: Path) -> None:
    steps = narrowed([("all", ()), ("good", ("bad", "worse"))], ["ok", "bad", "ok", "bad"])
    assert [(step.left, dict(step.lost)) for step in steps] == [(4, {}), (2, {"bad": 2})]
    write_funnel(tmp_path / "funnel.json", steps)
    assert read_funnel(tmp_path / "funnel.json") == steps
    assert read_funnel(tmp_path / "none.json") == []


def test_a_dataset_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    tests = {"p": [TestCase("0", b"\xff\n", b"1\n"), TestCase("1", b"", b"")]}
    for name in ("a", "b"):
        write_dataset(tmp_path / name, "train", [{"src_code": "x"}], tests)
    assert (tmp_path / "a" / "merged_test_cases.zip").read_bytes() == (
        tmp_path / "b" / "merged_test_cases.zip"
    ).read_bytes()
    assert read_tests(tmp_path / "a", "p") == tests["p"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("filter {0}", "no self-play was started there (no draws.jsonl); run pie-bench adapt selfplay generate"),
        ("optimise {0} --model reference", "no self-play was started there"),
        ("select {0}", "no self-play was started there"),
        ("generate {0} --model refrence", "unknown model 'refrence'; did you mean reference"),
        ("generate {0} --model reference --preset publishd", "unknown preset 'publishd'; did you mean published"),
        ("generate {0} --model reference --dataset {0}/x.jsonl", "no such file or folder"),
        ("generate {0} --model reference --descriptions /nowhere", "describes none of the dataset's problems"),
    ],
)
def test_mistakes_are_one_line(
    command: str, message: str, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "own"
    assert main(["adapt", "selfplay", *command.format(folder).split()]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not folder.exists()


def test_a_dry_run_leaves_nothing(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["adapt", "selfplay", "generate", str(tmp_path / "own"), "--model", "reference", "--draws", "2"]
    assert main([*command, "--dry-run"]) == 0
    assert "would request answers: 10, to 2 distinct prompts" in capsys.readouterr().out
    assert not (tmp_path / "own").exists()


def test_stages_are_taken_in_order(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapt", "selfplay", "generate", str(tmp_path), "--model", "reference", "--draws", "2"]) == 0
    capsys.readouterr()
    for stage, more in (("optimise", ["--model", "reference"]), ("select", [])):
        assert main(["adapt", "selfplay", stage, str(tmp_path), *more]) == 2
        assert "not filtered yet; run pie-bench adapt selfplay filter" in capsys.readouterr().err
    assert len(Place(tmp_path).draws()) == 2
    assert main(["adapt", "selfplay", "generate", str(tmp_path), "--model", "reference", "--draws", "3"]) == 0
    assert len(Place(tmp_path).draws()) == 3
    assert main(["adapt", "selfplay", "generate", str(tmp_path), "--model", "reference", "--draws", "2"]) == 2
    assert "holds more than is requested" in capsys.readouterr().err
