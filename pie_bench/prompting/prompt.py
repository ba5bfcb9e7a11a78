"""The prompt that a model is shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pie_bench.hashing import hash_of


@dataclass(frozen=True)
class Message:
    """One chat message; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True)
class Prompt:
    """The same content twice: `text` for completion models, `messages` for chat models."""

    text: str
    messages: tuple[Message, ...]

    @property
    def sha256(self) -> str:
        """Identifies the prompt that an answer was given to: the hash over text and messages."""
        return hash_of(asdict(self))
