"""Stress inputs: larger inputs on which work dominates a program's time, stored as generator, seed and hash.

A file covers one split: per problem the generator and its inputs; per pair the inputs on which its own programs agree,
and the share of the slow program's time spent on work. Inputs are regenerated when read, and must match their hash;
expected outputs are stored, compressed.
"""

from __future__ import annotations

import base64
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pie_bench.data.generator import MOST_BYTES, Generator, Profile, TooLarge, generate
from pie_bench.data.pair import Pair
from pie_bench.data.spec import DATA_DIR, DatasetSpec
from pie_bench.data.stored_tests import Key
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of, sha256
from pie_bench.paths import cache_dir
from pie_bench.run.files import first_problem, write_json

SCHEMA_VERSION: Literal[1] = 1
MIN_SHARE = 0.8  # of the slow program's time, after the start of main, for an input to exercise it
FAMILY_SIZES = 5
GENERATORS = DATA_DIR / "generators"
_KEPT_IN_MEMORY = 24  # inputs, with their outputs


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StressInput(_Part):
    """One input. `size` is what grows: its bytes, or the value of an input that is one number."""

    id: str = Field(pattern=r"^s[0-9]{1,6}$")
    factor: float = Field(gt=0)
    seed: int = Field(ge=0)
    profile: Profile
    family: bool = Field(description="one of the same input at several sizes")
    size: int = Field(ge=0)
    input_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    output: str = Field(description="what the programs agree on: zlib, base64")
    output_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class StressProblem(_Part):
    """A problem's inputs, and the outcomes of those that were tried."""

    generator: Generator | None = Field(description="null: the tests follow no known grammar")
    written_by: Literal["hand", "tests"]
    inputs: tuple[StressInput, ...]
    pairs: tuple[str, ...]
    tried: int = Field(ge=0, description="inputs that were made")
    agreed: int = Field(ge=0, description="of these, those that at least two different programs answer alike")
    disagreed: int = Field(ge=0, description="on which programs that end well give different answers")
    too_few: int = Field(ge=0, description="on which fewer than two different programs end well within the limits")


class StressPair(_Part):
    """What a pair has: its programs' sums, and by input the share of the slow program's time that is work."""

    programs: tuple[str, str]
    shares: dict[str, float]
    best_share: float | None = Field(description="the largest share on any input; null: nothing was measured")

    @property
    def exercised(self) -> bool:
        """Whether any input is mostly work."""
        return any(share >= MIN_SHARE for share in self.shares.values())


class StressSet(_Part):
    """The stress inputs of a dataset's split."""

    schema_version: Literal[1] = SCHEMA_VERSION
    dataset: str
    split: str
    environment: str
    environment_id: str
    problems: dict[str, StressProblem]
    pairs: dict[str, StressPair]

    @property
    def sum(self) -> str:
        """SHA-256 over generators and the hashes of inputs and outputs: a set's identity, independent of
        compression."""
        data = self.model_dump(mode="json", exclude={"problems": {"__all__": {"inputs": {"__all__": {"output"}}}}})
        return hash_of(data)

    def sum_of(self, problem_id: str) -> str | None:
        """The same for one problem's inputs; None if it has none."""
        problem = self.problems.get(problem_id)
        if problem is None or not problem.inputs:
            return None
        pairs = {name: self.pairs[name].model_dump(mode="json") for name in problem.pairs}
        return hash_of([problem.model_dump(mode="json", exclude={"inputs": {"__all__": {"output"}}}), pairs])

    def tests_of(self, pair: Pair) -> tuple[str, ...]:
        """The ids of a pair's stress inputs; none if none is mostly work, or if its programs changed."""
        known = self.pairs.get(pair.pair_id)
        if known is None or known.programs != programs_of(pair) or not known.exercised:
            return ()
        return tuple(known.shares)


def programs_of(pair: Pair) -> tuple[str, str]:
    """The sums of a pair's programs."""
    return sha256(pair.src_code.encode(errors="replace")), sha256(pair.tgt_code.encode(errors="replace"))


def packed(output: bytes) -> str:
    return base64.b64encode(zlib.compress(output, 9)).decode()


