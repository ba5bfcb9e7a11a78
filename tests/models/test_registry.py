from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.models.budget import Budget
from pie_bench.models.model import Request
from pie_bench.models.openai import OpenAIEntry
from pie_bench.models.registry import find_model, forms, load_model, named_entries, weights_of
from pie_bench.paths import cache_dir
from pie_bench.prompting.prompt import Prompt
from pie_bench.task import Sampling

SAMPLING = Sampling(n=1, temperature=0.7, top_p=1.0, max_tokens=8, seed=0)
REQUEST = Request("a-b", Prompt("", ()), SAMPLING, 0, (0,))
PAIRS = {"a-b": Pair("a-b", "p1", "slow", "fast", ())}


def answer_of(spec: str, cache_dir: Path) -> str:
    model = load_model(spec, find_model(spec, {}), PAIRS, cache_dir, Budget())
    assert model.name == spec
    (completion,) = model.generate([REQUEST])
    model.close()
    return completion.text


def test_the_papers_models_have_their_exact_ids():
    models = named_entries()
    assert {name: getattr(models[name], "id", None) for name in models if name.startswith(("gpt-3.5", "gpt-4", "code"))}
    papers = ("gpt-3.5-turbo-0613", "gpt-4", "codellama-7b", "codellama-13b", "codellama-34b")
    ids = {name: models[name].id for name in papers}
    assert ids == {
        "gpt-3.5-turbo-0613": "gpt-3.5-turbo-0613",
        "gpt-4": "gpt-4-0613",
        "codellama-7b": "codellama/CodeLlama-7b-hf",
        "codellama-13b": "codellama/CodeLlama-13b-hf",
        "codellama-34b": "codellama/CodeLlama-34b-hf",
    }
    assert {models[name].prompting for name in ids} == {"chat", "text"}
    assert models["gpt-3.5"].id == "gpt-3.5-turbo-0125", "its successor, the last that answered"
    assert "the paper's was gpt-3.5-turbo-0613" in models["gpt-3.5"].note


def test_a_price_has_a_date_and_a_missing_price_a_reason():
    for name, entry in named_entries().items():
        if isinstance(entry, OpenAIEntry):
            assert (entry.price_in is None) == (entry.price_date is None), name
            assert entry.price_in is not None or "no price here, since " in entry.note, name


def test_a_key_goes_to_its_own_provider_only():
    """A model at another provider's address takes that provider's key, not OPENAI_API_KEY."""
    for name, entry in named_entries().items():
        if isinstance(entry, OpenAIEntry):
            assert (entry.base_url is None) == (entry.api_key_env == "OPENAI_API_KEY"), name


def test_the_oldest_name_of_an_id_is_the_one_that_an_id_finds():
    assert find_model("openai:gpt-3.5-turbo-0125", {}) == find_model("gpt-3.5", {})


def test_any_model_of_an_adapter():
    assert forms() == [
        "hf:ID_OR_FOLDER",
        "llama_cpp:FILE.gguf",
        "openai:MODEL_ID",
        "replay:FILE",
        "vllm:ID_OR_FOLDER",
    ]
    assert find_model("vllm:codellama/CodeLlama-13b-hf", {}) == find_model("codellama-13b", {}), "an id we know"
    assert find_model("openai:gpt-4-0613", {}).price_in == 30
    other = find_model("openai:my-model", {"base_url": "http://localhost:8000/v1/", "concurrency": "4"})
    assert (other.id, other.base_url, other.concurrency) == ("my-model", "http://localhost:8000/v1", 4)
    assert other.deciding({"base_url": "x", "concurrency": "4"}) == {"base_url": "x"}


@pytest.mark.parametrize(
    ("spec", "arguments", "message"),
    [
        ("gpt-4", {"pricein": "1"}, r"unknown openai argument 'pricein'; did you mean price_in"),
        ("gpt-4", {"id": "gpt-5"}, r"unknown openai argument 'id'"),
        ("gpt-4", {"price_in": "cheap"}, r"--model-args price_in=cheap: .*valid number"),
        ("openai:x", {"price_in": "1"}, r"price_in and price_out must be given together"),
        ("openai:x", {"base_url": "http://me:secret@host/v1"}, r"must hold no password"),
        ("reference", {"n": "1"}, r"reference models take none"),
        ("vllm:", {}, r"unknown model 'vllm:'"),
        ("magic:x", {}, r"unknown model 'magic:x'"),
    ],
)
def test_wrong_arguments_are_named(spec, arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        find_model(spec, arguments)
    assert "secret" not in str(caught.value)


def test_models_by_name(tmp_path):
    recorded = tmp_path / "answers.jsonl"
    recorded.write_text(json.dumps({"src_id": "a", "tgt_id": "b", "completion": "recorded"}))
    assert "fast" in answer_of("reference", tmp_path)
    assert "slow" in answer_of("identity", tmp_path)
    assert answer_of(f"replay:{recorded}", tmp_path) == "recorded"


@pytest.mark.parametrize("call", [lambda name: find_model(name, {}), weights_of])
def test_an_unknown_name_is_answered_with_the_known_ones(call):
    with pytest.raises(UserError, match=r"unknown model 'smolm'; did you mean smollm2\?; others: hf:ID_OR_FOLDER, "):
        call("smolm")


def test_weights_of():
    assert weights_of("smollm2").file_name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    with pytest.raises(UserError, match=r"model 'identity' has no weights"):
        weights_of("identity")


def test_a_wrong_registry_is_named_with_its_line(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("models:\n  mine:\n    adapter: reference\n    answer: best_code\n")
    with pytest.raises(UserError, match=r"models.yaml:4: models.mine.answer: .*'src_code' or 'tgt_code'"):
        named_entries(path)
    path.write_text("models:\n  mine:\n    adapter: magic\n")
    with pytest.raises(UserError, match=r"models.yaml:3: models.mine.adapter: unknown adapter 'magic'"):
        named_entries(path)


@pytest.mark.slow
def test_the_embedded_model(weights_path):
    model = load_model("smollm2", find_model("smollm2", {}), {}, cache_dir(), Budget())
    try:
        assert model.name == "smollm2"
        assert model.resolved == (
            f"{weights_path.name}@sha256:{weights_of('smollm2').sha256} xllamacpp {version('xllamacpp')} prompting text"
        )
    finally:
        model.close()
