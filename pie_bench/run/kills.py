"""How strong the tests of a run's problems are: how many wrong programs they find (docs/stress.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Side = Literal["tests", "guards", "stress"]
WEAK = 0.8  # the share of mutants that tests should find


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Kills(_Part):
    """How many of a problem's mutants its tests, guard inputs and stress inputs find; None if there are no such
    inputs."""

    made_from: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="sha256 over the programs and tests of the problem's pairs"
    )
    mutants: int = Field(ge=0)
    tests: int | None
    guards: int | None
    stress: int | None
    any: int = Field(ge=0, description="found by inputs of any kind")

    @model_validator(mode="after")
    def _counts(self) -> Kills:
        for found in (self.tests, self.guards, self.stress):
            if found is not None and not 0 <= found <= self.any:
                raise ValueError("one kind of inputs finds no more than all of them, and no fewer than none")
        if self.any > self.mutants:
            raise ValueError("more are found than there are")
        return self

    @property
    def weak(self) -> bool:
        """Whether the dataset's tests find too few. A problem without mutants is unknown, not weak."""
        return self.mutants > 0 and (self.tests or 0) < WEAK * self.mutants


class KillRates(_Part):
    """The kill rates of a dataset's problems, by problem."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the set of mutants that this was counted in")
    problems: dict[str, Kills]

    def of(self, problems: Iterable[str]) -> KillRates | None:
        """Only these problems; None if none of them is known."""
        kept = {name: self.problems[name] for name in sorted(set(problems)) if name in self.problems}
        return KillRates(sha256=self.sha256, problems=kept) if kept else None

    @property
    def weak(self) -> list[str]:
        """The problems whose tests find less than `WEAK` of the mutants."""
        return [name for name, kills in sorted(self.problems.items()) if kills.weak]
