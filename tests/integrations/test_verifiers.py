"""The environment for verifiers gives answers the rewards that `Speedup` gives them, to the last digit.

verifiers brings many packages, so this runs in a virtual environment of its own (integrations/verifiers/README.md),
and is skipped elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from pie_bench.rewards import Speedup
from tests.loopback import LoopbackServer, answering
from tests.serve.conftest import server
from tests.tiny import TRAINED

__all__ = ["server"]

vf = pytest.importorskip("verifiers", reason="verifiers is not installed")
PACKAGE = Path(__file__).parents[2] / "integrations" / "verifiers"
METRICS = ("correct", "speedup", "judged")


class Model(LoopbackServer):
    """Answers chats with recorded texts: those of the pair whose slow program is in the prompt, one after the other."""

    def __init__(self, answers: Mapping[str, list[str]]):
        super().__init__(_Handler)
        self.left = {source: list(texts) for source, texts in answers.items()}

    def answer(self, prompt: str) -> str:
        (source,) = (source for source in self.left if source in prompt)
        return self.left[source].pop(0)


class _Handler(BaseHTTPRequestHandler):
    server: Model
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = self.server.answer(asked["messages"][-1]["content"])
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        said = {"id": "1", "object": "chat.completion", "created": 1, "model": "recorded", "choices": [choice]}
        body = json.dumps(said | {"usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def _package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(PACKAGE))
    monkeypatch.setenv("LOOPBACK_KEY", "none")
    yield


def fenced(code: str) -> str:
    return f"This is faster:\n```cpp\n{code}\n```\n"


def test_rollouts_get_the_rewards_of_speedup_here_and_through_a_server(server: str, cache: Path, tiny: Path) -> None:
    shape: dict[str, Any] = {"most": 64.0, "partial": 0.25, "startup": True}
    local = Speedup(tiny, **shape)
    pairs = {pair_id: local._dataset.pair(pair_id) for pair_id in TRAINED[:2]}
    texts = {
        pair_id: [
            fenced(pair.tgt_code),
            fenced(pair.src_code),
            fenced("int main() {}"),
            fenced("int main() { return x; }"),
        ]
        for pair_id, pair in pairs.items()
    }
    expected = {
        (pair_id, text): scored
        for pair_id in pairs
        for text, scored in zip(texts[pair_id], local.scored([(pair_id, text) for text in texts[pair_id]]), strict=True)
    }
    assert len({scored.reward for scored in expected.values()}) == 4, "an answer of each kind"
    for where in ({}, {"judge": server}):
        environment = vf.load_environment("pie-bench-verifiers", dataset=str(tiny), limit=2, **shape, **where)
        found = rollouts(environment, {pairs[pair_id].src_code.strip(): texts[pair_id] for pair_id in pairs}, 4)
        assert {
            (each["info"]["pair_id"], text_of(each)): (each["reward"], *(each[name] for name in METRICS))
            for each in found
        } == {
            key: (scored.reward, float(scored.correct), scored.speedup or 0.0, 1.0) for key, scored in expected.items()
        }
        assert all("flagged" not in each for each in found)
    local.close()


def test_the_guards_are_a_metric_where_they_are_asked_for(server: str, cache: Path, tiny: Path) -> None:
    speedup = Speedup(tiny, judge=server, guarded=True, wrong=-0.25)
    pair = speedup._dataset.pair(TRAINED[0])
    bad = pair.tgt_code.replace("main() {", "main() { { int a[3] = {}; volatile int k = 3; a[k] = 1; }", 1)
    environment = vf.load_environment(
        "pie-bench-verifiers", dataset=str(tiny), limit=1, judge=server, guarded=True, wrong=-0.25
    )
    found = rollouts(environment, {pair.src_code.strip(): [fenced(pair.tgt_code), fenced(bad)]}, 2)
    good, flagged = sorted(found, key=lambda each: each["flagged"])
    assert (good["flagged"], good["reward"]) == (0.0, speedup.scored([(TRAINED[0], fenced(pair.tgt_code))])[0].reward)
    assert (flagged["flagged"], flagged["correct"], flagged["reward"]) == (1.0, 1.0, -0.25)


def test_what_is_wrong_is_said(tiny: Path) -> None:
    with pytest.raises(Exception, match="unexpected keyword argument 'wieght'"):
        vf.load_environment("pie-bench-verifiers", dataset=str(tiny), wieght=1)


def rollouts(environment: Any, answers: Mapping[str, list[str]], each: int) -> list[Any]:
    """The rollouts of verifiers' own `evaluate`, over HTTP."""
    from verifiers.types import ClientConfig

    with answering(Model(answers)) as model:
        client = ClientConfig(api_base_url=model.url, api_key_var="LOOPBACK_KEY")
        found = environment.evaluate_sync(client, "recorded", rollouts_per_example=each, max_concurrent=4)
    return list(found["outputs"])


def text_of(rollout: Any) -> str:
    return str(rollout["completion"][-1]["content"])
