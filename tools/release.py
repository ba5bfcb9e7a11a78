"""The mechanical part of a release; docs/releasing.md has the checklist around it.

python tools/release.py prepare 0.2.0     sets the version, dates the changelog's section and the citation
python tools/release.py check [--tag v0.2.0]   exits with 1 if version, changelog and citation disagree
python tools/release.py notes             prints the version's changelog, for the release page
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNRELEASED = "## Unreleased\n"
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_CITED = re.compile(r"^version: (.+)$", re.MULTILINE)
_CITED_DATE = re.compile(r"^date-released: .+\n", re.MULTILINE)
_HEADING = re.compile(r"^## (\d+\.\d+\.\d+)(?: \((\d{4}-\d{2}-\d{2})\))?$", re.MULTILINE)
_NUMBER = re.compile(r"\d+\.\d+\.\d+")


class ReleaseError(Exception):
    """Something that prevents a release."""


def number(version: str) -> tuple[int, ...]:
    """`0.10.2` as (0, 10, 2); ReleaseError for anything but three numbers."""
    if not _NUMBER.fullmatch(version):
        raise ReleaseError(f"version {version!r}: expected three numbers, such as 0.2.0")
    return tuple(map(int, version.split(".")))


def section(changelog: str, version: str) -> str:
    """The changelog's section for a version, without its heading; ReleaseError if it is missing or empty."""
    found = next((match for match in _HEADING.finditer(changelog) if match[1] == version), None)
    if found is None:
        raise ReleaseError(f"CHANGELOG.md: no section {version}")
    text = re.split(r"^## ", changelog[found.end() :], maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not text:
        raise ReleaseError(f"CHANGELOG.md: the section {version} is empty")
    return text + "\n"


def released_changelog(changelog: str, version: str, date: str) -> str:
    """The changelog with the unreleased changes under this version and date, and a new empty section for later ones.

    ReleaseError if there are no unreleased changes, or if the version is not above the last.
    """
    if UNRELEASED not in changelog:
        raise ReleaseError(f"CHANGELOG.md: no line {UNRELEASED.strip()!r}")
    last = _HEADING.search(changelog)
    if last is not None and number(version) <= number(last[1]):
        raise ReleaseError(f"version {version} is not above {last[1]}, the last in CHANGELOG.md")
    made = changelog.replace(UNRELEASED, f"{UNRELEASED}\n## {version} ({date})\n", 1)
    section(made, version)
    return made


def released_package(text: str, version: str) -> str:
    """`pie_bench/__init__.py` with the new version."""
    made, count = _VERSION.subn(f'__version__ = "{version}"', text)
    if count != 1:
        raise ReleaseError("pie_bench/__init__.py: expected one line __version__")
    return made


def released_citation(text: str, version: str, date: str) -> str:
    """`CITATION.cff` with the new version and its date."""
    made, count = _CITED.subn(f"version: {version}\ndate-released: {date}", _CITED_DATE.sub("", text))
    if count != 1:
        raise ReleaseError("CITATION.cff: expected one line version")
    return made


def problems(package: str, changelog: str, citation: str, tag: str | None = None) -> list[str]:
    """Disagreements between the version, the changelog, the citation and the tag; empty if the release is
    consistent."""
    version = _VERSION.search(package)
    if version is None:
        return ["pie_bench/__init__.py: no line __version__"]
    found = []
    cited, dated = _CITED.search(citation), re.search(r"^date-released: (.+)$", citation, re.MULTILINE)
    if cited is None or cited[1] != version[1]:
        found.append(f"CITATION.cff: version is {cited and cited[1]}, the package's is {version[1]}")
    last = _HEADING.search(changelog)
    if last is None or last[1] != version[1]:
        found.append(f"CHANGELOG.md: its latest version is {last and last[1]}, the package's is {version[1]}")
    elif dated is not None and last[2] != dated[1]:
        found.append(f"CHANGELOG.md: {last[1]} is dated {last[2]}, in CITATION.cff {dated[1]}")
    if tag is not None:
        if tag != f"v{version[1]}":
            found.append(f"tag {tag}: expected v{version[1]}")
        if last is not None and last[2] is None:
            found.append(f"CHANGELOG.md: {last[1]} has no date")
    return found


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    action = actions.add_parser("prepare")
    action.add_argument("version")
    action.add_argument("--date", default=datetime.date.today().isoformat())
    actions.add_parser("check").add_argument("--tag")
    actions.add_parser("notes")
    given = parser.parse_args(arguments)
    package, changelog, citation = root / "pie_bench" / "__init__.py", root / "CHANGELOG.md", root / "CITATION.cff"
    texts = [path.read_text(encoding="utf-8") for path in (package, changelog, citation)]
    try:
        if given.action == "prepare":
            made = (
                released_package(texts[0], given.version),
                released_changelog(texts[1], given.version, given.date),
                released_citation(texts[2], given.version, given.date),
            )
            for path, text in zip((package, changelog, citation), made, strict=True):
                path.write_text(text, encoding="utf-8")
            print(f"{given.version}: set; read the difference, then go on with docs/releasing.md")
        elif given.action == "notes":
            version = _VERSION.search(texts[0])
            sys.stdout.write(section(texts[1], version[1] if version else ""))
        else:
            found = problems(texts[0], texts[1], texts[2], given.tag)
            for line in found:
                print(line, file=sys.stderr)
            return 1 if found else 0
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
