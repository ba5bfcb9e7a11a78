"""A run's folder: every record is read back as written, and what cannot be read is named."""

from dataclasses import asdict, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.errors import UserError
from pie_bench.run.files import append_jsonl
from pie_bench.run.generation import Completion, Generation
from pie_bench.run.guard import GuardFinding
from pie_bench.run.manifest import Manifest, Settings
from pie_bench.run.run import Run

texts = st.text(max_size=30)
counts = st.integers(0, 10**9)
amounts = st.none() | st.floats(0, 1e6, allow_nan=False)
generations = st.builds(
    Generation,
    *(texts, counts, texts, texts),
    prompt_tokens=counts,
    completion_tokens=counts,
    latency_seconds=amounts,
    cost_usd=amounts,
    raw=st.none() | st.dictionaries(texts, texts, max_size=2),
    prompt_sha256=texts,
    seed=counts,
    shared=st.booleans(),
    answers_prompt=st.none() | texts,
)


@given(st.lists(generations, unique_by=lambda each: each.key, max_size=4))
def test_generations_read_back_the_same(tmp_path_factory: pytest.TempPathFactory, wrote: list[Generation]) -> None:
    run = Run(tmp_path_factory.mktemp("run"))
    for each in wrote:
        run.append(each)
    assert list(run.read_generations().values()) == wrote


def test_half_a_surrogate_pair_survives(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append(Generation("a-b", 0, "x\ud800y", "stop"))
    assert run.read_generations()["a-b", 0].text == "x\ud800y"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": 5}, "text: 5 is not text"),
        ({"sample_index": -1}, "sample_index: Input should be greater"),
        ({"sample_index": True}, "sample_index: Input should be a valid integer"),
        ({"cost_usd": float("inf")}, "cost_usd: "),
        ({"shared": "yes"}, "shared: Input should be a valid boolean"),
    ],
)
def test_a_damaged_generation_is_named_with_its_line(tmp_path: Path, change: dict, said: str) -> None:
    run = Run(tmp_path)
    run.append(Generation("a-b", 0, "x", "stop"))
    append_jsonl(run.generations_path, asdict(Generation("a-b", 1, "x", "stop")) | change)
    with pytest.raises(UserError, match=rf"generations\.jsonl:2: {said}"):
        run.read_generations()


def test_guard_findings_read_back_the_same(tmp_path: Path) -> None:
    run = Run(tmp_path)
    wrote = [GuardFinding("a-b", 0, "c", 3, "e", "test 0: x", None), GuardFinding("a-b", 1, "c", 3, "e")]
    for each in wrote:
        run.append(each)
    assert run.read_guard_findings() == wrote
    assert [each.flagged for each in wrote] == [True, False]


def test_the_manifest_grows_but_settled_values_stay(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_manifest(Manifest(settings=Settings(task="t", model="m"), identity={"task": "t"}))
    run.settle("generation", {"model_resolved": "m@1", "examples": {}})
    run.settle("generation", {"model_resolved": "m@1", "examples": {}})
    with pytest.raises(UserError, match=r"was begun with generation\.model_resolved = 'm@1', now it is 'm@2'"):
        run.settle("generation", {"model_resolved": "m@2", "examples": {}})
    run.note("provider", {"server": "x"})
    run.note("provider", {"version": "1"})
    run.note_cpu_seconds(None)
    manifest = run.read_manifest()
    assert manifest.provider == {"server": "x", "version": "1"}
    assert manifest.generation is not None and manifest.generation.model_resolved == "m@1"
    assert (manifest.cpu_seconds, "cpu_seconds" in manifest.to_json()) == (None, True), "known not to be known"


def test_a_generation_is_a_completion_and_what_it_answered() -> None:
    more = {each.name for each in fields(Generation)} - {each.name for each in fields(Completion)}
    assert more == {"prompt_sha256", "seed", "shared"}
