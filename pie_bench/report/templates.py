"""The pages' templates, all read in the same way."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from pie_bench.plain import plain_within

if TYPE_CHECKING:
    import jinja2


@functools.cache
def templates_in(folder: Path) -> jinja2.Environment:
    """A folder's templates: what is put in is escaped, and foreign text in it made plain; a name without a value is an
    error."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        finalize=plain_within,
    )
