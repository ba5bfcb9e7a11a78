"""The report in a real browser, from file://, with programs that attack the page."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from pie_bench.cli.main import main
from pie_bench.errors import UserError
from pie_bench.report.page import run_names, write_report
from pie_bench.run.measurement import Profile
from pie_bench.stages.finished import FinishedRun
from tests.report.browser import chromium, faults

HOSTILE = (
    "#include <cstdio>\n// </script><script>window.attacked = 1</script>\n"
    '// <img src=x onerror="window.attacked = 2"> ]]> <!-- <svg/onload=window.attacked=3>\n'
    'int main() { puts("\\u2028 {{ 7 * 7 }} \u2028 \\x3c/script\\x3e"); }\n'
)


WEAK = "p00001"  # a problem whose tests find too few mutants


@pytest.fixture(scope="module")
def report(made_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A report of both runs, in which one pair's answers are hostile in every text that a model controls."""
    folder = tmp_path_factory.mktemp("report")
    for name in ("a", "b"):
        shutil.copytree(made_folder / name, folder / name)
    answers = folder / "a" / "generations.jsonl"
    lines = [json.loads(line) for line in answers.read_text().splitlines()]
    first = min(line["pair_id"] for line in lines)
    for line in lines:
        if line["pair_id"] == first:
            line["text"] = f"```cpp\n{HOSTILE}```"
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
    verdicts = folder / "a" / "verdicts.jsonl"
    records = [json.loads(line) for line in verdicts.read_text().splitlines()]
    for record in records:
        if record["pair_id"] == first and record["role"] == "candidate":
            record |= {"outcome": "compile_error", "compile_log": f"error: {HOSTILE}", "detail": HOSTILE, "tests": []}
            record |= {"runtime_seconds": None, "startup_seconds": None}
    verdicts.write_text("".join(json.dumps(record) + "\n" for record in records))
    manifest = folder / "a" / "manifest.json"
    facts = json.loads(manifest.read_text())
    facts["generation"]["model_resolved"] = HOSTILE
    kills = {"made_from": "0" * 64, "mutants": 10, "tests": 7, "guards": None, "stress": 9, "any": 9}
    facts["kill_rates"] = {"sha256": "0" * 64, "problems": {WEAK: kills}}
    manifest.write_text(json.dumps(facts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIE_DATA_DIR", str(made_folder / "data"))
        assert main(["score", str(folder / "a"), "--json"]) == 0
        output = folder / "out" / "report.html"
        assert main(["report", str(folder / "a"), str(folder / "b"), "-o", str(output)]) == 0
    yield output


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The report, opened without a network; any error or request on the page fails the test."""
    context = browser.new_context(offline=True, color_scheme="light", viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda request: problems.append(request.url) if not request.url.startswith("file:") else None)
    opened.on("dialog", lambda dialog: problems.append(dialog.message))
    opened.goto(report.as_uri())
    opened.wait_for_selector("body[data-ready]")
    yield opened
    assert problems == []
    assert opened.evaluate("window.attacked") is None, "a program's text was run"
    context.close()


def shown(page: Any) -> list[str]:
    return page.eval_on_selector_all("#table tr.pair", "rows => rows.map(row => row.dataset.id)")


def test_filter_search_and_sort(page: Any) -> None:
    everything = shown(page)
    assert len(everything) == 30
    assert everything == sorted(everything)
    assert page.text_content("#count") == "30 of 30 pairs"
    page.fill("#search", everything[4].split("-")[0].upper())
    expect(page.locator("tr.pair")).to_have_count(1)
    page.click("button[type=reset]")
    expect(page.locator("tr.pair")).to_have_count(30)
    problem = page.eval_on_selector("#problem", "select => select.options[1].value")
    page.select_option("#problem", problem)
    expect(page.locator("tr.pair")).not_to_have_count(30)
    assert set(page.eval_on_selector_all("tr.pair td:nth-child(2)", "cells => cells.map(c => c.textContent)")) == {
        problem
    }
    page.click("button[type=reset]")
    expect(page.locator("tr.pair")).to_have_count(30)
    page.select_option("#outcome", "compile")
    expect(page.locator("tr.pair")).not_to_have_count(30)
    assert everything[0] in shown(page)
    page.click("button[type=reset]")
    expect(page.locator("tr.pair")).to_have_count(30)
    page.click("th button[data-sort=speedup]")
    assert page.get_attribute("th:has(button[data-sort=speedup])", "aria-sort") == "descending"
    cells = page.eval_on_selector_all("tr.pair td:nth-child(4)", "cells => cells.map(c => c.textContent)")
    speedups = [float(cell.rstrip("×")) for cell in cells if cell != "–"]
    assert speedups == sorted(speedups, reverse=True)
    assert all(cell == "–" for cell in cells[len(speedups) :]), "pairs without a correct answer come last"
    page.select_option("#run", "1")
    expect(page.locator(".answers").first.locator("i")).to_have_count(2)


def test_a_pair_shows_what_changed_and_why(page: Any) -> None:
    page.click("th button[data-sort=speedup]")
    page.click("tr.pair >> nth=0")
    detail = page.locator("tr.detail")
    says = detail.locator(".says").first.text_content()
    assert re.search(r"Answer \d takes [\d.]+ .s where the source takes [\d.]+ .s: [\d.]+×", says)
    assert "rocess start-up" in says
    assert detail.locator(".diff .del").count() > 0
    assert detail.locator(".diff .add").count() > 0
    why = detail.locator(".why").inner_text()
    for text in ("time", "start-up", "instructions", "cycles lost to mispredictions"):
        assert text in why
    assert detail.locator("circle").count() == 3 * 5, "three programs, five tests"
    detail.locator("[role=tab]", has_text="human rewrite").first.click()
    assert detail.locator(".diff th").all_inner_texts() == ["source", "human rewrite"]
    assert page.url.split("#")[1].startswith("pair=")


def test_pairs_of_problems_with_weak_tests_are_marked(page: Any) -> None:
    page.select_option("#problem", WEAK)
    expect(page.locator("tr.pair")).not_to_have_count(30)
    expect(page.locator("tr.pair .flag", has_text="weak tests")).to_have_count(len(shown(page)))
    page.locator("tr.pair button").first.click()
    expect(page.locator("tr.detail .note", has_text="they find 7 of 10 mutants")).to_have_count(1)
    assert f"weak tests (they find less than 80 % of mutants): {WEAK} (7 of 10)" in page.text_content(".notes")
    page.click("button[type=reset]")
    expect(page.locator("tr.pair")).to_have_count(30)
    assert page.locator("tr.pair .flag", has_text="weak tests").count() < 30


def test_hostile_programs_are_only_text(page: Any) -> None:
    hostile = shown(page)[0]
    page.click(f"tr.pair[data-id='{hostile}']")
    detail = page.locator("tr.detail")
    for text in ("</script><script>window.attacked = 1</script>", "<img src=x onerror=", "{{ 7 * 7 }}"):
        assert text in detail.locator(".diff").inner_text()
        assert text in detail.locator(".log").inner_text()
    assert detail.locator("img, script, svg[onload]").count() == 0
    assert "failed to compile" in detail.locator(".says").first.inner_text()
    assert "</script><script>window.attacked" in page.locator("#about").inner_text()
    page.fill("#search", "<img src=x onerror")
    expect(page.locator("tr.pair")).to_have_count(1)
    assert shown(page) == [hostile]


def test_by_keyboard_alone(page: Any) -> None:
    ids = shown(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the pairs"
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == ids[1]
    page.keyboard.press("Enter")
    assert page.locator("tr.pair.open").get_attribute("data-id") == ids[1]
    page.keyboard.press("j")
    assert page.locator("tr.pair.open").get_attribute("data-id") == ids[2]
    page.keyboard.press("k")
    page.keyboard.press("Escape")
    assert page.locator("tr.detail").count() == 0
    assert page.evaluate("document.activeElement.textContent") == ids[1], "the focus is where it was"
    page.keyboard.press("/")
    page.keyboard.type(ids[7])
    expect(page.locator("tr.pair")).to_have_count(1)


def test_switches_change_what_is_shown(page: Any) -> None:
    def headline() -> str:
        return page.locator("#scores table.headline >> nth=0").inner_text()

    expected = headline()
    assert "best@4" in expected
    assert "first@4" not in expected
    page.get_by_label("first@k (paper)").check(force=True)
    assert "first@4" in headline()
    assert "best@4" not in headline()
    paper = headline()
    before = page.eval_on_selector_all("tr.pair td:nth-child(4)", "cells => cells.map(c => c.textContent)")
    page.get_by_label("without start-up").check(force=True)
    assert headline() != paper
    after = page.eval_on_selector_all("tr.pair td:nth-child(4)", "cells => cells.map(c => c.textContent)")
    assert before != after
    page.locator("details.more summary").click()
    assert "Dynamic Retrieval, K=4" in page.locator("details.more").inner_text()
    page.locator("svg [data-problem]:visible").first.click()
    assert len(shown(page)) < 30


def test_light_and_dark(browser: Any, report: Path) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.goto(report.as_uri())
        page.wait_for_selector("body[data-ready]")
        contrasts = page.evaluate(CONTRASTS)
        assert min(contrasts) >= 4.5, f"{scheme}: text that is hard to read: {min(contrasts):.2f}"
        page.click("#theme")
        assert page.evaluate("document.documentElement.dataset.theme") == {"light": "dark", "dark": "light"}[scheme]
        page.reload()
        page.wait_for_selector("body[data-ready]")
        assert page.evaluate("document.documentElement.dataset.theme") != scheme, "the choice is kept"
        context.close()


# WCAG contrast of the page's text colours on the panel.
CONTRASTS = """() => {
  const style = getComputedStyle(document.documentElement);
  const light = (name) => { const n = parseInt(style.getPropertyValue(name).trim().slice(1), 16);
    return [16, 8, 0].map((s) => ((n >> s) & 255) / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0); };
  const panel = light("--panel");
  return ["--ink", "--soft", "--accent", "--k", "--s", "--n", "--p"].map((name) => {
    const text = light(name); return (Math.max(text, panel) + 0.05) / (Math.min(text, panel) + 0.05); });
}"""


def test_a_link_to_a_pair_lands_on_it(browser: Any, report: Path) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(report.as_uri())
    wanted, other = shown(page)[3], shown(page)[20]
    page.goto("about:blank")
    page.goto(f"{report.as_uri()}#pair={wanted}")
    page.wait_for_selector("tr.detail")
    assert page.locator("tr.pair.open").get_attribute("data-id") == wanted
    expect(page.locator("tr.pair.open button")).to_be_in_viewport()
    page.fill("#search", "nothing has this")
    expect(page.locator("tr.pair")).to_have_count(0)
    page.evaluate("id => { location.hash = 'pair=' + id; }", other)
    expect(page.locator("tr.pair.open")).to_have_attribute("data-id", other)
    expect(page.locator("tr.pair.open button")).to_be_in_viewport()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_width_is_readable_and_axe_finds_nothing_serious(browser: Any, report: Path, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(report.as_uri())
    page.wait_for_selector("body[data-ready]")
    pairs = shown(page)
    assert faults(page) == []
    for pair in (pairs[0], pairs[3]):  # without a program that runs, and with one
        page.goto(f"{report.as_uri()}#pair={pair}")
        page.wait_for_selector("tr.detail")
        assert faults(page) == []
    context.close()


def test_one_file_that_needs_nothing_else(report: Path) -> None:
    text = report.read_text()
    assert not re.search(r"<(?:link|iframe|img)\b|\bsrc=[\"'](?!x)|@import|url\(", text.replace(HOSTILE, ""))
    assert "http://www.w3.org" in text, "names of namespaces are no requests"
    assert not re.findall(r"https?://(?!www\.w3\.org)", text)
    assert text.count("</script>") == 2


def test_runs_of_which_little_is_left_have_a_report_too(made_folder: Path, tmp_path: Path, browser: Any) -> None:
    """No usable pair, our own errors, verdicts without counters: the page says so and does not break."""
    shutil.copytree(made_folder / "b", tmp_path / "run")
    path = tmp_path / "run" / "verdicts.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        if record["role"] == "source":
            record |= {"outcome": "wrong_output", "runtime_seconds": None, "startup_seconds": None}
        elif record["role"] == "candidate" and record["sample_index"] == 1:
            record |= {"outcome": "infra_error", "runtime_seconds": None, "startup_seconds": None, "tests": []}
        record |= {"counters": {}, "startup_counters": {}}
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIE_DATA_DIR", str(made_folder / "data"))
        assert main(["score", str(tmp_path / "run")]) == 1, "errors of ours are left"
        assert main(["analyse", "all", str(tmp_path / "run")]) == 0
        assert main(["report", str(tmp_path / "run"), "--plots", str(tmp_path / "plots")]) == 0
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "run" / "report.html").as_uri())
    page.wait_for_selector("body[data-ready]")
    assert "0 pairs of 0 problems" in page.locator(".lead").inner_text()
    page.locator("tr.pair").first.click()
    assert "in no metric" in page.locator(".says").first.inner_text()
    assert problems == []
    page.close()


def test_lines_show_where_the_time_goes(made: Path, tmp_path: Path, browser: Any) -> None:
    run = FinishedRun(made / "a")
    key = min((pair.pair_id, "source", 0) for pair in run.results.pairs)
    lines = ((7, 100), (8, 700), (9, 1))
    write_report([run], tmp_path / "r.html", profiles=[{key: Profile("", "", "", 1000, lines)}])
    page = browser.new_page()
    page.goto(f"{(tmp_path / 'r.html').as_uri()}#pair={key[0]}")
    page.wait_for_selector("tr.detail")
    shares = page.eval_on_selector_all(".diff .hot", "cells => cells.map(cell => cell.title)")
    assert shares == ["12.5 %", "87.4 %"]
    assert page.locator(".diff .hot").last.locator("xpath=preceding-sibling::td").first.inner_text() == "8"
    assert "most expensive line is 8" in page.locator(".says").first.inner_text()
    page.close()


def with_results(run: FinishedRun, **changes: Any) -> FinishedRun:
    other = copy(run)
    other.results = run.results.model_copy(update=changes)
    return other


def test_runs_are_told_apart_by_as_little_as_possible(made: Path, tmp_path: Path) -> None:
    a, b = (FinishedRun(made / name) for name in "ab")

    def names(*changes: dict[str, Any]) -> list[str]:
        return run_names([with_results(a, **change) for change in changes])

    assert names({"model": "org/gpt-4.1"}, {"model": "replay:runs/answers.jsonl"}) == ["gpt-4.1", "answers"]
    exports = [
        {"model": f"hf:{name}/model", "model_resolved": f"sha256:0 adapted tiny--{name} transformers"} for name in "ab"
    ]
    assert names(*exports) == ["hf:tiny--a", "hf:tiny--b"]
    assert names({"task": "x"}, {"task": "y"}) == ["reference · x", "reference · y"]
    assert run_names([a, b]) == ["reference · a", "reference · b"]
    assert run_names([a, a]) == ["reference · a (1)", "reference · a (2)"]
    other = with_results(b, dataset_fingerprint="0")
    with pytest.raises(UserError, match="on different data; make a report of each"):
        write_report([a, other], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def page_with_readings(made_folder: Path, folder: Path, browser: Any, reading: Callable[[Any], Any]) -> Any:
    """The page of a run whose answers were read as `reading` says of their records."""
    shutil.copytree(made_folder / "b", folder)
    path = folder / "verdicts.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        if record["role"] == "candidate":
            record["reading"] = reading(record)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIE_DATA_DIR", str(made_folder / "data"))
        assert main(["report", str(folder)]) == 0
    page = browser.new_page()
    page.goto((folder / "report.html").as_uri())
    page.wait_for_selector("body[data-ready]")
    return page


def test_how_an_answer_was_read_is_one_click_away(made_folder: Path, tmp_path: Path, browser: Any) -> None:
    passed = ["thinking in <think>", "block 1: called the original"]
    reading = {"rule": "block 2: called <b>the answer</b>", "passed_over": passed}
    page = page_with_readings(made_folder, tmp_path / "run", browser, lambda record: reading)
    page.locator("tr.pair").first.click()
    section = page.locator("tr.detail details.reading")
    summary = section.locator("summary").inner_text()
    assert re.fullmatch(r"How answer \d was read: block 2: called <b>the answer</b> \(2 passed over\)", summary)
    expect(section.locator(".raw")).to_be_hidden()
    section.locator("summary").click()
    expect(section.locator(".raw")).to_be_visible()
    assert "main" in section.locator(".raw").inner_text(), "the whole answer"
    listed = section.locator("li").all_inner_texts()
    assert [text for text in listed if text.startswith("passed over: ")] == 2 * [
        f"passed over: {each}" for each in passed
    ]
    page.close()


def test_answers_that_were_read_doubtfully_are_found(made_folder: Path, tmp_path: Path, browser: Any) -> None:
    verdicts = (made_folder / "b" / "verdicts.jsonl").read_text().splitlines()
    last = max(json.loads(line)["pair_id"] for line in verdicts)

    def reading(record: Any) -> dict[str, Any]:
        doubtful = record["pair_id"] == last and record["sample_index"] == 1
        return {"rule": "block 2: a complete program", "passed_over": [], "doubtful": doubtful}

    page = page_with_readings(made_folder, tmp_path / "run", browser, reading)
    page.check("#doubtful")
    expect(page.locator("tr.pair")).to_have_count(1)
    assert shown(page) == [last]
    assert (
        page.locator("tr.pair .flag", has_text="doubtfully").get_attribute("title")
        == "answer 1: block 2: a complete program"
    )
    page.locator("tr.pair").click()
    expect(page.locator("tr.detail li", has_text="? answer 1").locator(".raw")).to_be_visible()
    page.close()


def test_runs_of_versions_without_readings_have_the_answer_only(page: Any) -> None:
    page.locator("tr.pair").first.click()
    assert re.fullmatch(r"How answer \d was read", page.locator("tr.detail details.reading summary").inner_text())
