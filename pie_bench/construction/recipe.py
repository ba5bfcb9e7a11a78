"""A recipe: which submissions to build a dataset from, and how. One YAML file, validated before anything is read."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pie_bench.config import Located, Strict
from pie_bench.data.spec import DATASETS
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError, unknown_name
from pie_bench.paths import RECIPES_DIR

SUBMISSION_COLUMNS = ("submission_id", "problem_id", "user_id", "date", "language", "status", "cpu_time", "code")
REQUIRED_SUBMISSION_COLUMNS = ("submission_id", "problem_id", "user_id", "date", "code")
NEW = "new"  # the split of problems newer than a date


class CodeNetSource(Strict):
    """CodeNet as published: `metadata/pXXXXX.csv` and `data/pXXXXX/C++/sNNNNNNNNN.cpp` under `path`, a folder or a tar
    with them."""

    kind: Literal["codenet"]
    path: str = Field(min_length=1)


class TableSource(Strict):
    """Submissions with their code in a table: parquet files (a file, a folder or a glob) or JSON Lines (also .gz).

    `columns` maps our columns to theirs; `defaults` are for columns that they do not have, e.g. a status.
    """

    kind: Literal["parquet", "jsonl"]
    path: str = Field(min_length=1)
    columns: dict[str, str] = Field(default_factory=dict)
    defaults: dict[str, str] = Field(default_factory=dict)

    @field_validator("columns", "defaults")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        for key in value:
            if key not in SUBMISSION_COLUMNS:
                raise ValueError(str(unknown_name("column", key, SUBMISSION_COLUMNS)))
        return value

    def theirs(self, column: str) -> str:
        """Their name for one of SUBMISSION_COLUMNS."""
        return self.columns.get(column, column)


Source = Annotated[CodeNetSource | TableSource, Field(discriminator="kind")]


class TestFolder(Strict):
    """Tests as `PROBLEM/input.N.txt` and `output.N.txt`, in a folder or an archive. Merged ones keep their numbers:
    those below 100 are generated, the others public, as in PIE's published folder."""

    __test__ = False  # not a pytest class

    kind: Literal["folder"]
    path: str = Field(min_length=1)
    origin: Literal["public", "generated", "merged"]


class CodeNetTests(Strict):
    """CodeNet's own: one public test per problem, `pXXXXX/input.txt` and `output.txt`, as in
    `derived/input_output/data`."""

    kind: Literal["codenet"]
    path: str = Field(min_length=1)


class CodeContestsTests(Strict):
    """AlphaCode's tests: the parquet files of `deepmind/code_contests` (a file, a folder or a glob).

    `use` selects which tests to use; public ones count as public, the others as generated. AtCoder's problems are also
    matched by their name in `problem_list` (CodeNet's problem_list.csv). `source_names` names the values of the column
    `source`, for files that do not contain these names.
    """

    kind: Literal["code_contests"]
    path: str = Field(min_length=1)
    use: tuple[Literal["public", "private", "generated"], ...] = ("generated",)
    problem_list: str | None = None
    source_names: tuple[str, ...] = ()


Tests = Annotated[TestFolder | CodeNetTests | CodeContestsTests, Field(discriminator="kind")]


class Check(Strict):
    """What tests and programs must pass. A test is kept if at least `agreement` of the compiling programs, and at least
    `min_programs` of them, give its output; a problem is kept if at least `min_tests` of its tests are.

    Without `native` no program is run: tests and programs are assumed right (only with recorded `times`).
    """

    native: bool = True
    agreement: float = Field(default=0.5, ge=0, le=1)
    min_programs: int = Field(default=2, ge=1)
    min_tests: int = Field(default=1, ge=1)
    generated_tests: int = Field(default=100, ge=0, le=100)


class Limits(Strict):
    """A test on which any program exceeds a limit is dropped for the whole problem (the paper: two minutes of gem5).

    `max_seconds` is simulated time.
    """

    max_seconds: float | None = Field(default=None, gt=0)
    max_instructions: int | None = Field(default=None, ge=1)


class Pairs(Strict):
    """Which two submissions of a trajectory make a pair: `ratio` as in the published rows (source / target above
    `threshold`), `paper` by the paper's formula ((source - target) / source above threshold - 1).

    Pairs with the same two texts as another are marked; `drop_duplicates` names the splits from which they are dropped.
    """

    rule: Literal["ratio", "paper"] = "ratio"
    threshold: float = Field(default=1.1, gt=1)
    max_lines: int | None = Field(default=None, ge=1)
    max_line_change: float | None = Field(default=None, gt=0)
    drop_duplicates: tuple[str, ...] = ("test", NEW)


