"""What the guards find in one correct answer: a line of `guards.jsonl` (docs/guards.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field


@dataclass(frozen=True)
class GuardFinding:
    """The guards' finding on one answer in one environment; `sanitizer`, `guard_input` and `slower` are None if nothing
    was found.

    `sanitizer`: test, line and the sanitizers' message. `guard_input`: an input outside the tests, and the answer's
    output. `slower`: an input on which its speedup is far below that on tests of the same size. `n_guard_inputs`: how
    many inputs its pair has.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    pair_id: str
    sample_index: Annotated[int, Field(ge=0, strict=True)]
    code_sha256: str
    n_guard_inputs: Annotated[int, Field(ge=0, strict=True)]
    environment_id: str
    sanitizer: str | None = None
    guard_input: str | None = None
    slower: str | None = None

    @property
    def evidence(self) -> dict[str, str]:
        """What was found, by kind of guard; empty if nothing was."""
        found = {"sanitizer": self.sanitizer, "guard input": self.guard_input, "slower": self.slower}
        return {by: said for by, said in found.items() if said is not None}

    @property
    def flagged(self) -> bool:
        return bool(self.evidence)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
