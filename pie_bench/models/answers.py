"""Turns the body of an OpenAI response into Completions: texts, finish reasons, token counts and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pie_bench.models.budget import price_of
from pie_bench.models.dialect import cut_at_stop
from pie_bench.models.failures import Retry
from pie_bench.models.model import Completion, Request
from pie_bench.models.openai_settings import OpenAISettings
from pie_bench.prompting.tokens import MOST_CHARACTERS_PER_TOKEN, estimated_tokens
from pie_bench.run.generation import was_cut

# Where servers report the finish reason: OpenAI's field, and what other servers use beside or instead of it.
_REASONS = ("finish_reason", "stop_reason", "native_finish_reason", "finishReason", "done_reason")
_LONGEST_REASON = 60  # characters
_THINKING_PARTS = ("thinking", "reasoning", "reasoning_text", "reasoning_content", "redacted_thinking", "summary")


@dataclass
class Usage:
    """How far a server's token counts can be trusted: some cover one choice only, however many were requested."""

    trusted: bool
    notes: dict[str, str] = field(default_factory=dict)

    def counts(self, usage: Any, prompt: str, texts: Sequence[str]) -> tuple[int, list[int], bool]:
        """Tokens of the prompt and of each text, and whether the latter are estimated.

        The protocol gives one sum for all choices; it is split in proportion to the texts' lengths. Where that sum is
        missing or implausible, everything is estimated from characters.
        """
        usage = usage if isinstance(usage, dict) else {}
        counted_prompt, total = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if type(counted_prompt) is not int or counted_prompt < 0:
            counted_prompt = estimated_tokens(prompt)
            self.notes["usage"] = "reports no token counts: they are estimated"
        if type(total) is not int or total < 0:
            self.notes["usage"] = "reports no token counts: they are estimated"
            return counted_prompt, [estimated_tokens(text) for text in texts], True
        if len(texts) == 1:
            return counted_prompt, [total], False
        characters = sum(map(len, texts))
        if not self.trusted and characters > MOST_CHARACTERS_PER_TOKEN * total:
            self.notes["usage"] = "counts one choice of several: completion tokens are estimated"
            return counted_prompt, [estimated_tokens(text) for text in texts], True
        return counted_prompt, _split(total, [len(text) for text in texts]), True


def _split(total: int, weights: Sequence[int]) -> list[int]:
    """Splits `total` into whole parts proportional to the weights; the parts add up to `total`."""
    whole = sum(weights)
    if whole == 0:
        return [total] + [0] * (len(weights) - 1)
    ends = [round(total * sum(weights[: i + 1]) / whole) for i in range(len(weights))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def completions_of(
    body: Mapping[str, Any],
    request: Request,
    indices: Sequence[int],
    sent: Mapping[str, Any],
    seconds: float,
    *,
    chat: bool,
    usage: Usage,
) -> list[Completion]:
    """The choices as samples, in order, at most as many as were requested. Retry when none is readable."""
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
        raise Retry("a response without choices", billed=True)
    if all(isinstance(choice.get("index"), int) for choice in choices):
        choices = sorted(choices, key=lambda choice: choice["index"])
    choices = choices[: len(indices)]
    texts = [_text(choice, chat) for choice in choices]
    prompt = "".join(message.content for message in request.prompt.messages) if chat else request.prompt.text
    prompt_tokens, counted, estimated = usage.counts(body.get("usage"), prompt, texts)
    about = {key: value for key, value in body.items() if key != "choices"}
    completions = []
    for index, choice, text, tokens in zip(indices, choices, texts, counted, strict=False):
        text, cut = cut_at_stop(text, request.sampling.stop)
        reason = "stop" if cut else _reason(choice, body)
        completions.append(
            Completion(
                pair_id=request.pair_id,
                sample_index=index,
                text=text,
                finish_reason=reason,
                prompt_tokens=prompt_tokens,
                completion_tokens=tokens,
                latency_seconds=seconds,
                tokens_estimated=estimated,
                shares_prompt=index != indices[0],
                raw={"request": dict(sent), "response": about | {"choices": [choice]}},
            )
        )
    return completions


def _reason(choice: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """The finish reason: "length" wherever any part of the response, in any spelling, reports a cut-off."""
    said = [choice[name] for name in _REASONS if isinstance(choice.get(name), str) and choice[name]]
    details = body.get("incomplete_details") or choice.get("finish_details")
    if isinstance(details, Mapping):
        said += [str(details[name]) for name in ("reason", "type") if name in details]
    # Some servers put the stop string they met into stop_reason; that is not a finish reason.
    first = said[0] if said else "unknown"
    cut = any(was_cut(each) for each in said if len(each) <= _LONGEST_REASON and " " not in each.strip())
    return "length" if cut else first


def _text(choice: Mapping[str, Any], chat: bool) -> str:
    """The choice's text; empty for a refusal or a pure tool call. Retry when it is not a choice at all."""
    if not chat:
        if "text" not in choice:
            raise Retry("a choice without a text", billed=True)
        return choice["text"] if isinstance(choice["text"], str) else ""
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Retry("a choice without a message", billed=True)
    content = message.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") not in _THINKING_PARTS]
        texts = [part.get("text") for part in parts]
        content = "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def priced(completions: Sequence[Completion], entry: OpenAISettings) -> list[Completion]:
    """The completions, each with its cost."""
    if entry.price_in is None or entry.price_out is None:
        return list(completions)
    found = []
    for completion in completions:
        prompt_tokens = 0 if completion.shares_prompt else completion.prompt_tokens
        cost = price_of(prompt_tokens, completion.completion_tokens, entry.price_in, entry.price_out)
        found.append(replace(completion, cost_usd=cost))
    return found
