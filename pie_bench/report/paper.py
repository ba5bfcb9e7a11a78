"""The paper's published numbers, each with the table it comes from (`paper.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("paper.json")


def paper_numbers() -> dict[str, Any]:
    """What the paper reports: `rows` (Tables 1–4, 9 and 10), `error_analysis` (Table 5), `noise` (Section 2)."""
    numbers: dict[str, Any] = json.loads(_FILE.read_text())
    return numbers
