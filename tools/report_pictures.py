#!/usr/bin/env python3
"""Makes docs/report-light.png and docs/report-dark.png: pictures of a report in a browser.

usage: python tools/report_pictures.py WORK_FOLDER [DOCS_FOLDER]

The report is of answers made up here for the bundled data (each source with small changes, some of them wrong, and
some of the human rewrites), compiled, checked and measured like any model's. Needs Debian's chromium.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pie_bench.cli.main import main as pie_bench
from pie_bench.data.load import load_dataset

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


def make_answers(path: Path) -> None:
    """Four answers a pair of mini's test split, as JSONL for `replay:`."""
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
                pair.tgt_code if number % 4 == 0 else source,
            ]
            for index, code in enumerate(answers):
                record = {"pair_id": pair.pair_id, "sample_index": index, "text": f"```cpp\n{code}```"}
                file.write(json.dumps(record | {"finish_reason": "stop"}) + "\n")


def take_pictures(report: Path, docs: Path) -> None:
    """The top of the page and one open pair, light and dark."""
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
            page.locator("tr.pair").first.click()
            page.wait_for_selector("tr.detail")
            page.mouse.move(0, 0)
            page.screenshot(path=docs / f"report-pair-{scheme}.png")
            page.close()
        browser.close()


def main(folder: Path, docs: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    make_answers(folder / "answers.jsonl")
    run = folder / "run"
    options = ["--task", "pie_instruct", "--samples", "4", "--run-dir", str(run)]
    assert pie_bench(["run", "--model", f"replay:{folder / 'answers.jsonl'}", *options]) == 0
    assert pie_bench(["report", str(run), "--output", str(folder / "report.html")]) == 0
    take_pictures(folder / "report.html", docs)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else Path(__file__).parents[1] / "docs")