def unpacked(text: str, where: str) -> bytes:
    """UserError for what is no packed output, or unpacks to more than an input may have."""
    try:
        reader = zlib.decompressobj()
        data = reader.decompress(base64.b64decode(text, validate=True), MOST_BYTES + 1)
        whole = reader.eof
    except (ValueError, zlib.error):
        raise UserError(f"{where}: output: not packed as expected") from None
    if len(data) > MOST_BYTES:
        raise UserError(f"{where}: output: larger than {MOST_BYTES} bytes")
    if not whole:
        raise UserError(f"{where}: output: cut off")
    return data


class StressTests:
    """A stress set's inputs and outputs, with the interface of stored tests; generated on demand."""

    def __init__(self, stress: StressSet, path: Path):
        self._path = path
        self._problems = stress.problems
        self._inputs = {(p, each.id): each for p, problem in stress.problems.items() for each in problem.inputs}
        self._made: OrderedDict[Key, bytes] = OrderedDict()

    def has(self, key: Key) -> bool:
        return (key[0], key[2]) in self._inputs

    def read(self, key: Key) -> bytes:
        """Raises UserError if the generated content does not match the set's hash."""
        if key not in self._made:
            self._made[key] = self._make(key)
            while len(self._made) > 2 * _KEPT_IN_MEMORY:
                self._made.popitem(last=False)
        return self._made[key]

    def where(self, key: Key) -> str:
        return f"{self._path}: {key[0]}: {key[2]}"

    def test_ids(self, problem_id: str) -> list[str]:
        return [number for problem, number in self._inputs if problem == problem_id]

    def _make(self, key: Key) -> bytes:
        each, generator = self._inputs[key[0], key[2]], self._problems[key[0]].generator
        if key[1] == "output":
            data, told = unpacked(each.output, self.where(key)), each.output_sha256
        else:
            if generator is None:
                raise UserError(f"{self.where(key)}: its problem has no generator")
            try:
                data, told = generate(generator, each.factor, each.seed, each.profile), each.input_sha256
            except TooLarge:
                raise UserError(f"{self.where(key)}: too large") from None
        if sha256(data) != told:
            remedy = "rebuild the set: pie-bench dataset stress"
            raise UserError(f"{self.where(key)}: its {key[1]} does not match its hash; {remedy}")
        return data


def stress_path(spec: DatasetSpec, split: str) -> Path:
    """Where a split's stress inputs are: next to its rows if they exist there, else in the cache folder."""
    return kept_path(spec, "stress", split)


def kept_path(spec: DatasetSpec, what: str, split: str) -> Path:
    """Where data derived from a split is: next to its rows if it exists there, else in the cache folder."""
    folder = spec.folder()
    beside = folder / f"{what}.{split}.json" if folder is not None else None
    if beside is not None and beside.is_file():
        return beside
    name = "".join(c if c.isalnum() or c in "._-" else "_" for c in spec.dataset)
    return cache_dir() / what / f"{name}.{split}.json"


def read_stress(path: Path, dataset: str, split: str) -> StressSet:
    """A stress set; UserError with the remedy if there is none, or if it belongs to another dataset."""
    remedy = f"make them: pie-bench dataset stress {dataset} --split {split}"
    try:
        data = path.read_bytes()
    except OSError:
        raise UserError(f"{path}: dataset {dataset} has no stress inputs yet; {remedy}") from None
    try:
        stress = StressSet.model_validate_json(data)
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}; {remedy}") from None
    if (stress.dataset, stress.split) != (dataset, split):
        raise UserError(f"{path}: of {stress.dataset}/{stress.split}, not {dataset}/{split}; {remedy}")
    return stress


def rebuilt(stress: StressSet, path: Path) -> int:
    """The number of inputs; UserError unless each of them, and its output, is reproduced exactly."""
    tests = StressTests(stress, path)
    keys = [(name, each.id) for name, problem in stress.problems.items() for each in problem.inputs]
    for problem_id, number in keys:
        for kind in ("input", "output"):
            tests.read((problem_id, kind, number))
    return len(keys)


def write_stress(path: Path, stress: StressSet) -> None:
    write_json(path, stress.model_dump(mode="json"))
