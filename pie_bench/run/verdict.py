"""The outcome of a program: the record from which everything after execution is computed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from pie_bench.hashing import sha256

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Role = Literal["candidate", "source", "target"]
Outcome = Literal[
    "ok",
    "no_code",  # the answer contains no program
    "truncated",  # the answer was cut off at the token limit before the program ended
    "compile_error",
    "compile_timeout",
    "wrong_output",
    "runtime_error",
    "instruction_limit",
    "memory_limit",
    "output_limit",
    "forbidden",  # probes its environment, knows the tests, or behaves differently in the simulator
    "unsupported",  # the simulator cannot run it
    "infra_error",  # our fault: retried, reported separately, never counted against a model
]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


_READ = {"extra": "forbid", "allow_inf_nan": False}  # pydantic's configuration for reading


@dataclass(frozen=True)
class Reading:
    """How a program was found in an answer: the `rule` that chose it or says why there is none, and what was
    `passed_over`, with reasons; `doubtful` if a reader should look. docs/answers.md has the rules."""

    __pydantic_config__ = _READ

    rule: str
    passed_over: tuple[str, ...] = ()
    doubtful: bool = False


@dataclass(frozen=True)
class Candidate:
    """A program to judge: a model's answer (`sample_index` counts its samples) or one of the pair's own programs.

    `code` is None if the answer contains none; `reason` then says why (`no_code` or `truncated`). `src_code` is the
    pair's slow program: what an answer shares with it is not the model's doing. `reading` says how the program was
    found in its answer; `alternatives` are programs that the answer presents on equal terms: the first that compiles is
    judged. `problem_id` identifies the problem's checker.
    """

    pair_id: str
    role: Role
    sample_index: int
    code: str | None
    reason: Outcome = "ok"
    src_code: str = ""
    reading: Reading | None = None
    alternatives: tuple[str, ...] = ()
    problem_id: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.pair_id, self.role, self.sample_index)

    def judged(self, code_sha256: str | None) -> str | None:
        """The judged program, by its hash: `code`, or the alternative that replaced it."""
        return next((code for code in self.alternatives if _sum_of(code) == code_sha256), self.code)

    def can_be(self, code_sha256: str | None) -> bool:
        """Whether a verdict on a program with this hash can belong to this candidate."""
        return code_sha256 in (None if self.code is None else _sum_of(self.code), *map(_sum_of, self.alternatives))


def _sum_of(code: str) -> str:
    return sha256(code.encode(errors="replace"))


_LONGEST = 1e9  # simulated seconds, thirty years


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test: the run's `outcome`, and simulated `seconds` and `startup_seconds` if it was measured."""

    __test__ = False  # not a pytest class
    __pydantic_config__ = _READ

    test_id: str
    outcome: Outcome
    seconds: float | None = None
    startup_seconds: float | None = None
    instructions: int | None = None


@dataclass(frozen=True)
class Verdict:
    """The outcome of one candidate in one environment.

    `runtime_seconds` is the sum over the pair's tests (the paper, Section 2), `startup_seconds` the part of it before
    `main`; both None unless the outcome is `ok`. `reading`: how the program was found in its answer; None for the
    pair's own programs, and in verdicts from older versions. `counters` and `startup_counters` are the simulator's
    counts, summed the same way.
    """

    __pydantic_config__ = _READ
    pair_id: str
    role: Role
    sample_index: int
    environment_id: str
    outcome: Outcome
    detail: str = ""
    compile_log: str = ""
    code_sha256: str | None = None
    binary_sha256: str | None = None
    runtime_seconds: float | None = None
    startup_seconds: float | None = None
    tests: tuple[TestResult, ...] = ()
    counters: Mapping[str, int | float] = field(default_factory=dict)
    startup_counters: Mapping[str, int | float] = field(default_factory=dict)
    reading: Reading | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.pair_id, self.role, self.sample_index)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(record: Mapping[str, Any], *, with_tests: bool = True) -> Verdict:
        """The verdict in a record; `with_tests=False` omits the results of single tests (a run has up to a million).

        ValueError, naming the field, for an invalid verdict.
        """
        from pydantic import ValidationError

        try:
            verdict = _adapter().validate_python(record if with_tests else {**record, "tests": ()})
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
        seconds, startup = verdict.runtime_seconds, verdict.startup_seconds
        if seconds is not None and not 0 < seconds < _LONGEST:
            raise ValueError("runtime_seconds: not a time")
        if startup is not None and not 0 <= startup <= (seconds or 0.0):
            raise ValueError("startup_seconds: not a part of runtime_seconds")
        return verdict


@functools.cache
def _adapter() -> TypeAdapter[Verdict]:
    from pydantic import TypeAdapter

    return TypeAdapter(Verdict)
