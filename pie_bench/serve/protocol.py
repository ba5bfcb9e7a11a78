"""The wire format between the judge server and its clients: `POST /v1/judge` in JSON."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pie_bench.data.pair import Pair, TestCase
from pie_bench.execution.judge import PairWithTests
from pie_bench.run.files import first_problem

MOST_PROGRAM_CHARACTERS = 1 << 20
MOST_TESTS = 1000
MOST_JOBS = 256


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Test(_Part):
    """An input and its correct output."""

    __test__ = False  # not a pytest class

    input: str
    output: str
    id: str | None = Field(default=None, max_length=200, description="default: its index among the tests, from 0")
    encoding: Literal["utf-8", "base64"] = Field(default="utf-8", description="of input and output")

    @model_validator(mode="after")
    def _decodes(self) -> Test:
        self.bytes_of(self.input), self.bytes_of(self.output)
        return self

    def bytes_of(self, text: str) -> bytes:
        if self.encoding == "utf-8":
            return text.encode()
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("encoding: not base64") from None


class Job(_Part):
    """A program to judge: on the tests of a `pair` of a dataset that the server has, or on your own `tests`."""

    program: str = Field(max_length=MOST_PROGRAM_CHARACTERS, description="C++")
    environment: str | None = Field(default=None, description="default: the server's first")
    dataset: str | None = Field(default=None, description="of `pair`; default: the server's first")
    pair: str | None = Field(default=None, description="a pair's id, for its tests and slow program (the baseline)")
    tests: tuple[Test, ...] | None = Field(default=None, min_length=1, max_length=MOST_TESTS, strict=False)
    source: str | None = Field(
        default=None, max_length=MOST_PROGRAM_CHARACTERS, description="with `tests`: the slow program, as the baseline"
    )
    target: str | None = Field(
        default=None,
        max_length=MOST_PROGRAM_CHARACTERS,
        description="with `tests`: another correct one, for the guards",
    )
    pair_id: str = Field(default="", max_length=400, description="with `tests`: the pair's name in the verdict")
    problem_id: str = Field(default="", max_length=200, description="with `tests`: finds the problem's checker")
    measured: bool = Field(default=True, description="false: only check and run it, without times")
    guards: bool = Field(default=False, description="have the guards check a correct program (docs/guards.md)")

    @model_validator(mode="after")
    def _one_kind(self) -> Job:
        if (self.pair is None) == (self.tests is None):
            raise ValueError("give either pair or tests, not both")
        of_tests = {
            "source": self.source,
            "target": self.target,
            "pair_id": self.pair_id,
            "problem_id": self.problem_id,
        }
        given = [name for name, value in of_tests.items() if value]
        if self.pair is not None and given:
            raise ValueError(f"{given[0]} only applies to tests; a pair has its own")
        if self.tests is not None and self.dataset is not None:
            raise ValueError("dataset goes with pair")
        if self.guards and not self.measured:
            raise ValueError("guards need measured")
        if self.guards and self.tests is not None and not self.source:
            raise ValueError("guards need a slow program to compare with; give source")
        return self

    def own_pair(self) -> PairWithTests:
        """The pair made from `tests` and the fields that go with them."""
        cases = tuple(
            TestCase(test.id or str(number), test.bytes_of(test.input), test.bytes_of(test.output))
            for number, test in enumerate(self.tests or ())
        )
        ids = tuple(case.test_id for case in cases)
        return PairWithTests(Pair(self.pair_id, self.problem_id, self.source or "", self.target or "", ids), cases)

    @classmethod
    def of(cls, program: str, pair: PairWithTests, **more: Any) -> Job:
        """A job on a pair with its tests; lone surrogates, which UTF-8 cannot encode, are replaced as for compilers."""
        own = pair.pair
        return cls(
            program=plain_text(program),
            tests=tuple(_test_of(case) for case in pair.tests),
            source=plain_text(own.src_code) or None,
            target=plain_text(own.tgt_code) or None,
            pair_id=own.pair_id,
            problem_id=own.problem_id,
            **more,
        )


def _test_of(case: TestCase) -> Test:
    try:
        return Test(id=case.test_id, input=case.input.decode(), output=case.expected_output.decode())
    except UnicodeDecodeError:
        given, expected = (base64.b64encode(data).decode() for data in (case.input, case.expected_output))
        return Test(id=case.test_id, input=given, output=expected, encoding="base64")


def plain_text(text: str) -> str:
    return text.encode(errors="replace").decode()


class Batch(_Part):
    """Several programs."""

    jobs: tuple[Job, ...] = Field(min_length=1, max_length=MOST_JOBS, strict=False)


class Reply(_Part):
    """The result for a program. In a batch, `error` replaces the verdict if the server could not judge it."""

    index: int | None = Field(default=None, description="in streams: its index in the batch")
    verdict: Mapping[str, Any] | None = Field(
        default=None,
        description="as `pie-bench judge --json` prints it: outcome, tests with seconds and startup_seconds each, "
        "runtime_seconds and the startup_seconds in it, counters, source (the slow program's verdict)",
    )
    speedup: float | None = Field(default=None, description="over the slow program; null unless both are correct")
    guards: Mapping[str, Any] | None = Field(
        default=None, description="what the guards found; null if not requested, or if the program is wrong"
    )
    error: str | None = None


class BadRequestError(Exception):
    """An unusable request: the HTTP status, and the reason in one line."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def parse(body: bytes) -> tuple[list[Job], bool]:
    """The jobs in a request's body, and whether they came as a batch. Raises BadRequestError with 400 or 422."""
    try:
        value = json.loads(body.decode())
    except UnicodeDecodeError as error:
        raise BadRequestError(400, f"the body is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise BadRequestError(
            400, f"the body is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except (RecursionError, ValueError):
        raise BadRequestError(
            400, "the body is not readable JSON: nested too deeply, or a number is too long"
        ) from None
    if not isinstance(value, dict):
        raise BadRequestError(400, 'expected an object: {"program": …} or {"jobs": […]}')
    try:
        if "jobs" in value:
            return list(Batch.model_validate(value).jobs), True
        return [Job.model_validate(value)], False
    except ValidationError as error:
        raise BadRequestError(422, " ".join(first_problem(error).split())) from None
