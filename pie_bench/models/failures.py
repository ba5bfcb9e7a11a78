"""Classifies failed calls: retry, rephrase, or report to the user."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pie_bench.errors import UserError
from pie_bench.models.pace import retry_after_seconds

_TRANSIENT = frozenset({408, 409, 425, 429})
_NO_CREDIT = re.compile(r"insufficient_quota|insufficient (?:credit|balance|funds)", re.IGNORECASE)
_TOO_LONG = re.compile(r"context.{0,20}(?:length|size|window)|too long|max(?:imum)?[_ ]model[_ ]len", re.IGNORECASE)
_KEY_LENGTH = 8  # shorter keys are placeholders that would match ordinary words


class Retry(Exception):
    """Worth a retry. `limited`: the server is rate-limiting; `billed`: an answer may have been generated and lost."""

    def __init__(self, why: str, wait_seconds: float | None = None, *, limited: bool = False, billed: bool = False):
        super().__init__(why)
        self.wait_seconds = wait_seconds
        self.limited = limited
        self.billed = billed


class Refused(Exception):
    """400 or 422: the server may accept the request if it is rephrased."""

    def __init__(self, body: Any, error: UserError):
        super().__init__(str(error))
        self.body = body
        self.error = error


class Provider:
    """The server asked, for error messages; they never contain the key."""

    def __init__(self, url: str, model: str, key_name: str, key: str | None, note: str | None):
        self.url, self.model, self.key_name, self.note = url, model, key_name, note
        self._key = key

    def said(self, status: int, body: Any) -> str:
        """The server's own error message, on one line, without the key."""
        error = body.get("error", body) if isinstance(body, dict) else body
        message = error.get("message", error) if isinstance(error, dict) else error
        text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
        text = " ".join(text.split())
        if self._key and len(self._key) >= _KEY_LENGTH:
            text = text.replace(self._key, "…")
        return f"{status}: {text[:300]}" if text and text != "null" else str(status)

    def failure(self, status: int, body: Any, headers: Mapping[str, str], about: str) -> Exception:
        """The exception that a response with this status stands for; `about`: a pair, or the list of models."""
        said = self.said(status, body)
        if status in (402, 429) and (status == 402 or _NO_CREDIT.search(json.dumps(body))):
            return UserError(
                f"{self.url}: no credit left ({said}); top up the account of {self.key_name}, "
                "then rerun the same command to continue"
            )
        if status in _TRANSIENT or status >= 500:
            return Retry(said, retry_after_seconds(headers), limited=status in (429, 503))
        if status == 401:
            if self._key is None:
                return UserError(f"{self.url} requires a key ({said}); set {self.key_name}")
            return UserError(
                f"{self.url} does not accept the key in {self.key_name} ({said}); set {self.key_name} to a valid one"
            )
        if status == 403:
            return UserError(
                f"{self.url}: not permitted ({said}); the account of {self.key_name} needs access to {self.model}"
            )
        if status in (404, 405, 410):
            return self.unknown_model(said)
        if _TOO_LONG.search(said):
            remedy = "show fewer examples, lower the task's max_tokens, or use a model with a larger context"
        elif "chat template" in said:
            remedy = "use --model-args prompting=text to have it complete the prompt instead"
        else:
            remedy = "change the task's sampling or --model-args"
        refused = UserError(f"{about}: {self.url} refuses the request ({said}); {remedy}")
        return Refused(body, refused) if status in (400, 422) else refused

    def unknown_model(self, said: str) -> UserError:
        note = f"; {self.note}" if self.note else ""
        return UserError(
            f"{self.url} does not serve {self.model!r} ({said}){note}; `pie-bench models` lists names, any other id "
            "works as openai:ID; set OPENAI_BASE_URL for another server"
        )

    def unreachable(self, why: str) -> UserError:
        return UserError(
            f"{self.url} does not answer ({why}); is it running, and is OPENAI_BASE_URL right? "
            "Rerun the same command to continue"
        )
