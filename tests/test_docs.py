"""What the documentation shows really runs, and its site is complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.report.browser import chromium, faults
from tools.docs_site import PAGES, ROOT, relinked
from tools.task_cards import PAGE, page

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", ["api.md"])
def test_the_examples_of_a_page_run(page: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_the_recipes_for_clusters_are_sound(tmp_path: Path) -> None:
    """As far as can be tested without a cluster: they parse, and ask for every shard once."""
    import yaml

    text = (DOCS / "scale.md").read_text()
    scripts = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for script in scripts:
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    (tmp_path / "pie-bench").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "pie-bench").chmod(0o755)

    def shard(script: str, **variables: str) -> str:
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **variables}
        done = subprocess.run(["sh"], input=script, text=True, env=environment, capture_output=True, check=True)
        (found,) = re.findall(r"--shard (\S+)", done.stdout)
        return found

    (slurm,) = (script for script in scripts if "#SBATCH" in script)
    (job,) = (yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    wanted = [f"{index}/16" for index in range(1, 17)]
    assert "--array=1-16" in slurm
    assert job["spec"]["completions"] == 16
    assert [shard(slurm, SLURM_ARRAY_TASK_ID=str(i), SLURM_ARRAY_TASK_MAX="16") for i in range(1, 17)] == wanted
    assert [shard(container["args"][0], JOB_COMPLETION_INDEX=str(i)) for i in range(16)] == wanted


def commands(text: str) -> Iterator[str]:
    """What stands behind `$ ` in blocks marked `console`; lines without a `$` belong to the command before."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from re.findall(r"^\$ (.*\n(?:(?!\$ ).*\n)*)", block, re.MULTILINE)


def test_commands_are_found() -> None:
    text = "```console\n$ one\n$ cat <<'E'\na\nE\n$ two\n```\n```\n$ not this\n```\n"
    assert list(commands(text)) == ["one\n", "cat <<'E'\na\nE\n", "two\n"]


@pytest.mark.slow
def test_the_tutorial_leads_to_a_board_entry(cache: Path, weights_path: Path, tmp_path: Path) -> None:
    """Each command in turn, in an empty folder, as a reader would type it."""
    (tmp_path / "bin").mkdir()
    launcher = tmp_path / "bin" / "pie-bench"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m pie_bench.cli "$@"\n')
    launcher.chmod(0o755)
    with suppress(FileExistsError):  # another worker's test may have been first
        (cache / "models").symlink_to(weights_path.parent)
    path = os.pathsep.join([str(launcher.parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    folder = tmp_path / "work"
    folder.mkdir()
    said = {}
    for command in commands((DOCS / "tutorial.md").read_text()):
        done = subprocess.run(
            ["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}{done.stdout}{done.stderr}"
        said[command] = done.stdout
    (judged,) = (out for command, out in said.items() if command.startswith("pie-bench judge"))
    assert "ok" in judged
    assert "1 pair" in (folder / "runs" / "first" / "report.html").read_text()
    (entry,) = (folder / "board" / "entries").glob("*.json")
    assert entry.stem in "".join(path.name for path in (folder / "site" / "entries").iterdir())


def test_task_cards_are_what_the_tasks_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tools/task_cards.py"


def test_links_keep_their_targets() -> None:
    text = (
        "[a](docs/models.md#x) ![b](docs/p.png) [c](setup.cfg) [d](https://e.org) [e](#f) [g](no/such.md)\n"
        "```\n[h](docs/models.md)\n```\n[`i`](tasks/README.md)\n"
    )
    assert relinked(text, "README.md", "index.md", os.path.exists) == (
        "[a](models.md#x) ![b](p.png) c [d](https://e.org) [e](#f) [g](no/such.md)\n"
        "```\n[h](docs/models.md)\n```\n[`i`](tasks.md)\n"
    )
    assert relinked("[a](../README.md#b)", "docs/x.md", "x.md", os.path.exists) == "[a](index.md#b)"


def test_links_between_the_files_of_a_clone_lead_somewhere() -> None:
    missing = []
    for path in [*DOCS.glob("*.md"), *map(ROOT.joinpath, PAGES)]:
        text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s#]+)", text):
            if "://" not in target and not (path.parent / target).exists():
                missing.append(f"{path.relative_to(ROOT)}: {target}")
    assert missing == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a broken link or anchor, or a page that nothing leads to, is an error."""
    pytest.importorskip("mkdocs", reason="mkdocs is not installed (pip install -e '.[docs]')")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed (pip install -e '.[docs]')")
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def served(site: Path) -> Iterator[str]:
    """The address of the site, served on this machine."""
    handler = partial(Silent, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_the_site_makes_no_external_requests(site: Path, served: str) -> None:
    """In a real browser, the search opened too: every request goes to the server that the pages came from."""
    asked: list[str] = []
    failed: list[str] = []
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": 390, "height": 844})
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: failed.append(str(error)))
        for name in ("index", "tutorial", "reference", "task-cards"):
            tab.goto(f"{served}/{name}.html")
            assert tab.evaluate("document.documentElement.scrollWidth") <= 390, "tables and code scroll by themselves"
        tab.keyboard.press("/")
        tab.keyboard.type("speedup")
        tab.wait_for_selector(".md-search-result__item")
    assert [url for url in asked if not url.startswith(f"{served}/")] == []
    assert failed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_the_site(served: str, scheme: str) -> None:
    with chromium() as browser:
        tab = browser.new_page(color_scheme=scheme)
        for name in ("index", "tutorial", "api", "reference", "task-cards"):
            tab.goto(f"{served}/{name}.html")
            # The theme's menu fades between widths, and axe would see colours on the way.
            tab.add_style_tag(content="* { transition: none !important; animation: none !important }")
            assert faults(tab) == [], name


def test_the_reference_has_all_that_the_package_offers() -> None:
    import pie_bench

    documented = re.findall(r"^::: [\w.]+\.(\w+)$", (DOCS / "reference.md").read_text(), re.MULTILINE)
    assert set(pie_bench.__all__) - set(documented) == {"DEFAULT_ENVIRONMENT"}


def test_the_reference_is_made_from_docstrings(site: Path) -> None:
    text = (site / "reference.html").read_text(encoding="utf-8")
    for name in re.findall(r"^::: ([\w.]+)$", (DOCS / "reference.md").read_text(), re.MULTILINE):
        assert f'id="{name}"' in text


def test_every_page_is_in_the_sites_navigation(pytestconfig: pytest.Config) -> None:
    """What `make docs` refuses, where mkdocs is not installed."""
    named = set(re.findall(r": ([\w-]+\.md)$", (pytestconfig.rootpath / "mkdocs.yml").read_text(), re.MULTILINE))
    assert {path.name for path in (pytestconfig.rootpath / "docs").glob("*.md")} <= named
