"""Mutants of a dataset's right programs, and which of its inputs find them, as a file beside the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pie_bench.data.spec import DatasetSpec
from pie_bench.data.stress import kept_path
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of
from pie_bench.run.files import first_problem, write_json
from pie_bench.run.kills import KillRates, Kills, Side

SCHEMA_VERSION: Literal[1] = 1
Kind = Literal["off-by-one", "bound", "overflow", "dropped case"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mutant(_Part):
    """A mutant of a problem's program, and the kinds of inputs that find it."""

    kind: Kind
    line: int = Field(ge=1)
    change: str
    program_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    found_by: tuple[Side, ...]


class ProblemMutants(_Part):
    """A problem's mutants, and what they were made from and judged in."""

    made_from: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="sha256 over the programs and tests of the problem's pairs"
    )
    stress_sha256: str | None = Field(description="of the problem's stress inputs; null: there were none")
    environment_id: str
    pair: str = Field(description="whose human rewrite the mutants are of")
    has: tuple[Side, ...] = Field(description="kinds of inputs that the problem has")
    mutants: tuple[Mutant, ...]

    def killed(self, side: Side) -> int | None:
        """How many a kind of inputs finds; None where there are no such inputs."""
        return sum(side in each.found_by for each in self.mutants) if side in self.has else None

    @property
    def kills(self) -> Kills:
        """The counts alone."""
        return Kills(
            made_from=self.made_from,
            mutants=len(self.mutants),
            tests=self.killed("tests"),
            guards=self.killed("guards"),
            stress=self.killed("stress"),
            any=sum(bool(each.found_by) for each in self.mutants),
        )


class MutantSet(_Part):
    """The mutants of a dataset's split, by problem."""

    schema_version: Literal[1] = SCHEMA_VERSION
    dataset: str
    split: str
    problems: dict[str, ProblemMutants]

    @property
    def rates(self) -> KillRates:
        """How many mutants each kind of inputs finds, by problem."""
        found = {name: problem.kills for name, problem in sorted(self.problems.items())}
        return KillRates(sha256=hash_of(self.model_dump(mode="json")), problems=found)


def mutants_path(spec: DatasetSpec, split: str) -> Path:
    """Where a split's mutants lie: beside the rows where they are there, else in the cache folder."""
    return kept_path(spec, "mutants", split)


def read_mutants(path: Path, dataset: str, split: str) -> MutantSet | None:
    """A set of mutants, None if there is none; UserError, with the remedy, for a broken one.

    Which dataset it was made of is not compared: problems are recognised by the sums of their programs and tests.
    """
    remedy = f"make it anew: pie-bench dataset mutants {dataset} --split {split}"
    try:
        data = path.read_bytes()
    except OSError:
        return None
    try:
        return MutantSet.model_validate_json(data)
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}; {remedy}") from None


def write_mutants(path: Path, mutants: MutantSet) -> None:
    """As stable JSON."""
    write_json(path, mutants.model_dump(mode="json"))
