"""The site in a real browser, from file://, with names that attack it."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect

from pie_bench.cli.main import main
from pie_bench.leaderboard.shown import adapt
from pie_bench.leaderboard.site import write_site
from pie_bench.paths import leaderboard_dir
from pie_bench.plain import shown_name
from tests.report.browser import chromium, faults

LEADERBOARD_DIR = leaderboard_dir(None)

HOSTILE = "\"'><script>window.attacked=1</script></script><img src=x onerror=window.attacked=2> {{ 7*7 }} \u2028 $(id)"
GROUP = {"task": "pie_instruct", "task_hash": "a" * 64, "dataset": "pie", "dataset_fingerprint": "b" * 64}
GROUP |= {"environment": "gem5-skylake", "environment_id": "c" * 64, "n_pairs": 900, "n_problems": 40, "n_samples": 8}


def scores(speedup: float, correct: float) -> list[dict[str, Any]]:
    """At k = 1 and 8, best@k and, 0.5 below, first@k; with intervals."""
    return [
        {"metric": metric, "k": k, "method": method, "time": "process", "of": "model", "value": value + less}
        | {"low": value + less - 0.25, "high": value + less + 0.25}
        for metric, base in (("speedup", speedup), ("percent_correct", correct), ("percent_optimized", correct / 2))
        for k, value in ((1, base), (8, base + 1))
        for method, less in (("best", 0.0), ("first", -0.5))
    ]


def made_entries() -> dict[str, dict[str, Any]]:
    """Four entries of one group: all fields, hostile ones, and almost none."""
    return {
        "fast": GROUP
        | {"model": "fast", "status": "published", "date": "2026-01-03", "scores": scores(3, 50), "cost": 12},
        "middle": GROUP
        | {"model": "middle", "status": "self-reported", "date": "2026-01-01", "scores": scores(2, 90), "cost": 0.5}
        | {"submitter": "someone"},
        "'<img src=x onerror=alert(1)>": GROUP
        | {"model": HOSTILE, "model_resolved": HOSTILE, "status": HOSTILE, "date": HOSTILE, "submitter": HOSTILE}
        | {"scores": scores(1.5, 10), "versions": {HOSTILE: HOSTILE}, "outcomes": {HOSTILE: 3}, "tokens": {HOSTILE: 1}},
        "bare": {name: GROUP[name] for name in GROUP if name not in ("n_samples", "n_problems")},
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed entries of runs, and those made up here; the paper's rows would push these out of sight."""
    board = tmp_path_factory.mktemp("board")
    shutil.copytree(LEADERBOARD_DIR / "entries", board / "entries", ignore=shutil.ignore_patterns("as_published*"))
    for name, entry in made_entries().items():
        (board / "entries" / f"{name}.json").write_text(json.dumps(entry))
    assert main(["leaderboard", "render", "--leaderboard", str(board), "--out", str(board / "a site")]) == 0
    return board / "a site"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Any, site: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The index, without a network; any error, dialog or request but for the site's own files fails the test."""
    context = browser.new_context(
        offline=True, viewport={"width": 1280, "height": 900}, color_scheme=getattr(request, "param", "light")
    )
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on(
        "request", lambda each: problems.append(each.url) if not each.url.startswith(("file:", "data:")) else None
    )
    opened.on("dialog", lambda dialog: problems.append(dialog.message))
    opened.goto((site / "index.html").as_uri())
    opened.wait_for_selector("body[data-ready]")
    yield opened
    assert problems == []
    assert opened.evaluate("window.attacked") is None, "a name was run"
    context.close()


def made(page: Any) -> Any:
    """The section of the made-up group."""
    return page.locator("section.group", has_text="gem5-skylake")


def names(page: Any) -> list[str]:
    found = made(page).locator("tbody tr:visible th a").all_inner_texts()
    return ["hostile" if "<script>" in name else name for name in found]


def column(page: Any, place: int) -> list[str]:
    return made(page).locator(f"tbody tr:visible td:nth-child({place}) b").all_inner_texts()


