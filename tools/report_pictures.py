#!/usr/bin/env python3
"""Makes docs/report-*.png and docs/leaderboard-light.png: screenshots of a report and of the leaderboard in a browser.

usage: python tools/report_pictures.py WORK_FOLDER [DOCS_FOLDER]

The report is about synthetic answers for the bundled data (each source with small changes, some of them wrong, and some
of the human rewrites), compiled, checked and measured like any model's. Needs Debian's chromium.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pie_bench.cli.main import main as pie_bench
from pie_bench.data.load import load_dataset
from pie_bench.run.run import Run

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def make_answers(path: Path, prompts: dict[str, str]) -> None:
    """Writes four answers per pair of mini's test split, as JSONL for `replay:`; `prompts`: their prompts' hashes, by
    pair."""
    with path.open("w") as file:
        for number, pair in enumerate(load_dataset("mini", "test", with_tests=True).pairs):
            source = pair.src_code
            unsynced = source.replace("endl", "'\\n'").replace(
                "int main() {", "int main() {\n    std::ios::sync_with_stdio(false);\n    std::cin.tie(nullptr);", 1
            )
            if "iostream" not in source and "bits/stdc++" not in source:
                unsynced = source
            answers = [
                unsynced,
                pair.tgt_code if number % 3 == 1 else source.replace(";", "", 1),
                source.replace("<=", "<", 1) if "<=" in source else source.replace("0;", "1;", 1),
                pair.tgt_code if number % 4 == 0 else f"// the same\n{source}",
            ]
            for index, code in enumerate(answers):
                record = {"pair_id": pair.pair_id, "sample_index": index, "text": f"```cpp\n{code}```"}
                record |= {"finish_reason": "stop", "prompt_sha256": prompts[pair.pair_id]}
                file.write(json.dumps(record) + "\n")


def take_pictures(report: Path, site: Path, docs: Path) -> None:
    """Takes screenshots: the top of the report and one open pair, light and dark; the top of the leaderboard."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": 1280, "height": 960}, color_scheme=scheme, reduced_motion="reduce"
            )
            page.goto(report.resolve().as_uri())
            page.wait_for_selector("body[data-ready]")
            page.screenshot(path=docs / f"report-{scheme}.png")
            page.click("th button[data-sort=speedup]")
            page.locator("tr.pair", has_not_text="read doubtfully").first.click()
            page.wait_for_selector("tr.detail")
            page.evaluate("window.scrollBy(0, -14)")  # keep the column heads uncovered
            page.mouse.move(0, 0)
            page.screenshot(path=docs / f"report-pair-{scheme}.png")
            page.close()
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light", reduced_motion="reduce")
        page.goto((site / "index.html").resolve().as_uri())
        page.wait_for_load_state()
        page.screenshot(path=docs / "leaderboard-light.png")
        browser.close()


def main(folder: Path, docs: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    run, site = folder / "run", folder / "site"
    options = ["--task", "pie_instruct", "--samples", "4", "--run-dir"]
    assert pie_bench(["generate", "--model", "identity", *options, str(folder / "prompts")]) == 0
    prompts = {each.pair_id: each.prompt_sha256 for each in Run(folder / "prompts").read_generations().values()}
    make_answers(folder / "answers.jsonl", prompts)
    assert pie_bench(["run", "--model", f"replay:{folder / 'answers.jsonl'}", *options, str(run)]) == 0
    assert pie_bench(["report", str(run), "--output", str(folder / "report.html")]) == 0
    assert pie_bench(["leaderboard", "render", "--out", str(site)]) == 0
    take_pictures(folder / "report.html", site, docs)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else Path(__file__).parents[1] / "docs")
