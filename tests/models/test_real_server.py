"""A real server with a real model behind the OpenAI adapter: llama.cpp's own, with its deviations from the protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pie_bench.errors import UserError
from pie_bench.models.budget import Budget
from pie_bench.models.model import Completion, Request
from pie_bench.models.openai import OpenAIEntry, OpenAIModel
from pie_bench.prompting.prompt import Message, Prompt
from pie_bench.task import Sampling

pytestmark = pytest.mark.slow
SLOTS = 2
KEY = "a key of this test"


@pytest.fixture(scope="module")
def served(weights_path: Path) -> Iterator[SimpleNamespace]:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights_path)
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * 512
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.warmup = False
    parameters.verbosity = -1
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [KEY]
    server = xllamacpp.Server(parameters)
    yield SimpleNamespace(url=f"{server.listening_address}/v1", model=str(weights_path), server=server)
    del server


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def model(served: SimpleNamespace, **fields: Any) -> OpenAIModel:
    entry = OpenAIEntry(**{"adapter": "openai", "id": served.model, "base_url": served.url} | fields)
    return OpenAIModel("openai:smollm2", entry, Budget())


def request(text: str, *indices: int, seed: int = 3, **sampling: object) -> Request:
    values = Sampling(n=4, temperature=1.0, top_p=1.0, max_tokens=6, seed=0).model_copy(update=sampling)
    return Request("a-b", Prompt(text, (Message("user", text),)), values, seed, indices)


def answers(model: OpenAIModel, *requests: Request) -> dict[int, Completion]:
    return {completion.sample_index: completion for completion in model.generate(requests)}


def test_more_samples_than_slots_wrong_usage_and_seeds(served):
    asked = model(served, prompting="text")
    found = answers(asked, request("int main() {", 0, 1, 2, 3))
    assert sorted(found) == [0, 1, 2, 3]
    assert "refused above 2" in asked.notes["n"], "it refuses more choices than it has slots"
    assert "counts one choice" in asked.notes["usage"]
    assert all(c.finish_reason == "length" and c.tokens_estimated and c.prompt_tokens > 2 for c in found.values())
    assert len({c.text for c in found.values()}) > 1
    alone = answers(model(served, prompting="text"), request("int main() {", 2))
    assert alone[2].text == found[2].text, "sample i has seed + i, alone or beside others"
    assert not alone[2].tokens_estimated
    assert alone[2].completion_tokens == 6


def test_nothing_but_temperature_and_top_p_decides_what_is_drawn(served):
    # the server's own top_k of 40 and min_p of 0.05 would leave few first tokens
    drawn = answers(model(served, prompting="text"), request("int", *range(24), temperature=2.0, max_tokens=1))
    assert len({c.text for c in drawn.values()}) > 20


def test_chat_and_stop_strings(served):
    (whole,) = answers(model(served), request("Count: 1 2 3", 0, temperature=0.0, max_tokens=8)).values()
    stop = whole.text[4:7]
    (stopped,) = answers(
        model(served), request("Count: 1 2 3", 0, temperature=0.0, max_tokens=8, stop=(stop,))
    ).values()
    assert stopped.text == whole.text[: whole.text.index(stop)]
    assert stopped.finish_reason == "stop"


def test_what_it_accepts_or_says_otherwise(served, monkeypatch):
    with pytest.raises(UserError, match=r"does not serve 'gpt-4' \(it lists /"):
        model(served, id="gpt-4")  # it would answer under any name
    with pytest.raises(UserError, match=r"pair a-b: .* refuses the request \(400: .*context size.*show fewer examples"):
        answers(model(served, prompting="text"), request("int " * 600, 0))
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    with pytest.raises(UserError, match="does not accept the key in OPENAI_API_KEY"):
        model(served)
