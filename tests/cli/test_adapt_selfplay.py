"""The help of `adapt selfplay`, word for word."""

import sys
from pathlib import Path

import pytest

from pie_bench.cli.main import main

GOLDEN = Path(__file__).parents[1] / "golden" / "selfplay" / "help.txt"
STAGES = ("generate", "filter", "optimise", "select")


def test_help_is_what_it_was(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    for command in (["--help"], *([stage, "--help"] for stage in STAGES)):
        with pytest.raises(SystemExit):
            main(["adapt", "selfplay", *command])
    said = " ".join(capsys.readouterr().out.split())
    # argparse words its headings and repeats metavars differently from one Python version to the next
    assert said == " ".join(GOLDEN.read_text().split()) or sys.version_info[:2] != (3, 11)
    for stage in STAGES:
        assert f"pie-bench adapt selfplay {stage} " in said


@pytest.mark.parametrize("options", ["--min-speedup 0.5", "--min-speedup nan", "--per-class 0"])
def test_wrong_options_are_refused(options: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["adapt", "selfplay", "select", "out", *options.split()])
    assert stopped.value.code == 2
