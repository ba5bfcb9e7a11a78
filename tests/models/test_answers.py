"""From response bodies to completions: text without reasoning, and why an answer ended, however a server puts it."""

from typing import Any

import pytest
from pydantic import ValidationError

from pie_bench.models.answers import Usage, completions_of
from pie_bench.models.model import Completion, Request
from pie_bench.models.replay import ReplayEntry
from pie_bench.prompting.extract import extract_code
from pie_bench.prompting.prompt import Message, Prompt
from pie_bench.run.generation import was_cut
from pie_bench.task import Sampling

SAMPLING = Sampling(n=1, temperature=0.7, top_p=1.0, max_tokens=10, stop=(), seed=0)

DRAFT = {"type": "text", "text": "draft"}


def completion(choice: dict[str, Any], **body: Any) -> Completion:
    request = Request("a-b", Prompt("", (Message("user", "?"),)), SAMPLING, 0, (0,))
    given = {"choices": [{"index": 0, "message": {"content": "x"}} | choice], **body}
    return completions_of(given, request, (0,), {}, 0.0, chat=True, usage=Usage(trusted=True))[0]


@pytest.mark.parametrize(
    ("choice", "body", "reason"),
    [
        ({"finish_reason": "stop"}, {}, "stop"),
        ({"finish_reason": "length"}, {}, "length"),
        ({"finish_reason": "LENGTH"}, {}, "length"),
        ({"finish_reason": "MAX_TOKENS"}, {}, "length"),
        ({"finish_reason": "model_length"}, {}, "length"),
        ({"finishReason": "MAX_TOKENS"}, {}, "length"),
        ({"stop_reason": "max_tokens"}, {}, "length"),
        ({"stop_reason": "end_turn"}, {}, "end_turn"),
        ({"finish_reason": "stop", "native_finish_reason": "MAX_TOKENS"}, {}, "length"),
        ({"finish_reason": None}, {"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"finish_reason": "stop", "stop_reason": "up to the limit of lines"}, {}, "stop"),  # a stop string
        ({"finish_reason": "stop", "stop_reason": 128001}, {}, "stop"),
        ({}, {}, "unknown"),
    ],
)
def test_why_an_answer_ended(choice: dict[str, Any], body: dict[str, Any], reason: str) -> None:
    assert completion(choice, **body).finish_reason == reason


@pytest.mark.parametrize("word", ["stop", "STOP", "end_turn", "eos", "content_filter", "tool_calls", "unknown", ""])
def test_other_finish_reasons_are_not_cuts(word: str) -> None:
    assert not was_cut(word)


@pytest.mark.parametrize(
    "message",
    [
        {"content": "answer", "reasoning_content": "draft"},
        {"content": "answer", "reasoning": "draft"},
        {"content": [{"type": "thinking", "thinking": "draft"}, {"type": "text", "text": "answer"}]},
        {"content": [{"type": "reasoning", "text": "draft"}, {"type": "text", "text": "answer"}]},
        {"content": [{"type": "thinking", "thinking": [DRAFT]}, {"type": "text", "text": "answer"}]},
    ],
)
def test_reasoning_is_no_part_of_the_text(message: dict[str, Any]) -> None:
    assert completion({"message": message}).text == "answer"


def test_all_tokens_spent_on_hidden_reasoning_is_truncated() -> None:
    hidden = completion({"message": {"content": None, "reasoning_content": "on and on"}, "finish_reason": "length"})
    found = extract_code(hidden.text, hidden.finish_reason)
    assert (found.reason, "hidden reasoning" in found.rule) == ("truncated", True)


def test_an_entry_names_its_own_thinking_tags_as_a_mapping_or_in_one_line() -> None:
    tags = {"start": "<<T>>", "end": "<</T>>"}
    entries = [ReplayEntry(adapter="replay", path="x", reasoning=given) for given in (tags, "<<T>>…<</T>>")]
    assert entries[0] == entries[1]
    for wrong in ("<<T>>", "…", "<<T>>…"):
        with pytest.raises(ValidationError, match="START…END"):
            ReplayEntry(adapter="replay", path="x", reasoning=wrong)
