"""What a model is shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """One chat message; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True)
class Prompt:
    """The same content twice: `text` for models that complete, `messages` for models that chat."""

    text: str
    messages: tuple[Message, ...]
