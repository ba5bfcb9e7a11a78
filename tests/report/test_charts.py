"""Pictures: well-formed, their numbers in them, and as files."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.report import charts
from pie_bench.report.charts import HeatRow, Line, Speedups


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def test_curves_name_every_point() -> None:
    line = Line('a <b> & "c"', "var(--run0)", [(1, 10.0, 5.0, 20.0), (2, 30.0, None, None)])
    svg = charts.curves([("%Opt", "%", [line]), ("Speedup", "×", [])], "title")
    tips = [title.text for title in parsed(svg).iter("title")]
    assert tips == ['a <b> & "c", k = 1: 10% [5, 20]', 'a <b> & "c", k = 2: 30%']


def test_every_pair_is_in_a_bin() -> None:
    values = [0.01, 0.5, 1.0, 1.0, 1.3, 2.0, 1000.0]
    svg = charts.distribution([Speedups("run", "var(--run0)", values, [1.0])], "title")
    counted = [int(re.match(r"(\d+) pairs", title.text or "")[1]) for title in parsed(svg).iter("title")]  # type: ignore[index]
    assert sum(counted) == len(values)


def test_a_bar_is_divided_by_share() -> None:
    svg = charts.outcomes([("run", {"optimized": 3, "compile": 1})], {"compile": "broken", "optimized": "fast"}, "t")
    widths = [float(r.attrib["width"]) + 1 for r in parsed(svg).iter("rect") if r.attrib["height"] == "20"]
    assert widths[1] == pytest.approx(3 * widths[0], rel=1e-3)
    charts.outcomes([("empty", {})], {"compile": "broken"}, "t")


def test_a_heat_map_says_every_number() -> None:
    svg = charts.heat_map(["run"], [HeatRow("p1", 3, [(50.0, 0.0, 2.5)]), HeatRow("p2", 1, [(None, None, None)])], "t")
    texts = [text.text for text in parsed(svg).iter("text")]
    for wanted in ("p1", "3", "50", "0", "2.50×", "p2", "–"):
        assert wanted in texts


@pytest.mark.parametrize("top", [0.0, 0.3, 1.0, 7.0, 99.9, 1234.5])
def test_axes_are_round_and_reach_the_top(top: float) -> None:
    low, high, step = charts._axis(0.0, top, None)
    assert high >= top
    assert 2 <= (high - low) / step <= 6
    assert charts._axis(0.0, 150.0, 100.0)[1] == 100.0


def test_every_colour_has_a_value_outside_the_page(pytestconfig: pytest.Config) -> None:
    css = (pytestconfig.rootpath / "pie_bench" / "report" / "page" / "page.css").read_text()
    light, dark = css.split('[data-theme="dark"]')[:2]
    for name, value in charts.LIGHT.items():
        assert re.search(rf"--{name}: {value};", light), name
        assert f"--{name}:" in dark


def test_as_files(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cairosvg", reason="CairoSVG or libcairo2 is not installed", exc_type=ImportError)
    output = tmp_path / "report.html"
    assert main(["report", str(made / "a"), "-o", str(output), "--plots", str(tmp_path / "plots")]) == 0
    said = capsys.readouterr().out
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    for stem in ("best_at_k-process", "speedups-after_main", "problems-process", "outcomes"):
        assert {f"{stem}.svg", f"{stem}.png"} <= names
        assert f"{stem}.png" in said
        text = (tmp_path / "plots" / f"{stem}.svg").read_text()
        assert "var(" not in text
        parsed(text)
        assert (tmp_path / "plots" / f"{stem}.png").read_bytes().startswith(b"\x89PNG")


def test_without_cairo_there_are_svgs_and_the_remedy(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cairosvg", None)
    assert main(["report", str(made / "a"), "-o", str(tmp_path / "r.html"), "--plots", str(tmp_path / "p")]) == 2
    assert "PNGs need CairoSVG" in capsys.readouterr().err
    assert (tmp_path / "r.html").exists()
    assert len(list((tmp_path / "p").glob("*.svg"))) == 7


def test_the_numbers_of_several_runs_as_json(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(made / "a"), str(made / "b"), "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("run,task,model,environment_id,metric,k,method,time,of,value,low,high")
    assert {line.split(",")[0] for line in lines[1:]} == {str(made / "a"), str(made / "b")}
    assert main(["report", str(made / "a"), "--json"]) == 0
    assert main(["score", str(made / "a"), "--csv"]) == 0
    capsys.readouterr()
    assert not (made / "a" / "report.html").exists()
