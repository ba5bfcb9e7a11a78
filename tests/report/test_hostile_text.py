"""Untrusted names, code, messages and logs stay text: in terminals, pages, tables and CSV files."""

import csv
import io
import json
import logging
import re
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.cli.output import print_csv, print_table
from pie_bench.errors import UserError
from pie_bench.plain import plain, plain_within
from pie_bench.report.charts import _Drawing
from pie_bench.report.summary import print_summary
from pie_bench.report.table import print_results
from pie_bench.run.guard import GuardFinding
from tests.report.test_table import RESULTS

HOSTILE = {
    "colours and the cursor": "\x1b[31m\x1b[2J\x1b[1A",
    "a title": "\x1b]0;owned\x07",
    "a link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "backwards": "\u202egro.live\u2066",
    "invisible": "a\u200bb\u00ad\ufeff",
    "over the line": "ok\rforged",
    "one more line": "ok\nforged: verified",
    "markup of rich": "[bold red]x[/][link=https://evil.example]y[/link]",
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "markdown": "[x](javascript:alert(1)) ![y](https://evil.example/z.png) |a|b|",
    "C1": "\x9b31m\x9d0;x\x9c",
}
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@pytest.mark.parametrize("name", HOSTILE)
def test_the_table_of_a_run(name: str) -> None:
    hostile = HOSTILE[name]
    results = RESULTS.model_copy(
        update={"model": hostile, "task": hostile, "dataset": hostile, "unusable_pairs": (hostile,)}
    )
    for show in (lambda file: print_results(results, file), lambda file: print_summary([(results, Path("x"))], file)):
        out = io.StringIO()
        show(out)
        assert not HIDDEN.search(out.getvalue())
        if name == "markup of rich":
            assert "[bold red]" in out.getvalue().replace("\n", "")
    assert not HIDDEN.search(repr(results))
    assert "<script>" not in results._repr_html_()


@pytest.mark.parametrize("name", HOSTILE)
def test_tables_and_csv(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", "value"], [[HOSTILE[name], 1.0]])
    print_csv([{"name": HOSTILE[name], "value": 1.0}], ["name", "value"])
    said = capsys.readouterr().out
    assert not HIDDEN.search(said)
    if name == "markup of rich":
        assert "[bold red]" in said


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_no_cell_of_a_csv_is_a_formula(cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_csv([{"name": cell, "value": -1.5}], ["name", "value"])
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row == {"name": f"'{cell}", "value": "-1.5"}


@pytest.mark.parametrize("name", HOSTILE)
def test_messages(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--task", "pie_instruct", "--model", HOSTILE[name] or "x"]) == 2
    said = capsys.readouterr().err
    assert not HIDDEN.search(said)
    assert said.count("\n") == 1, "one line, whatever is in it"


def test_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    main(["tasks"])
    assert logging.lastResort is not None
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%s", (HOSTILE["a link"],), None)
    assert not HIDDEN.search(logging.lastResort.format(record))


@pytest.mark.parametrize("name", HOSTILE)
def test_pictures_and_data_of_pages(name: str) -> None:
    svg = _Drawing(10, 10, "x")
    svg.add("text", HOSTILE[name], tip=HOSTILE[name])
    assert not HIDDEN.search("".join(svg.parts))
    assert "<script>" not in "".join(svg.parts)
    data = plain_within({"a": [HOSTILE[name], {"b": HOSTILE[name]}], "n": 1})
    assert not HIDDEN.search(json.dumps(data, ensure_ascii=False).replace("\\n", ""))


def test_findings_of_the_guards(capsys: pytest.CaptureFixture[str]) -> None:
    finding = GuardFinding("p", 0, "c", 1, "e", guard_input="".join(HOSTILE.values()))
    assert not HIDDEN.search(plain(f"{finding.guard_input}"))


def test_line_ends_of_windows_are_line_ends() -> None:
    assert plain_within("a\r\nb\rc") == "a\nb\\x0dc"


def test_an_error_is_one_line() -> None:
    assert plain(str(UserError("x\ny"))) == "x\\x0ay"
