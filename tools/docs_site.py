"""mkdocs hooks: files outside docs/ become pages of the site, and every link keeps its target.

In a clone, README.md and others link to files by path. On the site, links to files that are pages become links to these
pages; links to others (sources, folders) become text, since the site has no copy of them.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Where a file of the clone appears on the site; docs/ itself is the site's root.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "examples/README.md": "examples.md",
    "integrations/inspect_ai/README.md": "inspect.md",
    "integrations/verifiers/README.md": "verifiers.md",
    "leaderboard/README.md": "leaderboard.md",
    "tasks/README.md": "tasks.md",
}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_SEARCH = '<div class="md-search" data-md-component="search" role="dialog"'
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    sources = {target: source for source, target in PAGES.items()}
    uri = page.file.src_uri
    return relinked(markdown, sources.get(uri, f"docs/{uri}"), uri, os.path.exists)


def on_post_page(output: str, **_: Any) -> str:
    """Names the theme's search dialog, for screen readers."""
    return output.replace(_SEARCH, f'{_SEARCH} aria-label="Search"', 1)


def relinked(markdown: str, source: str, page: str, exists: Any) -> str:
    """The text of `source`, a file of the clone, with its links adapted to `page` of the site.

    Broken links stay as they are, for the site's own check to report. Fenced code is left alone.
    """

    def link(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        path, hash_sign, anchor = target.partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return match[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if place in PAGES:
            there = PAGES[place]
        elif place.startswith("docs/"):
            there = place.removeprefix("docs/")
        elif exists(ROOT / place):
            return text
        else:
            return match[0]
        relative = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"{image}[{text}]({relative}{hash_sign}{anchor})"

    parts = _FENCE.split(markdown)  # text and fenced code alternate
    return "".join(_LINK.sub(link, part) if number % 2 == 0 else part for number, part in enumerate(parts))