class Splits(Strict):
    """Problems by split. `val` and `test` are numbers of problems, or shares below 1, drawn with `seed`.

    `published` names files (rows with `problem_id`, or one id per line) whose problems keep their split; with them,
    problems in none of the files are for training. `since`: problems first submitted on or after that date form the
    split `new`. `contaminated` says what to do with training pairs whose programs also occur in another split or in
    `published`.
    """

    seed: int = Field(default=0, ge=0)
    val: int | float = Field(default=0.05, ge=0)
    test: int | float = Field(default=0.03, ge=0)
    published: dict[Literal["train", "val", "test"], str] = Field(default_factory=dict)
    since: datetime.date | None = None
    contaminated: Literal["drop", "mark", "stop"] = "drop"


class HighQuality(Strict):
    """The HQ subset (Section 3.2): the training pairs with the highest speedups, up to a number per problem, and
    optionally per source, target or user of a problem (None: no limit)."""

    per_problem: int = Field(default=4, ge=1)
    per_source: int | None = Field(default=None, ge=1)
    per_target: int | None = Field(default=None, ge=1)
    per_user: int | None = Field(default=None, ge=1)


class RecordedTimes(Strict):
    """Known times: JSON Lines of `submission_id` and `seconds` by test id. `environment` names the environment they
    were measured in."""

    path: str = Field(min_length=1)
    environment: str = Field(pattern=r"^[A-Za-z0-9._-]+$")


class Recipe(Strict):
    """A complete recipe: everything in its YAML after resolving includes."""

    dataset: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    sources: tuple[Source, ...] = Field(min_length=1)
    problems: tuple[str, ...] | None = None
    languages: tuple[str, ...] = ("C++",)
    statuses: tuple[str, ...] = ("Accepted",)
    programs: Literal["trajectories", "all"] = "trajectories"
    max_code_bytes: int = Field(default=65536, ge=1)
    newlines: Literal["single", "doubled"] = "single"
    tests: tuple[Tests, ...] = Field(min_length=1)
    check: Check = Check()
    environment: str = DEFAULT_ENVIRONMENT
    times: RecordedTimes | None = None
    limits: Limits = Limits()
    pairs: Pairs = Pairs()
    splits: Splits = Splits()
    hq: HighQuality = HighQuality()
    tags: Literal["global", "per-problem"] = "global"
    max_lost: float = Field(default=0.05, ge=0, le=1)

    @field_validator("dataset")
    @classmethod
    def _free(cls, value: str) -> str:
        if value == "mini":
            raise ValueError(f"{value} is taken ({DATASETS[value]}); choose another name")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if not self.check.native and self.times is None:
            raise ValueError("check.native: false requires recorded times: measured programs are run anyway")
        return self


def load_recipe(path: str | os.PathLike[str]) -> tuple[Recipe, Path]:
    """The recipe in a YAML file or of a shipped name (`pie`), and the folder that its relative paths start from.

    UserError with file and line for broken YAML, unknown keys and invalid values.
    """
    name = os.fspath(path)
    file = Path(name).expanduser()
    if not file.is_file() and (RECIPES_DIR / f"{name}.yaml").is_file():
        file = RECIPES_DIR / f"{name}.yaml"
    if not file.is_file():
        shipped = ", ".join(sorted(p.stem for p in RECIPES_DIR.glob("*.yaml") if not p.stem.startswith("_")))
        raise UserError(f"{name}: no such recipe; give a YAML file, or the name of a shipped one: {shipped or 'none'}")
    file = file.resolve()
    return Located(file, RECIPES_DIR).validate(Recipe), file.parent


def path_of(text: str, folder: Path) -> Path:
    """A path in a recipe: `$NAME/…` expands an environment variable; a relative path starts from the recipe's folder.

    UserError if the variable is not set.
    """
    if text.startswith("$"):
        variable, _, rest = text.removeprefix("$").partition("/")
        value = os.environ.get(variable, "")
        if not value:
            raise UserError(f"{text}: {variable} is not set; set it to the folder that the recipe means")
        text = str(Path(value) / rest)
    return (folder / Path(text).expanduser()).resolve()


def dumped(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON."""
    return recipe.model_dump(mode="json")
