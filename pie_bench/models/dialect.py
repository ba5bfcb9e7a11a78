"""What an OpenAI-compatible server really accepts, learnt from its refusals and kept for the rest of the run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pie_bench.errors import UserError
from pie_bench.models.openai_settings import OpenAISettings
from pie_bench.task import Sampling

_REFUSED = re.compile(
    r"unsupported|unknown|unrecogni[sz]ed|(?:not|n't|no longer) (?:be )?(?:support|permit|allow|accept|compatible)|"
    r"\bextra\b|unexpected|invalid (?:parameter|argument)|only the default",
    re.IGNORECASE,
)
_NAMES_N = re.compile(r"['\"`]n['\"`]|\bn(?:_cmpl)?\s*(?:=|>|<|must|should|parameter|cannot)|parameter:?\s+n\b")
_MOST_STOPS = 4  # OpenAI's limit

# Self-hosted servers apply their own defaults to a request (llama.cpp top_k 40 and min_p 0.05; vLLM the model's
# generation_config.json); these values switch off everything but temperature and top_p.
_NEUTRAL: dict[str, Any] = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "repeat_penalty": 1.0}


class Dialect:
    """The request parameters for one server. `notes` records where the server deviates, for the manifest."""

    def __init__(self, entry: OpenAISettings, *, own_server: bool):
        self._entry = entry
        self.most_samples = 1000
        self._max_tokens = entry.max_tokens_parameter
        self._swapped = False
        self._dropped: set[str] = set() if own_server else set(_NEUTRAL)
        self.notes: dict[str, str] = {}

    def parameters(self, sampling: Sampling, seed: int, samples: int) -> dict[str, Any]:
        """The parameters sent along with the prompt."""
        wanted: dict[str, Any] = {
            "model": self._entry.id,
            "n": samples,
            self._max_tokens: sampling.max_tokens,
            "seed": seed,
            "stop": list(sampling.stop[:_MOST_STOPS]),
            "reasoning_effort": self._entry.reasoning_effort,
            "temperature": sampling.temperature if self._entry.temperature == "task" else None,
            "top_p": sampling.top_p if self._entry.top_p == "task" else None,
            **_NEUTRAL,
        }
        if samples == 1:
            del wanted["n"]
        return {key: value for key, value in wanted.items() if value not in (None, []) and key not in self._dropped}

    def gave_fewer(self, samples: int) -> None:
        """A server returned only this many choices: never ask it for more again."""
        if samples < self.most_samples:
            self.most_samples = samples
            self.notes["n"] = f"returns at most {samples} choices per call: the others come from further calls"

    def learn(self, sent: Mapping[str, Any], body: Any) -> bool:
        """Adapts to a refusal (400, 422) with this body; returns whether the request may succeed if rephrased.

        Only gives up what does not change the sampling. Raises UserError for anything else: the user must decide.
        """
        error = body.get("error") if isinstance(body, dict) else None
        error = error if isinstance(error, dict) else {}
        said = error.get("message")
        message = said if isinstance(said, str) else json.dumps(body)
        refused = _REFUSED.search(f"{message} {error.get('code')}") is not None
        param = error.get("param")
        name = param if isinstance(param, str) and param in sent else _named(message, sent)
        if name == "n" or ("n" in sent and _NAMES_N.search(message)):
            self._take_fewer(sent["n"])
            return True
        if name is None or not refused:
            return False
        if name in ("max_tokens", "max_completion_tokens"):
            if name != self._max_tokens:  # another call already found out
                return True
            if self._swapped:
                return False
            self._swapped = True
            self._max_tokens = "max_completion_tokens" if name == "max_tokens" else "max_tokens"
            self.notes[name] = f"refused: {self._max_tokens} is sent"
            return True
        if name in ("temperature", "top_p") and sent[name] != 1:
            raise UserError(
                f"{self._entry.id} does not accept {name} {sent[name]:g} ({_short(message)}); to use its own value "
                f"instead of the task's, which the results will say: --model-args {name}=default"
            )
        if name not in ("temperature", "top_p", "seed", "stop", *_NEUTRAL):
            return False
        self._dropped.add(name)
        self.notes[name] = {
            "seed": "refused: answers are not reproducible",
            "stop": "refused: answers are cut here at the stop strings",
        }.get(name, "refused: not sent, and 1 is the default" if sent[name] == 1 else "refused: not sent")
        return True

    def _take_fewer(self, asked: int) -> None:
        if asked <= self.most_samples:
            self.most_samples = max(1, asked // 2)
            self.notes["n"] = f"refused above {self.most_samples}: more samples come from further calls"


def _named(message: str, sent: Mapping[str, Any]) -> str | None:
    for name in sorted(sent, key=len, reverse=True):
        if len(name) > 1 and name != "model" and re.search(rf"(?<!\w){name}(?!\w)", message):
            return name
    return None


def _short(message: str, most: int = 200) -> str:
    message = " ".join(message.split())
    return message if len(message) <= most else f"{message[:most]}…"


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before its first stop string, and whether it contained one."""
    at = min((index for index in (text.find(string) for string in stop if string) if index >= 0), default=None)
    return (text, False) if at is None else (text[:at], True)