def test_committed_entries_are_ranked_within_their_environment_only(page: Any, site: Path) -> None:
    committed = [json.loads(path.read_text()) for path in (LEADERBOARD_DIR / "entries").glob("pie_*.json")]
    keys = {(e["task"], e["dataset_fingerprint"], e["environment_id"], e["n_pairs"]) for e in committed}
    assert page.locator("section.group").count() == len(keys) + 1
    assert page.inner_text("#count") == f"{len(committed) + 4} entries"
    for entry in committed:
        section = page.locator("section.group", has_text=entry["environment_id"][:12]).filter(
            has_text=f"{entry['n_pairs']} pairs"
        )
        row = section.locator("tbody tr", has=page.get_by_role("link", name=entry["model"], exact=True))
        assert row.locator("td b").first.inner_text() == f"{entry['metrics']['speedup']['best@1']:.2f}×"
        assert section.locator("tbody .rank").first.inner_text() == "1"
    assert page.locator("table caption").count() == len(keys) + 1
    assert page.locator("thead th:not([scope=col]), tbody th:not([scope=row])").count() == 0


def test_sort_by_click_and_keyboard(page: Any) -> None:
    assert names(page) == ["fast", "middle", "hostile", "—"]
    assert made(page).locator("tbody .rank").all_inner_texts() == ["1", "2", "3", "—"]
    head = made(page).locator("thead th", has_text="%Correct")
    assert head.get_attribute("aria-sort") is None
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert names(page) == ["middle", "fast", "hostile", "—"]
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert names(page) == ["hostile", "fast", "middle", "—"], "what is unknown stays last"
    assert made(page).locator("thead th[aria-sort]").count() == 1
    assert made(page).locator("tbody .rank").all_inner_texts() == ["3", "1", "2", "—"], "ranks are by Speedup"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert made(page).locator("thead th", has_text="Model").get_attribute("aria-sort") == "ascending"
    assert names(page)[1:] == ["fast", "middle", "—"]


def test_filters(page: Any) -> None:
    page.fill("#q", "SOMEone gem5")
    assert names(page) == ["middle"]
    assert page.locator("section.group:visible").count() == 1
    assert page.inner_text("#count").startswith("1 of ")
    assert made(page).locator("circle:visible").count() == 1
    page.fill("#q", "")
    page.select_option("#status", "published")
    assert names(page) == ["fast"]
    page.click("button[type=reset]")
    group = made(page).get_attribute("data-group")
    page.select_option("#group", group)
    assert page.locator("section.group:visible").count() == 1
    assert len(names(page)) == 4
    page.fill("#q", "nothing is called so")
    assert page.locator("section.group:visible").count() == 0
    assert page.inner_text("#count").startswith("0 of ")


def test_toggles_change_numbers_intervals_and_the_plot(page: Any) -> None:
    assert column(page, 3) == ["3.00×", "2.00×", "1.50×", "—"]
    assert made(page).locator("tbody small", has_text="2.75–3.25").count() == 1
    before = made(page).locator("circle").first.get_attribute("cy")
    page.get_by_text("k = 8", exact=True).click()
    assert column(page, 3) == ["4.00×", "3.00×", "2.50×", "—"]
    page.get_by_text("first@k (paper)", exact=True).click()
    assert column(page, 3) == ["3.50×", "2.50×", "2.00×", "—"]
    assert made(page).locator("circle").first.get_attribute("cy") != before
    page.get_by_text("without start-up", exact=True).click()
    assert column(page, 3) == ["—"] * 4
    assert made(page).locator("figure").is_hidden()


def test_plot_against_cost_where_it_is_known(page: Any) -> None:
    assert made(page).locator("circle").count() == 3
    made(page).locator("figure select").select_option("cost")
    assert made(page).locator("circle").count() == 2, "only two entries know their cost"
    assert "Speedup against cost" in made(page).locator("svg").get_attribute("aria-label")
    others = page.locator("section.group", has_text="in skylake")
    assert others.locator("figure select").count() == 0
    assert others.first.locator("figure").is_visible()


