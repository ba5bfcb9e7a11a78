"""A leaderboard entry: what the board says about one run. One JSON file each; its schema is
`leaderboard/schema.json`."""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
    model_validator,
)

from pie_bench.errors import UserError
from pie_bench.hashing import hash_of
from pie_bench.run.manifest import Manifest
from pie_bench.run.results import Results, Score, Scores

SCHEMA_VERSION = 3
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
Url = Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://[^\s<>\"]+$")]
Date = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Count = Annotated[int, Field(ge=0)]
Status = Literal["self-reported", "verified", "published"]

# The same run always has the same name: these fields identify the run and who made it.
_NAMED_BY = (
    *("task", "task_hash", "model", "model_resolved", "model_args", "dataset", "split", "dataset_fingerprint"),
    *("environment", "environment_id", "n_pairs", "n_samples", "submitter"),
)
_MEASURED = ("task_hash", "dataset_fingerprint", "environment_id", "sandbox")


_MOST_VALUES = 2_000_000  # in one JSON file: each takes some 100 bytes in memory


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Verification(_Part):
    """What a reviewer compiled and measured again, from the bundle with this hash; everything matched.

    The signature is the reviewer's, over all other fields here; `entry_sha256` covers the whole entry.
    """

    by: Line
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")] = Field(
        description="the reviewer's public key, of leaderboard/reviewers.json"
    )
    date: Date
    bundle_sha256: Sha256
    entry_sha256: Sha256 = Field(description="over the entry without status and verification")
    environment_id: Sha256
    seed: Line = Field(description="drawn by the verifier after receiving the bundle; decides the random sample")
    of: Count = Field(description="programs in the bundle")
    carrying: Count = Field(description="programs measured again because they carry the score")
    programs: tuple[Line, ...] = Field(description="all measured again: pair id, role and sample")
    guards_checked: Count = Field(description="faster answers among them, checked by the guards with that seed")
    guards_flagged: tuple[Line, ...] = Field(description="of those: pair id, sample and what was found")
    environment_facts: dict[str, str]
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")] = Field(description="Ed25519")


