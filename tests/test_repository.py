"""The repository's own files: workflows, templates, citation, pre-commit, Dockerfile."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# GitHub publishes a schema for each; check-jsonschema carries copies of them.
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "vendor.dependabot": [ROOT / ".github" / "dependabot.yml"],
    "vendor.github-issue-forms": sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml")),
    "vendor.citation-file-format": [ROOT / "CITATION.cff"],
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_are_what_their_schema_says(schema: str) -> None:
    files = [str(path) for path in SCHEMAS[schema]]
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    if schema == "vendor.citation-file-format":
        command += ["--default-filetype", "yaml"]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def steps() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{path.name}: {name}", step)
        for path in WORKFLOWS
        for name, job in yaml.safe_load(path.read_text())["jobs"].items()
        for step in job["steps"]
    ]


def test_workflows_ask_for_no_rights_and_end() -> None:
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}, path
        for name, job in workflow["jobs"].items():
            assert job["timeout-minutes"] <= 300, f"{path.name}: {name}"
    for where, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, where


def test_nothing_foreign_is_pasted_into_a_shell() -> None:
    """`${{ … }}` in a script is replaced before the shell reads it, so only the matrix may stand there."""
    for where, step in steps():
        for inside in re.findall(r"\$\{\{(.*?)\}\}", step.get("run", "")):
            assert inside.strip().startswith("matrix."), f"{where}: {inside}"


def test_every_python_is_tested() -> None:
    supported = re.findall(
        r"Programming Language :: Python :: (3\.\d+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE
    )
    jobs = {path.stem: yaml.safe_load(path.read_text())["jobs"] for path in WORKFLOWS}
    tested = [each["python"] for each in jobs["ci"]["tests"]["strategy"]["matrix"]["include"]]
    assert tested == supported == jobs["nightly"]["slow"]["strategy"]["matrix"]["python"]


def test_no_failure_hides_the_next() -> None:
    """CI runs every test, however many fail."""
    runs = [step.get("run", "") for _, step in steps()] + [(ROOT / "Makefile").read_text()]
    assert not [text for text in runs if re.search(r"pytest\b.*\s-\w*x\b|--exitfirst|--maxfail", text)]


def test_pre_commit_runs_what_make_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    entries = " ".join(hook["entry"] for hook in hooks)
    lint = re.findall(r"^\$\(PYTHON_BIN\)/(\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert lint
    assert [tool for tool in lint if f".venv/bin/{tool}" not in entries] == []


def test_the_image_holds_what_the_wheel_is_made_of() -> None:
    """.dockerignore lets in exactly what the Dockerfile copies, and that all exists."""
    copied = [
        name
        for line in re.findall(r"^COPY (?!--)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        for name in line.split()[:-1]
    ]
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(copied) == sorted(let_in)
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_the_image_has_the_libraries_that_set_up_installs() -> None:
    """Of slim images, where no compiler has brought llama.cpp's OpenMP along."""
    libraries = re.findall(r"has_library \S+ \|\| packages\+=\((\w+)\)", (ROOT / "tools" / "setup.sh").read_text())
    assert set(libraries) == {"libgomp1", "libseccomp2"}
    (installed,) = re.findall(r"--no-install-recommends (.+) \\", (ROOT / "Dockerfile").read_text())
    assert set(libraries) <= set(installed.split())


def test_make_lint_installs_nothing(tmp_path: Path) -> None:
    """Without linters it says how to get them, and leaves the folder unchanged."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(["make", "lint"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "lint: no ruff in .venv/bin; set up with: tools/setup.sh lint" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


def test_notebooks_have_no_outputs() -> None:
    for path in (ROOT / "examples").glob("*.ipynb"):
        assert not any(cell.get("outputs") for cell in json.loads(path.read_text())["cells"]), path