def test_the_url_holds_the_state(page: Any) -> None:
    page.get_by_text("k = 8", exact=True).click()
    page.get_by_text("first@k (paper)", exact=True).click()
    made(page).locator("thead button", has_text="%Correct").click()
    page.fill("#q", "gem5 & a=b#c%")
    expect(page).to_have_url(re.compile("q=gem5"))
    url = page.url
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    assert page.input_value("#q") == "gem5 & a=b#c%"
    page.fill("#q", "gem5 e")
    expect(page).to_have_url(re.compile("q=gem5.e"))
    url = page.url
    expected = names(page)
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    assert names(page) == expected
    assert column(page, 3)[:2] == ["2.50×", "3.50×"]
    assert page.input_value("#q") == "gem5 e"
    assert page.is_checked("input[name=k][value='8']")
    assert page.is_checked("input[name=method][value=first]")
    page.evaluate("location.hash = 'k=99&method=%3Cscript%3E&sort=constructor&group=x&dir=desc&q=fast'")
    expect(made(page).locator("tbody tr:visible")).to_have_count(1)
    assert column(page, 3) == ["3.00×"], "what is not known in a URL is as if it were not there"
    page.click("button[type=reset]")
    assert "#" not in page.url


def test_an_entry_s_page_says_where_the_numbers_are_from(page: Any) -> None:
    page.locator("section.group", has_text="pie_retrieval_k2").first.locator("tbody a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('smollm2')")
    text = page.inner_text("main")
    (entry,) = (
        json.loads(path.read_text())
        for path in (LEADERBOARD_DIR / "entries").glob("pie_retrieval_k2--smollm2--*")
        if json.loads(path.read_text())["environment"] == "skylake"
    )
    for value in ("task_hash", "dataset_fingerprint", "environment_id", "model_resolved"):
        assert entry[value] in text
    for name, version in entry["versions"].items():
        assert f"{name}\t{version}" in text
    command = page.inner_text("pre")
    assert command == (
        "python harness.py --task pie_retrieval_k2 --model smollm2 --dataset mini --environment skylake "
        "--samples 2 --limit 4"
    )
    page.get_by_role("link", name="pie_retrieval_k2 in skylake").click()
    page.wait_for_selector("body[data-ready]")
    assert page.locator("section.group:visible").count() == 1


def test_published_rows_say_where_they_stand_and_how_they_cannot_be_measured_again(
    browser: Any, tmp_path: Path
) -> None:
    shutil.copytree(LEADERBOARD_DIR / "entries", tmp_path / "entries")
    assert main(["leaderboard", "render", "--leaderboard", str(tmp_path)]) == 0
    page = browser.new_page()
    page.goto((tmp_path / "site" / "index.html").as_uri())
    page.wait_for_selector("body[data-ready]")
    page.click("#published summary")
    group = page.locator("section.group", has_text="as published")
    assert group.locator("tbody tr").count() == 42
    assert group.locator("tbody tr th a").first.text_content() == "Human reference"
    row = group.locator("tbody tr", has_text="GPT-3.5, Fine-tuned, HQ + Self-Play")
    assert row.locator("td.main").inner_text().split() == ["3.02×", "first@1"], "a number under its own name"
    group.get_by_role("link", name="GPT-3.5, Fine-tuned, HQ + Self-Play", exact=True).click()
    page.wait_for_selector("h1")
    text = page.inner_text("main")
    assert "(arXiv 2302.07867), Table 4. The paper takes the first k samples (first@k)" in text
    assert "harness.py" not in text
    assert re.search(r"best@8\s+6\.86×", text)
    assert re.search(r"first@1\s+3\.02×", text)
    assert "best@1" not in text
    page.close()


