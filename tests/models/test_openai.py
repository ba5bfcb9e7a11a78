"""The OpenAI adapter against a server that misbehaves, over real HTTP."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from pie_bench.errors import UserError
from pie_bench.models.budget import Budget, BudgetReached
from pie_bench.models.model import Completion, Request
from pie_bench.models.openai import OpenAIEntry, OpenAIModel
from pie_bench.prompting.extract import extract_code
from pie_bench.prompting.prompt import Message, Prompt
from pie_bench.task import Sampling
from tests.models.fault_server import ANSWERED, RETRIED, Behaviour, FaultServer, serving

SAMPLING = Sampling(n=4, temperature=0.7, top_p=1.0, max_tokens=50, seed=0)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def request(pair_id: str, *indices: int, seed: int = 0, **sampling: object) -> Request:
    prompt = Prompt(f"text of {pair_id}", (Message("system", "be quick"), Message("user", f"about {pair_id}")))
    return Request(pair_id, prompt, SAMPLING.model_copy(update=sampling), seed, indices)


def model_at(server: FaultServer, budget: Budget | None = None, **fields: Any) -> OpenAIModel:
    entry = OpenAIEntry(
        **{"adapter": "openai", "id": "tiny", "base_url": server.url, "backoff_seconds": 0.01, "concurrency": 16}
        | fields
    )
    return OpenAIModel("openai:tiny", entry, budget or Budget())


def asked(server: FaultServer, *requests: Request, **fields: Any) -> dict[tuple[str, int], Completion]:
    completions = list(model_at(server, **fields).generate(requests))
    assert len({(c.pair_id, c.sample_index) for c in completions}) == len(completions), "none twice"
    return {(c.pair_id, c.sample_index): c for c in completions}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with serving() as server:
        yield server


def test_n_samples_of_a_prompt_are_one_call(server):
    found = asked(server, request("a-b", 0, 1, 2, 3, seed=7), request("c-d", 1, 2, 5))
    assert {key: c.text for key, c in found.items()} == {
        ("a-b", i): f"about a-b {7 + i}: int main() {{}}" for i in range(4)
    } | {("c-d", i): f"about c-d {i}: int main() {{}}" for i in (1, 2, 5)}
    bodies = sorted(server.seen.bodies, key=lambda body: (body["messages"][1]["content"], body["seed"]))
    assert [(body.get("n"), body["seed"]) for body in bodies] == [(4, 7), (2, 1), (None, 5)], "gaps end a call"
    sent = bodies[0]
    assert sent["messages"] == [
        {"role": "system", "content": "be quick"},
        {"role": "user", "content": "about a-b"},
    ]
    assert (sent["model"], sent["temperature"], sent["top_p"], sent["max_tokens"]) == ("tiny", 0.7, 1.0, 50)
    # a server's own defaults would cut what is sampled
    assert (sent["top_k"], sent["min_p"]) == (-1, 0.0)
    completion = found["a-b", 1]
    assert (completion.finish_reason, completion.prompt_tokens, completion.completion_tokens) == ("stop", 100, 10)
    assert completion.raw["response"]["model"] == "tiny-2026"
    assert [choice["index"] for choice in completion.raw["response"]["choices"]] == [1]
    assert completion.raw["request"]["temperature"] == 0.7
    assert completion.cost_usd is None


def test_the_completions_endpoint_gets_the_text_as_it_is(server):
    found = asked(server, request("a-b", 0, 1, stop=("###",)), prompting="text")
    assert found["a-b", 1].text == "text of a-b 1: int main() {}"
    (body,) = server.seen.bodies
    assert (body["prompt"], body["stop"], "messages" in body) == ("text of a-b", ["###"], False)


@pytest.mark.parametrize("fault", RETRIED)
def test_transient_failures_are_retried(fault):
    with serving(Behaviour(script=(fault, fault))) as server:
        found = asked(server, request("a-b", 0, 1), timeout_seconds=0.15)
    assert [found["a-b", i].text for i in (0, 1)] == [f"about a-b {i}: int main() {{}}" for i in (0, 1)]
    assert len(server.seen.bodies) == 3


def test_500_requests_at_a_fault_rate_of_30_percent_all_complete():
    faults = RETRIED + ANSWERED
    with serving(Behaviour(faults=faults, rate=0.3, seed=1, slow_seconds=0.02)) as server:
        requests = [request(f"p{number}-q", 0, 1) for number in range(500)]
        found = asked(server, *requests, retries=12, backoff_seconds=0.001)
    assert set(found) == {(f"p{number}-q", index) for number in range(500) for index in (0, 1)}, "none lost"
    for (pair_id, index), completion in found.items():
        if completion.text:
            assert completion.text.startswith(f"about {pair_id} {index}: "), "nobody else's answer"
    assert all(server.seen.faults[fault] for fault in faults)
    assert set(server.seen.answered.values()) == {1}, "nothing that was answered is asked for again"


def test_truncated_empty_and_refused_answers_are_told_apart():
    with serving(Behaviour(script=("length", "empty", "null", "refusal"), delta="```cpp\nint main() {")) as server:
        found = asked(server, *(request(f"p{number}-q", 0) for number in range(4)), concurrency=1)
    kinds = {pair_id: extract_code(c.text, c.finish_reason).reason for (pair_id, _), c in found.items()}
    assert kinds == {"p0-q": "truncated", "p1-q": "no_code", "p2-q": "no_code", "p3-q": "no_code"}
    refusal = found["p3-q", 0].raw["response"]["choices"][0]["message"]["refusal"]
    assert refusal == "I cannot help with that."


@pytest.mark.parametrize("silently", [True, False])
def test_a_server_that_gives_fewer_choices_is_asked_for_the_rest_and_remembered(silently):
    with serving(Behaviour(most_n=2, silently=silently)) as server:
        model = model_at(server)
        found = list(model.generate([request(f"p{number}-q", *range(8), seed=3) for number in range(20)]))
    assert sorted((c.pair_id, c.sample_index) for c in found) == sorted(
        (f"p{number}-q", i) for number in range(20) for i in range(8)
    )
    assert all(c.text.startswith(f"about {c.pair_id} {3 + c.sample_index}: ") for c in found)
    assert set(server.seen.answered.values()) == {1}
    sizes = Counter(body.get("n", 1) for body in server.seen.bodies)
    # the first call goes alone: the others know
    assert sizes == ({8: 1, 2: 79} if silently else {8: 1, 4: 1, 2: 80})
    assert "further calls" in model.notes["n"]


@pytest.mark.parametrize(
    ("name", "fields", "note"),
    [
        ("max_tokens", {}, "max_completion_tokens is sent"),
        ("max_completion_tokens", {"max_tokens_parameter": "max_completion_tokens"}, "max_tokens is sent"),
        ("seed", {}, "answers are not reproducible"),
        ("stop", {}, "cut here"),
        ("top_p", {}, "1 is the default"),
        ("top_k", {}, "not sent"),
    ],
)
def test_a_refused_parameter_is_learnt_once(name, fields, note):
    with serving(Behaviour(refused=frozenset({name}))) as server:
        model = model_at(server, **fields)
        found = list(model.generate([request(f"p{i}-q", 0, stop=("main",)) for i in range(30)]))
    assert len(found) == 30
    assert len(server.seen.bodies) == 31, "one refusal, then everyone knows"
    assert note in model.notes[name]
    assert all(c.text.endswith(": int ") for c in found), "the answer ends before the stop string all the same"


def test_sampling_is_never_changed_in_silence():
    with serving(Behaviour(refused=frozenset({"temperature"}))) as server:
        with pytest.raises(UserError, match=r"does not accept temperature 0.7 .*--model-args temperature=default"):
            asked(server, request("a-b", 0))
        assert asked(server, request("a-b", 0, temperature=1.0))["a-b", 0].text
        model = model_at(server, temperature="default")
        assert list(model.generate([request("a-b", 0)]))
        assert "temperature" not in server.seen.bodies[-1]


@pytest.mark.parametrize("fault", ["400", "422", "413", "404", "403", "no credit"])
def test_permanent_failures_end_at_once_and_keep_answers_under_way(fault):
    behaviour = Behaviour(script=("", "", "", "", fault), seconds=0.02)
    with serving(behaviour) as server:
        found = []
        with pytest.raises(UserError) as caught:
            found.extend(model_at(server).generate([request(f"p{number}-q", 0) for number in range(200)]))
        message = str(caught.value)
        assert "\n" not in message
        assert {
            "400": "refuses the request",
            "422": "refuses the request",
            "413": "refuses the request",
            "404": "does not serve 'tiny'",
            "403": "not permitted",
            "no credit": "no credit left",
        }[fault] in message
        assert len(server.seen.bodies) < 20, "nothing more is asked"


def test_answers_under_way_when_another_call_fails_for_good_are_not_lost():
    with serving(Behaviour(script=("",) * 9 + ("400",), seconds=0.05)) as server:
        found = []
        with pytest.raises(UserError, match=r"pair p\d+-q: .* refuses the request"):
            for completion in model_at(server).generate([request(f"p{number}-q", 0) for number in range(50)]):
                found.append((completion.pair_id, completion.sample_index))
        assert len(found) == sum(server.seen.answered.values()) == len(server.seen.bodies) - 1


def test_a_server_that_stays_down_ends_the_run_soon_and_names_itself():
    with serving(Behaviour(faults=("503",), rate=1.0)) as server:
        with pytest.raises(
            UserError, match=r"127.0.0.1:\d+/v1 does not answer \(3 attempts, the last: 503: a fault, 503\)"
        ):
            asked(server, *(request(f"p{number}-q", 0) for number in range(500)), retries=2)
        assert len(server.seen.bodies) < 60


def test_a_call_that_never_succeeds_does_not_hold_up_the_others():
    with serving(Behaviour(script=("500",) * 3)) as server:
        found = []
        with pytest.raises(UserError, match=r"1 call got no answer, the first for pair p0-q \(3 attempts"):
            found.extend(
                model_at(server, retries=2, concurrency=1).generate(
                    [request(f"p{number}-q", 0) for number in range(20)]
                )
            )


def test_a_wrong_key_an_unknown_model_and_an_unreachable_server_show_before_anything_is_begun(monkeypatch):
    with serving(Behaviour(key="right", models=("one", "two"))) as server:
        with pytest.raises(UserError, match="requires a key .*; set OPENAI_API_KEY"):
            model_at(server)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
        with pytest.raises(UserError, match="does not accept the key in OPENAI_API_KEY") as caught:
            model_at(server)
        assert "sk-wrong" not in str(caught.value), "a key is never printed"
        monkeypatch.setenv("OPENAI_API_KEY", "right")
        with pytest.raises(UserError, match=r"does not serve 'tiny' \(it lists one, two\)"):
            model_at(server)
        assert model_at(server, id="two").resolved == f"two at {server.url} prompting chat"
        monkeypatch.setenv("ANOTHER", "right")
        assert model_at(server, id="two", api_key_env="ANOTHER")
        assert server.seen.bodies == []
    with pytest.raises(UserError, match=r"127.0.0.1:\d+/v1 does not answer \(ConnectError: .*is it running"):
        model_at(server)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="api.openai.com/v1 requires a key; set OPENAI_API_KEY"):
        OpenAIModel("gpt-4", OpenAIEntry(adapter="openai", id="gpt-4-0613"), Budget())


def test_a_server_without_a_list_of_models_is_taken_at_its_word():
    with serving(Behaviour(models=None)) as server:
        assert asked(server, request("a-b", 0))


def test_the_address_comes_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/")
    model = OpenAIModel("openai:tiny", OpenAIEntry(adapter="openai", id="tiny"), Budget())
    assert len(list(model.generate([request("a-b", 0)]))) == 1
    monkeypatch.setenv("OPENAI_BASE_URL", "localhost:8000")
    with pytest.raises(UserError, match="OPENAI_BASE_URL: expected a URL"):
        OpenAIModel("openai:tiny", OpenAIEntry(adapter="openai", id="tiny"), Budget())


def test_concurrency_follows_the_server():
    with serving(Behaviour(most_at_once=4, seconds=0.02)) as server:
        asked(server, *(request(f"p{number}-q", 0) for number in range(150)), concurrency=64, retries=30)
    assert 3 <= server.seen.most <= 16
    assert server.seen.faults["429"] < 75, "it learns, rather than running into the limit again and again"


def test_retry_after_holds_everyone_back():
    with serving(Behaviour(script=("", "429 with Retry-After"), retry_after_ms=1000)) as server:
        asked(server, *(request(f"p{number}-q", 0) for number in range(10)))
    after = [moment - server.seen.times[1] for moment in server.seen.times]
    assert not any(0.4 < moment < 0.95 for moment in after), "half a second is enough to have heard of it"
    assert any(moment >= 0.95 for moment in after)
    with serving(Behaviour(script=("429 for an hour",))) as server:
        started = time.monotonic()
        with pytest.raises(UserError, match="asks to wait 3600 seconds .*rerun the same command after that"):
            asked(server, request("a-b", 0))
        assert time.monotonic() - started < 600, "it has not waited"


def test_a_pause_that_a_person_notices_is_explained(capfd, monkeypatch):
    monkeypatch.setattr("pie_bench.models.openai._NOTICED_SECONDS", 0.01)
    with serving(Behaviour(script=("429 with Retry-After",) * 5)) as server:
        asked(server, request("a-b", 0))
    said = capfd.readouterr().err
    assert said == f"pie-bench: {server.url}: 429: slow down; retrying in 0 s\n", "once, not five times"


def test_repeated_short_retry_after_is_backed_off_from_and_reported(capfd):
    with serving(Behaviour(script=("429 with Retry-After",) * 5, retry_after_ms=1)) as server:
        asked(server, request("a-b", 0), backoff_seconds=0.1)
    gaps = [later - earlier for earlier, later in pairwise(server.seen.times)]
    assert gaps[-1] >= 0.39, "the server's own word was not enough four times"
    assert capfd.readouterr().err == f"pie-bench: {server.url}: 429: slow down; retrying in 0 s\n", "said, once"


def test_tokens_that_a_server_counts_for_one_choice_only_are_estimated():
    long = "int main() { return 0; } // " + "x" * 60
    with serving(Behaviour(counts_one=True, delta=long)) as server:
        model = model_at(server)
        found = list(model.generate([request("a-b", 0, 1, 2, 3)]))
    assert all(c.tokens_estimated and c.completion_tokens > 30 for c in found)
    assert "counts one choice" in model.notes["usage"]
    with serving(Behaviour(usage=False)) as server:
        model = model_at(server)
        (completion,) = model.generate([request("a-b", 0)])
    assert completion.tokens_estimated
    assert completion.completion_tokens == -(-len(completion.text) * 10 // 23)
    assert "no token counts" in model.notes["usage"]


PRICES = {"price_in": 1000.0, "price_out": 2000.0}  # a call for one sample: 100 × 0.001 + 10 × 0.002 = 0.12


def test_answers_have_their_price_and_a_prompt_is_paid_once_a_call(server):
    budget = Budget()
    found = list(model_at(server, budget, **PRICES).generate([request("a-b", 0, 1, 2, 3)]))
    assert [round(c.cost_usd, 6) for c in found] == [0.12, 0.02, 0.02, 0.02]
    assert [c.shares_prompt for c in found] == [False, True, True, True]
    assert (round(budget.spent, 6), round(budget.reserved, 6)) == (0.18, 0)


def test_it_stops_before_the_limit_and_a_higher_one_continues(server):
    requests = [request(f"p{number}-q", 0) for number in range(100)]
    budget = Budget(limit=3.0)
    found = []
    with pytest.raises(BudgetReached, match=r"stopped before --max-cost \$3: \$2\.\d+ spent, .*a higher --max-cost"):
        for completion in model_at(server, budget, **PRICES).generate(requests):
            found.append(completion)
    cost = sum(c.cost_usd for c in found)
    assert 2.5 < cost <= 3.0
    assert cost == pytest.approx(0.12 * len(server.seen.bodies)), "all that was paid for was yielded"
    with pytest.raises(UserError, match="the price of tiny is unknown; .*price_in=0.5 price_out=1.5"):
        model_at(server, Budget(limit=1.0))


def test_calls_that_broke_off_count_against_the_limit_as_if_billed():
    with serving(Behaviour(faults=("cut",), rate=1.0)) as server:
        budget = Budget(limit=1.0)
        with pytest.raises(BudgetReached, match=r"\$0.0000 spent, up to \$\d.\d+ in calls that broke off"):
            asked(server, request("a-b", 0), budget=budget, retries=50, **PRICES)
        worst = (len("about a-b") + len("be quick") + 48) * 0.001 + 50 * 0.002
        assert len(server.seen.bodies) == int(1.0 / worst)


def test_leaving_early_ends_the_asking(server):
    stream = model_at(server).generate(request(f"p{number}-q", 0) for number in range(100_000))
    next(stream)
    stream.close()
    time.sleep(0.1)
    asked_for = len(server.seen.bodies)
    time.sleep(0.2)
    assert len(server.seen.bodies) - asked_for <= 16, "no more than what was under way"
    assert asked_for < 5000


def test_only_what_is_pinned_is_shared_between_runs(server, monkeypatch):
    assert model_at(server).identity is None, "another model may answer there tomorrow"
    one, two = (model_at(server, weights_label=label).identity for label in ("one", "two"))
    assert one != two
    assert one == model_at(server, weights_label="one", concurrency=3, price_in=1, price_out=1).identity
    assert one != model_at(server, weights_label="one", prompting="text").identity
    own = model_at(server, temperature="default", reasoning_effort="low")
    assert own.resolved.endswith("prompting chat temperature default reasoning_effort low")
    monkeypatch.setenv("OPENAI_API_KEY", "x")

    def identity(**fields: object) -> object:
        entry = OpenAIEntry(adapter="openai", check_model=False, **fields)
        return OpenAIModel("m", entry, Budget()).identity

    assert identity(id="gpt-4") is None, "an undated name may become another model"
    assert identity(id="gpt-4-0613") not in (None, identity(id="gpt-4o-2024-08-06"))
