"""Refusals as real servers word them, and how answers are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.errors import UserError
from pie_bench.models.answers import Usage, _split, completions_of
from pie_bench.models.dialect import Dialect, cut_at_stop
from pie_bench.models.failures import Provider, Refused, Retry
from pie_bench.models.model import Request, consecutive
from pie_bench.models.openai import OpenAIEntry
from pie_bench.prompting.prompt import Message, Prompt
from pie_bench.task import Sampling

ENTRY = OpenAIEntry(adapter="openai", id="m")
SAMPLING = Sampling(n=4, temperature=1.0, top_p=1.0, max_tokens=50, seed=0, stop=("#",))

OPENAI_MAX_TOKENS = {
    "error": {
        "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
        "instead.",
        "type": "invalid_request_error",
        "param": "max_tokens",
        "code": "unsupported_parameter",
    }
}
OPENAI_TEMPERATURE = {
    "error": {
        "message": "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value "
        "is supported.",
        "param": "temperature",
        "code": "unsupported_value",
    }
}
FASTAPI_SEED = {
    "detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
}
LLAMA_CPP_N = {"error": {"message": "Field 'n': Value must be between 1 <= value <= 2, but got 4"}}
TOO_LARGE = {
    "error": {"message": "max_tokens is too large: 50. This model supports at most 40.", "param": "max_tokens"}
}
TOO_LONG = {
    "error": {"message": "This model's maximum context length is 512 tokens", "code": "context_length_exceeded"}
}
UNKNOWN_TOP_K = {"error": {"message": "Unrecognized request argument supplied: top_k"}}


def sent_by(dialect: Dialect, **sampling: object) -> dict[str, Any]:
    return dialect.parameters(SAMPLING.model_copy(update=sampling), 3, 4)


@pytest.mark.parametrize(
    ("body", "gone", "new"),
    [
        (OPENAI_MAX_TOKENS, "max_tokens", "max_completion_tokens"),
        (OPENAI_TEMPERATURE, "temperature", None),
        (FASTAPI_SEED, "seed", None),
        (UNKNOWN_TOP_K, "top_k", None),
    ],
)
def test_parameters_that_do_not_change_the_sampling_are_dropped(body, gone, new):
    dialect = Dialect(ENTRY, own_server=True)
    before = sent_by(dialect)
    assert dialect.learn(before, body)
    after = sent_by(dialect)
    assert gone in before
    assert set(before) - set(after) == {gone}
    assert set(after) - set(before) == ({new} if new else set())
    assert list(dialect.notes) == [gone]
    assert dialect.learn(before, body) or new is None, "a call sent before that finds out the same"


def test_a_temperature_that_matters_is_not_dropped():
    with pytest.raises(UserError, match="m does not accept temperature 0.7 .*--model-args temperature=default"):
        Dialect(ENTRY, own_server=False).learn(
            sent_by(Dialect(ENTRY, own_server=False), temperature=0.7), OPENAI_TEMPERATURE
        )


@pytest.mark.parametrize("body", [TOO_LARGE, TOO_LONG, None, "text", {"error": "text"}, {"error": {"message": None}}])
def test_other_refusals_teach_nothing(body):
    dialect = Dialect(ENTRY, own_server=True)
    before = sent_by(dialect)
    assert not dialect.learn(before, body)
    assert sent_by(dialect) == before


def test_fewer_samples_are_asked_for_until_it_agrees():
    dialect = Dialect(ENTRY, own_server=True)
    assert dialect.learn({"n": 8}, LLAMA_CPP_N)
    assert dialect.most_samples == 4
    assert dialect.learn({"n": 8}, LLAMA_CPP_N), "one that was under way"
    assert dialect.most_samples == 4
    assert dialect.learn({"n": 4}, LLAMA_CPP_N)
    assert dialect.most_samples == 2


def test_contradictory_refusals_do_not_loop_forever():
    dialect = Dialect(ENTRY, own_server=False)
    assert dialect.learn(sent_by(dialect), OPENAI_MAX_TOKENS)
    opposite = json.loads(json.dumps(OPENAI_MAX_TOKENS).replace("max_tokens", "max_completion_tokens"))
    assert not dialect.learn(sent_by(dialect), opposite)


def test_openai_itself_gets_nothing_it_does_not_know():
    assert set(sent_by(Dialect(ENTRY, own_server=False))) == {
        *("model", "n", "max_tokens", "seed", "stop", "temperature", "top_p")
    }


@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=3), max_size=3))
def test_an_answer_ends_before_the_first_stop_string(text, stop):
    kept, cut = cut_at_stop(text, stop)
    assert text.startswith(kept)
    assert not any(string in kept for string in stop)
    assert cut == (kept != text)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 5000), min_size=1, max_size=9))
def test_a_sum_is_split_without_losing_a_token(total, weights):
    parts = _split(total, weights)
    assert (len(parts), sum(parts)) == (len(weights), total)
    assert min(parts) >= 0


@given(st.lists(st.integers(0, 40), unique=True).map(sorted), st.integers(1, 9))
def test_calls_hold_consecutive_samples_each_once(indices, at_most):
    runs = list(consecutive(indices, at_most))
    assert [index for run in runs for index in run] == indices
    assert all(len(run) <= at_most and list(run) == list(range(run[0], run[0] + len(run))) for run in runs)


REQUEST = Request("a-b", Prompt("p", (Message("user", "p"),)), SAMPLING, 0, (0, 1))


def completions(body: dict[str, Any], chat: bool = True) -> list[Any]:
    return completions_of(body, REQUEST, (0, 1), {}, 1.0, chat=chat, usage=Usage(trusted=True))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "x"}, "x"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": None, "refusal": "no"}, ""),
        ({"tool_calls": []}, ""),
        ({"content": "y # z"}, "y "),
    ],
)
def test_what_a_message_says(message, text):
    (completion,) = completions({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert completion.text == text


@pytest.mark.parametrize(
    "choices", [None, [], {}, [1], [{}], [{"message": "text"}], [{"text": "of the other endpoint"}]]
)
def test_no_choices_are_retried(choices):
    with pytest.raises(Retry, match="without"):
        completions({"choices": choices})


def test_choices_are_told_apart_by_their_index_and_none_is_too_many():
    choices = [{"index": i, "text": f"t{i}", "finish_reason": "max_tokens"} for i in (2, 0, 1)]
    found = completions({"choices": choices, "usage": {"prompt_tokens": 5, "completion_tokens": 7}}, chat=False)
    assert [(c.sample_index, c.text, c.finish_reason) for c in found] == [(0, "t0", "length"), (1, "t1", "length")]
    assert sum(c.completion_tokens for c in found) == 7


def test_failures_are_classified_and_never_show_the_key():
    provider = Provider("http://s/v1", "m", "OPENAI_API_KEY", "sk-secret", "a note")

    def failure(status: int, message: str = "sk-secret is wrong", **headers: str) -> Exception:
        error = provider.failure(status, {"error": {"message": message}}, headers, "pair a-b")
        assert "sk-secret" not in str(error)
        return error

    for status in (408, 409, 429, 500, 502, 503, 529):
        assert isinstance(failure(status), Retry), status
    assert failure(429, **{"retry-after": "3"}).wait_seconds == 3  # type: ignore[attr-defined]
    for status in (400, 422):
        assert isinstance(failure(status), Refused)
    for status in (401, 402, 403, 404, 413):
        assert isinstance(failure(status), UserError), status
    assert "a note" in str(failure(404))
    assert "show fewer examples" in str(failure(400, "the maximum context length is 5"))
    assert "show fewer examples" in str(failure(400, "max_tokens=9 cannot be greater than max_model_len=5"))
    assert "--model-args prompting=text" in str(failure(400, "you must provide a chat template"))
    assert "x y" in str(Provider("http://s/v1", "m", "KEY", "x", None).failure(500, "x y", {}, "pair a-b"))