class Entry(_Part):
    """What the leaderboard says about a run. Null: not recorded.

    Published numbers are over the first k samples: they appear as `first@k`, and as `best@k` only for k = `n_samples`,
    where the two are equal.
    """

    schema_version: Literal[3] = 3
    status: Status = Field(
        default="self-reported",
        description="self-reported: recomputed from the verdicts, not measured again; verified: a sample was; "
        "published: somebody else's numbers, as stated in `source`",
    )
    source: Line | None = Field(default=None, description="where published numbers come from")
    verification: Verification | None = None
    date: Date = Field(description="day the run was started, UTC; for published numbers, the first of the year")
    submitter: Line | None = None
    links: tuple[Url, ...] = Field(default=(), max_length=10)
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = Field(
        default=None, description="of the pie_bench that packed the bundle"
    )
    task: Line
    task_hash: Sha256 | None
    model: Line
    model_resolved: Line
    adapter: Line | None = Field(default=None, description="how the model was run: openai, vllm, hf, …")
    model_args: dict[str, str] = {}
    dataset: Line
    split: Line
    dataset_fingerprint: Sha256 | None
    environment: Line
    environment_id: Sha256 | None
    environment_facts: dict[str, str] = {}
    sandbox: Line | None = None
    n_pairs: Annotated[int, Field(ge=1)]
    n_problems: Annotated[int, Field(ge=1)]
    n_samples: Annotated[int, Field(ge=1)]
    metrics: Scores = Field(
        description="of the model's answers, whole process: `best@k` expected over all choices of k samples, "
        "`first@k` of the first k"
    )
    metrics_without_startup: Scores = {}
    human_reference: Scores = {}
    human_reference_without_startup: Scores = {}
    scores: tuple[Score, ...] = Field(default=(), description="every number, by both methods, with its 95 % interval")
    interval: dict[str, Any] = Field(default={}, description="how the intervals were computed")
    guards: dict[str, Any] | None = Field(default=None, description="what the guards found; null: not run")
    honesty: dict[str, Any] = Field(default={}, description="what the numbers are made of; empty: of an older version")
    stress: dict[str, Any] | None = Field(
        default=None,
        description="the metrics on stress inputs, beside those of the same pairs on the dataset's own tests; "
        "null: the bundle has verdicts on the dataset's own tests only",
    )
    outcomes: dict[str, Count] = {}
    tokens: dict[str, Count] = {}
    cost_usd: float | None = Field(default=None, ge=0)
    cpu_hours: float | None = Field(
        default=None,
        ge=0,
        description="of the compilers, programs and simulators that the run started; measurements reused from before "
        "cost nothing; null: unknown, as in containers",
    )
    versions: dict[str, str] = {}

    @model_serializer(mode="wrap")
    def _as_signed(self, as_ever: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omits an empty `honesty` and `stress`: older entries are signed without them and must not change."""
        data: dict[str, Any] = as_ever(self)
        if not self.honesty:
            data.pop("honesty", None)
        if self.stress is None:
            data.pop("stress", None)
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Entry:
        missing = [name for name in _MEASURED if getattr(self, name) is None]
        if self.status == "published":
            if self.source is None or len(missing) != len(_MEASURED):
                raise ValueError("published: such an entry has a source, but no hashes or sandbox")
        elif missing or self.source is not None:
            raise ValueError(f"{missing[0] if missing else 'source'}: only published numbers are so")
        if (self.status == "verified") != (self.verification is not None):
            raise ValueError("verification: required for the status verified, and only allowed with it")
        return self

    @property
    def file_name(self) -> str:
        """Task, model, dataset, sizes, and a hash over all that identifies this run and its submitter."""
        names = (self.task, self.model, self.dataset)
        task, model, dataset = (re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:60] for name in names)
        digest = hash_of(self.model_dump(mode="json", include=set(_NAMED_BY)))[:12]
        return f"{task}--{model}--{dataset}-n{self.n_samples}-p{self.n_pairs}--{digest}.json"


def entry_of(results: Results, manifest: Manifest, **provenance: Any) -> Entry:
    """The entry for a run's results; `provenance`: what the run does not record (submitter, links, …)."""
    fields = {name: getattr(results, name) for name in Entry.model_fields if hasattr(results, name)}
    fields |= {"schema_version": SCHEMA_VERSION, "date": (manifest.created or "")[:10]}
    if results.stress is not None:  # without what the bundle has in full
        fields["stress"] = results.stress.model_dump(mode="json", exclude={"pairs", "growth"})
    used = manifest.cpu_seconds
    fields["cpu_hours"] = None if used is None else used / 3600
    # Via JSON: what is written and what is read are validated by the same rules.
    data = {name: _plain(value) for name, value in (fields | provenance).items()}
    return read_entry(json.dumps(data).encode(), "entry")


def check_consistent(entry: Entry, name: str) -> None:
    """Raises UserError if an entry states one number twice, differently: an edit in one place only."""
    if entry.status == "published":  # has no `scores`
        return
    maps = {
        ("model", "process"): ("metrics", entry.metrics),
        ("model", "after_main"): ("metrics_without_startup", entry.metrics_without_startup),
        ("human", "process"): ("human_reference", entry.human_reference),
        ("human", "after_main"): ("human_reference_without_startup", entry.human_reference_without_startup),
    }
    for number, score in enumerate(entry.scores):
        field, shown = maps[score.of, score.time]
        told = shown.get(score.metric, {}).get(score.name, score.value)
        if told != score.value:
            raise UserError(
                f"{name}: {field}.{score.metric}.{score.name}: it is {told}; scores.{number}: {score.value}"
            )


def read_entry(data: bytes, name: str) -> Entry:
    """The entry in a file's bytes. UserError, naming the field: `NAME: field: what is wrong`."""
    raw = strict_json(data, name)
    if not isinstance(raw, dict):
        raise UserError(f"{name}: not an entry: {type(raw).__name__}, not an object")
    check_version(raw.get("schema_version"), name)
    try:
        return Entry.model_validate_json(data, strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        said = problem["msg"].removeprefix("Value error, ")
        where = ".".join(map(str, problem["loc"]))
        raise UserError(f"{name}: {where and where + ': '}{said}") from None


def check_version(version: object, name: str) -> None:
    """Raises UserError for an entry of another version: there, the same names may stand for other numbers."""
    if version != SCHEMA_VERSION or isinstance(version, bool):
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        anew = "recreate it: pie-bench score RUN_DIR, then: pie-bench leaderboard submit RUN_DIR"
        raise UserError(
            f"{name}: schema_version: it is {version!r:.40}, this pie_bench reads {SCHEMA_VERSION}; "
            f"{'update pie_bench' if newer else anew}"
        )


def strict_json(data: bytes, name: str) -> Any:
    """JSON by the standard: UTF-8, no duplicate keys, no NaN or infinite numbers. UserError otherwise."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not a JSON number")

    def number(text: str) -> float:
        value = float(text)
        return value if math.isfinite(value) else refuse(text)

    def unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in items:
            if key in found:
                raise ValueError(f"{key}: given twice")
            if isinstance(value, float) and not math.isfinite(value):
                refuse(f"{key}: {value}")
            found[key] = value
        return found

    values = data.count(b",") + data.count(b"[") + data.count(b"{")  # an overestimate: those in texts count too
    if values > _MOST_VALUES:
        raise UserError(f"{name}: some {values} values, more than are read ({_MOST_VALUES})")
    try:
        text = data.decode("utf-8")
        return json.loads(text, parse_constant=refuse, parse_float=number, object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}: broken JSON: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
