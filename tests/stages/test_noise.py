"""Identical programs timed twice: real hyperfine, real sandbox, real simulator."""

import json
import shutil
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.cli.noise import print_spreads
from pie_bench.errors import UserError
from pie_bench.stages import noise


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("hyperfine"), reason="hyperfine is not installed (tools/setup.sh test installs it)"
)
def test_the_simulator_shows_no_phantom_speedup(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["noise", "--dataset", str(tiny), "--pairs", "2", "--runs", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["pairs"]) == 2
    for pair in found["pairs"]:
        assert pair["simulated_speedup"] == 1.0
        assert pair["native_first_seconds"] > 0
        assert pair["native_speedup"] == pair["native_first_seconds"] / pair["native_second_seconds"]
    assert found["simulated"] == {
        "mean": 1.0,
        "sd": 0.0,
        "top_5_percent": 1.0,
        "largest": 1.0,
        "percent_optimized": 0.0,
    }


def test_without_hyperfine_it_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noise, "_HYPERFINE", "/nowhere/hyperfine")
    with pytest.raises(UserError, match="apt-get install hyperfine"):
        noise.check_hyperfine()
    assert main(["noise"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_spread() -> None:
    spread = noise.Spread.of([1.0] * 19 + [2.0])
    assert spread.mean == pytest.approx(1.05)
    assert (spread.top_5_percent, spread.largest, spread.percent_optimized) == (2.0, 2.0, 5.0)


def test_what_people_see(capsys: pytest.CaptureFixture[str]) -> None:
    print_spreads(noise.Spread.of([1.0, 1.5]), noise.Spread.of([1.0, 1.0]), 2, 10)
    said = capsys.readouterr().out
    assert "2 programs against themselves, 10 runs per side" in said
    assert next(line.split()[-5:] for line in said.splitlines() if "hyperfine, this" in line) == [
        "machine",
        "1.25",
        "0.25",
        "1.50",
        "50.00",
    ]
    assert "paper (500 pairs, hyperfine)   1.12   0.36" in said
