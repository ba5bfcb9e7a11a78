"""The folder of one self-play: where each stage keeps its files."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pie_bench.adapt.selfplay.draws import Draw
from pie_bench.adapt.selfplay.funnel import Step, read_funnel
from pie_bench.data.pair import TestCase
from pie_bench.errors import UserError
from pie_bench.run.files import iter_records, write_jsonl
from pie_bench.run.run import Run

_TESTS = "merged_test_cases.zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold, so that archives do not depend on today's


@dataclass(frozen=True)
class NewProgram:
    """A line of `filter/programs.jsonl`: a distinct program among the answers, the first of its `copies`.

    `outcome` is `ok` for a new one; `on_problem` and `on_all` are its signatures, `class_id` its class of equal
    behaviour. These are None for all others.
    """

    pair_id: str
    sample_index: int
    problem_id: str
    code: str
    code_sha256: str
    copies: int
    outcome: str
    detail: str = ""
    on_problem: str | None = None
    on_all: str | None = None
    class_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ProgramClass:
    """A line of `filter/classes.jsonl`: programs that behave the same on `inputs` inputs, by the hashes of the
    `members`.

    `representatives` are the members to optimise (pair ids of the dataset `representatives`).
    """

    class_id: str
    problem_ids: tuple[str, ...]
    inputs: int
    members: tuple[str, ...]
    representatives: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Place:
    """The layout of the folder."""

    folder: Path

    @property
    def generate(self) -> Run:
        return Run(self.folder / "generate")

    @property
    def draws_path(self) -> Path:
        return self.folder / "generate" / "draws.jsonl"

    @property
    def filter(self) -> Path:
        return self.folder / "filter"

    @property
    def programs_path(self) -> Path:
        return self.filter / "programs.jsonl"

    @property
    def classes_path(self) -> Path:
        return self.filter / "classes.jsonl"

    @property
    def representatives(self) -> Path:
        return self.folder / "representatives"

    @property
    def optimise(self) -> Run:
        return Run(self.folder / "optimise")

    @property
    def dataset(self) -> Path:
        return self.folder / "dataset"

    def funnel_path(self, stage: str) -> Path:
        return self.folder / stage / "funnel.json"

    def funnel(self) -> list[Step]:
        """The steps of all finished stages."""
        return [step for stage in ("filter", "dataset") for step in read_funnel(self.funnel_path(stage))]

    def draws(self) -> list[Draw]:
        """The draws. UserError if nothing was generated yet."""
        if not self.draws_path.is_file():
            raise UserError(
                f"{self.folder}: no self-play was started there (no {self.draws_path.name}); "
                "run pie-bench adapt selfplay generate"
            )
        return list(iter_records(self.draws_path, Draw))

    def programs(self) -> list[NewProgram]:
        """The distinct programs. UserError if nothing was filtered yet."""
        self._after("filter")
        return list(iter_records(self.programs_path, NewProgram))

    def classes(self) -> list[ProgramClass]:
        """The classes. UserError if nothing was filtered yet."""
        self._after("filter")
        return list(iter_records(self.classes_path, ProgramClass))

    def _after(self, stage: str) -> None:
        if not self.funnel_path(stage).is_file():
            raise UserError(f"{self.folder}: not filtered yet; run pie-bench adapt selfplay {stage} {self.folder}")

    @contextmanager
    def generating(self) -> Iterator[None]:
        """Locks the folder while answers are generated; removes it again if it stays empty."""
        try:
            with self.generate.locked():
                yield
        finally:
            if not self.generate.begun:
                with suppress(OSError):  # it holds other files
                    self.folder.rmdir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Locks the folder. UserError while another process holds it, and for a folder where nothing was generated."""
        if not self.generate.begun:
            self.draws()
        with self.generate.locked():
            yield


def write_dataset(
    folder: Path, split: str, rows: Sequence[Mapping[str, Any]], tests: Mapping[str, Iterable[TestCase]]
) -> None:
    """Writes a dataset in PIE's layout: a split's rows, and an archive with the tests by problem. Equal content gives
    equal bytes. The rows are written last: without them the folder is not a dataset."""
    folder.mkdir(parents=True, exist_ok=True)
    rows_path, tests_path = folder / f"{split}.jsonl", folder / _TESTS
    rows_path.unlink(missing_ok=True)
    temporary = tests_path.with_name(f".{_TESTS}.{os.getpid()}")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for problem_id in sorted(tests):
                for test in tests[problem_id]:
                    for kind, data in (("input", test.input), ("output", test.expected_output)):
                        member = zipfile.ZipInfo(f"{problem_id}/{kind}.{test.test_id}.txt", _EPOCH)
                        member.compress_type = zipfile.ZIP_DEFLATED
                        archive.writestr(member, data)
        temporary.replace(tests_path)
    finally:
        temporary.unlink(missing_ok=True)
    write_jsonl(rows_path, rows)


def read_tests(folder: Path, problem_id: str) -> list[TestCase]:
    """A problem's tests in a dataset written by `write_dataset`."""
    from pie_bench.data.stored_tests import open_tests

    stored = open_tests(folder / _TESTS, folder)
    return [
        TestCase(each, stored.read((problem_id, "input", each)), stored.read((problem_id, "output", each)))
        for each in stored.test_ids(problem_id)
    ]
