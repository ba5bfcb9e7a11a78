"""Debian's Chromium, driven through Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tools.report_pictures import ARGUMENTS, CHROMIUM

WIDTHS = (1440, 768, 390)  # a screen, a tablet, a phone


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; skips where there is none."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed (tools/setup.sh test installs it)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def faults(page: Any) -> list[str]:
    """What is wrong with an open page at each width: what axe calls serious, and a page wider than its window."""
    from axe_playwright_python.sync_playwright import Axe

    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth")
        found += [f"{width} px: the page is {wide} px wide"] if wide > width else []
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                found += [f"{width} px: {violation['id']}: {node['html'][:200]}" for node in violation["nodes"]]
    return found
