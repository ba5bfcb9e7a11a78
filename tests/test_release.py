"""tools/release.py: version, changelog and citation change together and must agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.release import ReleaseError, main, number, problems, released_changelog, section

CHANGELOG = "# Changelog\n\n## Unreleased\n\n- New.\n\n## 0.1.0\n\n- Old.\n"
PACKAGE = '"""A package."""\n\n__version__ = "0.1.0"\n'
CITATION = "cff-version: 1.2.0\nversion: 0.1.0\ntitle: a\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "pie_bench").mkdir()
    (tmp_path / "pie_bench" / "__init__.py").write_text(PACKAGE)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "CITATION.cff").write_text(CITATION)
    return tmp_path


def test_this_clone_agrees_with_itself() -> None:
    assert main(["check"]) == 0


def test_a_release_from_end_to_end(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for version, date in (("0.2.0", "2026-12-01"), ("0.10.0", "2026-12-02")):
        assert main(["prepare", version, "--date", date], clone) == 0
        assert main(["check", "--tag", f"v{version}"], clone) == 0
        changelog = clone / "CHANGELOG.md"
        changelog.write_text(changelog.read_text().replace("## Unreleased\n", "## Unreleased\n\n- Newer.\n"))
    capsys.readouterr()
    assert main(["notes"], clone) == 0
    assert capsys.readouterr().out == "- Newer.\n"
    assert "version: 0.10.0\ndate-released: 2026-12-02\ntitle: a\n" in (clone / "CITATION.cff").read_text()
    headings = [line for line in changelog.read_text().splitlines() if line.startswith("## ")]
    assert headings == ["## Unreleased", "## 0.10.0 (2026-12-02)", "## 0.2.0 (2026-12-01)", "## 0.1.0"]


@pytest.mark.parametrize(
    ("version", "changelog", "message"),
    [
        ("0.1.0", CHANGELOG, "version 0.1.0 is not above 0.1.0"),
        ("0.0.9", CHANGELOG, "version 0.0.9 is not above 0.1.0"),
        ("0.2", CHANGELOG, "version '0.2': expected three numbers"),
        ("0.2.0", CHANGELOG.replace("- New.\n\n", ""), "the section 0.2.0 is empty"),
        ("0.2.0", CHANGELOG.replace("## Unreleased\n", ""), "no line '## Unreleased'"),
    ],
)
def test_what_prevents_a_release(
    version: str, changelog: str, message: str, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clone / "CHANGELOG.md").write_text(changelog)
    assert main(["prepare", version], clone) == 1
    assert message in capsys.readouterr().err
    assert (clone / "pie_bench" / "__init__.py").read_text() == PACKAGE, "nothing is half done"


def test_disagreements_are_named() -> None:
    assert problems(PACKAGE, CHANGELOG, CITATION) == []
    assert problems(PACKAGE, CHANGELOG, CITATION, "v0.1.1") == [
        "tag v0.1.1: expected v0.1.0",
        "CHANGELOG.md: 0.1.0 has no date",
    ]
    newer = PACKAGE.replace("0.1.0", "0.2.0")
    assert problems(newer, CHANGELOG, CITATION) == [
        "CITATION.cff: version is 0.1.0, the package's is 0.2.0",
        "CHANGELOG.md: its latest version is 0.1.0, the package's is 0.2.0",
    ]
    dated = CHANGELOG.replace("## 0.1.0", "## 0.1.0 (2026-01-01)")
    assert problems(PACKAGE, dated, CITATION + "date-released: 2026-02-02\n") == [
        "CHANGELOG.md: 0.1.0 is dated 2026-01-01, in CITATION.cff 2026-02-02"
    ]


@given(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)))
def test_the_unreleased_section_becomes_the_release_notes(parts: tuple[int, int, int]) -> None:
    version = ".".join(map(str, parts))
    assert number(version) == parts
    if parts <= (0, 1, 0):
        with pytest.raises(ReleaseError):
            released_changelog(CHANGELOG, version, "2026-01-01")
    else:
        made = released_changelog(CHANGELOG, version, "2026-01-01")
        assert section(made, version) == "- New.\n"
        assert section(made, "0.1.0") == "- Old.\n"
        assert made.replace(f"\n## {version} (2026-01-01)\n", "", 1) == CHANGELOG
