"""Opens the pages' templates, all with the same settings."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from pie_bench.plain import plain_within

if TYPE_CHECKING:
    import jinja2


@functools.cache
def templates_in(folder: Path) -> jinja2.Environment:
    """A folder's templates, with autoescaping, invisible characters in untrusted text made visible, and undefined names
    as errors."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        finalize=plain_within,
    )
