"""Files of mutants: their counts, and what is refused."""

from pathlib import Path

import pytest

from pie_bench.data.mutants import Mutant, MutantSet, ProblemMutants, read_mutants, write_mutants
from pie_bench.errors import UserError
from pie_bench.run.kills import Side

SUM = "0" * 64


def of(*found_by: tuple[Side, ...], has: tuple[Side, ...] = ("tests", "guards")) -> ProblemMutants:
    mutants = (Mutant(kind="bound", line=1, change="0 → 1", program_sha256=SUM, found_by=by) for by in found_by)
    return ProblemMutants(
        made_from=SUM, stress_sha256=None, environment_id=SUM, pair="a-b", has=has, mutants=tuple(mutants)
    )


def test_rates_by_hand() -> None:
    kills = of((), ("tests",), ("tests", "guards")).kills
    assert (kills.mutants, kills.tests, kills.guards, kills.stress, kills.any) == (3, 2, 1, None, 2)
    assert kills.weak, "two of three"
    assert not of(("tests",), ("tests", "guards")).kills.weak
    assert not of(has=()).kills.weak, "nothing is known"
    assert of(("stress",), has=("stress",)).kills.weak, "without tests of its own"
    four_of_five = of((), *[("tests",)] * 4)  # type: ignore[list-item]
    assert not four_of_five.kills.weak, "80 % is enough"


def test_what_is_written_is_read_and_its_sum_is_its_content(tmp_path: Path) -> None:
    found = MutantSet(dataset="d", split="test", problems={"p2": of(()), "p1": of(("tests",))})
    write_mutants(tmp_path / "a.json", found)
    write_mutants(
        tmp_path / "b.json", MutantSet(dataset="d", split="test", problems=dict(sorted(found.problems.items())))
    )
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    again = read_mutants(tmp_path / "a.json", "d", "test")
    assert again is not None and again.rates == found.rates
    assert found.rates.weak == ["p2"]
    few = found.rates.of(["p1", "p9"])
    assert few is not None and set(few.problems) == {"p1"} and few.sha256 == found.rates.sha256
    assert found.rates.of(["p9"]) is None


def test_a_file_of_another_kind_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "mutants.json"
    assert read_mutants(path, "d", "test") is None
    path.write_text('{"schema_version": 9}')
    with pytest.raises(UserError, match=r"schema_version.*; make it anew: pie-bench dataset mutants d --split test"):
        read_mutants(path, "d", "test")


def test_a_copy_under_another_name_is_read(tmp_path: Path) -> None:
    """A dataset may be copied with everything beside it; hashes show whether a problem is the same."""
    path = tmp_path / "mutants.json"
    write_mutants(path, MutantSet(dataset="d", split="val", problems={}))
    assert read_mutants(path, "another", "test") == MutantSet(dataset="d", split="val", problems={})