def test_hostile_names_are_only_text(page: Any, site: Path) -> None:
    link = made(page).locator("tbody a", has_text="<script>window.attacked")
    assert page.locator("img, script[src], [onerror]").count() == 0
    page.select_option("#status", shown_name(HOSTILE))
    assert names(page) == ["hostile"]
    link.click()
    page.wait_for_selector("h1")
    assert page.inner_text("h1").startswith("\"'><script>window.attacked=1")
    assert page.locator("img, script, [onerror]").count() == 0
    assert "{{ 7*7 }}" in page.inner_text("main")
    # As a shell reads it, the name is one argument, whatever it holds.
    words = shlex.split(page.text_content("pre"))
    assert words[words.index("--model") + 1] == shown_name(HOSTILE)
    assert all(set(path.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
               for path in (site / "entries").iterdir())  # fmt: skip


def test_long_tables_begin_with_their_best_and_can_be_opened(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "entries").mkdir()
    for number in range(130):
        entry = GROUP | {"model": f"model-{number:03d}", "scores": scores(1 + number / 100, 50)}
        (tmp_path / "entries" / f"{number}.json").write_text(json.dumps(entry))
    assert main(["leaderboard", "render", "--leaderboard", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    page = browser.new_page()
    page.goto((tmp_path / "out" / "index.html").as_uri())
    page.wait_for_selector("body[data-ready]")
    assert names(page) == [f"model-{number:03d}" for number in range(129, 79, -1)]
    page.fill("#q", "model-007")
    assert names(page) == ["model-007"]
    assert made(page).locator("tbody .rank").inner_text() == "123"
    page.fill("#q", "")
    page.get_by_role("button", name="Show all 130").press("Enter")
    assert len(names(page)) == 130
    assert page.evaluate("document.activeElement.textContent") == "model-079", "the keyboard goes on where it was"
    assert page.get_by_role("button", name="Show all").count() == 0
    page.close()


CONTRAST = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) =>
    c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => { for (; node; node = node.parentElement) {
    const c = parse(getComputedStyle(node).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  const bad = [];
  for (const node of document.querySelectorAll('body *')) {
    if (!node.checkVisibility()) continue;
    if (![...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim())) continue;
    if (['SCRIPT', 'OPTION', 'TITLE', 'title'].includes(node.tagName)) continue;
    const style = getComputedStyle(node), colour = parse(node instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(colour), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(`${node.tagName}: ${node.textContent.slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return bad;
}"""


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_text_can_be_read_in_both_schemes_and_on_a_phone(page: Any) -> None:
    assert page.evaluate(CONTRAST) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360, "tables scroll in their own container"
    box = made(page).locator(".scroll")
    assert box.evaluate("node => node.scrollWidth > node.clientWidth")
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("node => node.scrollLeft > 0", arg=box.element_handle())
    made(page).locator("tbody a", has_text="middle").click()
    page.wait_for_selector("h1")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_every_width_is_readable_and_axe_finds_nothing_serious(page: Any, site: Path) -> None:
    assert faults(page) == []
    for entry in ("fast", "bare"):
        page.goto((site / "entries" / f"{entry}.html").as_uri())
        assert faults(page) == []


def test_published_results_are_folded_below_measured_ones(browser: Any, tmp_path: Path) -> None:
    board = tmp_path / "board"
    shutil.copytree(LEADERBOARD_DIR / "entries", board / "entries")
    assert main(["leaderboard", "render", "--leaderboard", str(board), "--out", str(tmp_path / "site")]) == 0
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto((tmp_path / "site" / "index.html").as_uri())
    page.wait_for_selector("body[data-ready]")
    published = page.get_by_role("link", name="GPT-4, CoT", exact=True)
    expect(published).not_to_be_visible()
    expect(page.locator("section.group:visible").first).to_contain_text("skylake")
    page.fill("#q", "gpt-4 cot")
    expect(published).to_be_visible()
    page.fill("#q", "reference")
    expect(page.locator("#published")).to_have_attribute("open", "")
    page.fill("#q", "smollm2")
    expect(page.locator("#published")).to_be_hidden()
    page.fill("#q", "")
    expect(page.locator("#published")).to_be_visible()
    expect(published).not_to_be_visible()
    page.click("#published summary")
    expect(published).to_be_visible()
    assert faults(page) == []
    plot = page.locator("#published svg")
    assert plot.evaluate("node => node.viewBox.baseVal.width") > 300, "drawn at the width it is shown at"
    group = page.locator("#published section.group").get_attribute("data-group")
    page.goto(f"{(tmp_path / 'site' / 'index.html').as_uri()}#group={group}")
    page.reload()
    expect(published).to_be_visible()
    context.close()


def test_only_pages_of_removed_entries_are_deleted(tmp_path: Path) -> None:
    entries, out = tmp_path / "entries", tmp_path / "out"
    entries.mkdir()
    for name, entry in made_entries().items():
        (entries / f"{name}.json").write_text(json.dumps(entry))
    render = ["leaderboard", "render", "--leaderboard", str(tmp_path), "--out", str(out)]
    assert main(render) == 0
    (out / "entries" / "mine.html").write_text("<p>a page of somebody else's")
    first = (out / "index.html").read_bytes()
    assert main(render) == 0
    assert (out / "index.html").read_bytes() == first
    (entries / "fast.json").unlink()
    assert main(render) == 0
    kept = {path.name for path in (out / "entries").iterdir()}
    assert {"middle.html", "middle.json", "bare.html", "mine.html"} <= kept
    assert not {"fast.html", "fast.json"} & kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no entries; make one"),
        ("{", "broken.json: not an entry"),
        ("[]", "not an entry: list, not an object"),
        (
            '{"schema_version": 2}',
            "broken.json: schema_version: it is 2, this pie_bench reads 3; recreate it: pie-bench",
        ),
    ],
)
def test_what_cannot_be_rendered(tmp_path: Path, capsys: Any, text: str | None, message: str) -> None:
    (tmp_path / "entries").mkdir()
    if text is not None:
        (tmp_path / "entries" / "broken.json").write_text(text)
    assert main(["leaderboard", "render", "--leaderboard", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_entries_themselves_are_never_written_over(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "entries").mkdir()
    (tmp_path / "entries" / "bare.json").write_text(json.dumps(made_entries()["bare"]))
    assert main(["leaderboard", "render", "--leaderboard", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "give another --out" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["entries", "bare.json"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)
FIELDS = ["scores", "metrics", "human_reference", "outcomes", "versions", "cost", "n_samples", "model", "status"]


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(FIELDS),
        JSON | st.fixed_dictionaries({"speedup": st.fixed_dictionaries({"best@1": JSON, "first@1": JSON})}),
    )
)
def test_any_fields_are_read(raw: dict[str, Any]) -> None:
    shown = adapt("x", raw)
    assert shown.name
    for of in (*shown.scores.values(), *shown.human.values()):
        for bounded in of.values():
            assert all(value is None or abs(value) < float("inf") for value in bounded)


def test_guarded_numbers_stand_below_the_raw_ones(tmp_path: Path) -> None:
    guards = {"checked": 2, "findings": [{}], "n_guard_inputs": 20, "speedups_removed": 1}
    guards |= {"metrics": {"speedup": {"best@1": 1.2}}, "metrics_without_startup": {}}
    board = tmp_path / "board"
    (board / "entries").mkdir(parents=True)
    (board / "reviewers.json").write_text('{"reviewers": []}')
    (board / "entries" / "a.json").write_text(json.dumps(made_entries()["middle"] | {"guards": guards}))
    write_site(board, tmp_path / "site")
    for page in ("index.html", "entries/a.html"):
        text = (tmp_path / "site" / page).read_text()
        assert "<b>2.00×</b><small>1.75–2.25 · guarded 1.20×</small>" in text
        assert text.count("guarded 1.20×") <= 2, "at best@1 only (and in the index's data)"
