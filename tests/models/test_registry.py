from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.models.model import Request
from pie_bench.models.registry import load_model, load_registry, model_names, weights_of
from pie_bench.paths import cache_dir
from pie_bench.prompting.prompt import Prompt
from pie_bench.task import Sampling

SAMPLING = Sampling(n=1, temperature=0.7, top_p=1.0, max_tokens=8, seed=0)
REQUEST = Request("a-b", Prompt("", ()), SAMPLING, 0, (0,))
PAIRS = {"a-b": Pair("a-b", "p1", "slow", "fast", ())}


def answer_of(spec: str, cache_dir: Path) -> str:
    model = load_model(spec, PAIRS, cache_dir)
    assert model.name == spec
    (completion,) = model.generate([REQUEST])
    model.close()
    return completion.text


def test_the_names():
    assert model_names() == ["identity", "reference", "smollm2", "replay:FILE"]


def test_models_by_name(tmp_path):
    recorded = tmp_path / "answers.jsonl"
    recorded.write_text(json.dumps({"src_id": "a", "tgt_id": "b", "completion": "recorded"}))
    assert "fast" in answer_of("reference", tmp_path)
    assert "slow" in answer_of("identity", tmp_path)
    assert answer_of(f"replay:{recorded}", tmp_path) == "recorded"


@pytest.mark.parametrize("call", [lambda name: load_model(name, {}, Path()), weights_of])
def test_an_unknown_name_is_met_with_the_known_ones(call):
    with pytest.raises(
        UserError, match=r"unknown model 'smolm'; did you mean smollm2\?; recorded answers: replay:FILE"
    ):
        call("smolm")


def test_weights_of():
    assert weights_of("smollm2").file_name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    with pytest.raises(UserError, match=r"model 'identity' has no weights"):
        weights_of("identity")


def test_a_wrong_registry_is_named_with_its_line(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("models:\n  mine:\n    adapter: reference\n    answer: best_code\n")
    with pytest.raises(UserError, match=r"models.yaml:2: models.mine.reference.answer: .*'src_code' or 'tgt_code'"):
        load_registry(path)
    path.write_text("models:\n  mine:\n    adapter: magic\n")
    with pytest.raises(UserError, match=r"models.yaml:2: .*magic"):
        load_registry(path)


@pytest.mark.slow
def test_the_embedded_model(weights_path):
    model = load_model("smollm2", {}, cache_dir())
    try:
        assert model.name == "smollm2"
        assert model.resolved == (
            f"{weights_path.name}@sha256:{weights_of('smollm2').sha256} xllamacpp {version('xllamacpp')} prompting text"
        )
    finally:
        model.close()
