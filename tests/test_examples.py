"""The notebooks in examples/ run from top to bottom, as a user's Jupyter runs them; its scripts do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))


def test_each_notebook_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    assert NOTEBOOKS
    assert [name for name in NOTEBOOKS if f"]({name}.ipynb)" not in listed] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(name: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    path = os.pathsep.join(filter(None, (str(EXAMPLES.parent), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)  # the kernel starts in a folder of its own
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    said = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()) if "text" in output
    )
    assert "ok" in said or "speedup" in said


@pytest.mark.slow
def test_a_tiny_model_is_trained_with_grpo(cache: Path, tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="needs TRL (pip install trl)")
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TORCHDYNAMO_DISABLE": "1"}
    model = tmp_path / "model"
    maker = ROOT / "tests" / "models" / "tiny_checkpoint.py"
    subprocess.run([sys.executable, maker, model, "chat"], check=True, env=environment)
    command = [sys.executable, ROOT / "examples" / "grpo.py", model, "--cpu", "--steps", "2", "--answers", "2"]
    command += ["--tokens", "16", "--out", tmp_path / "out"]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    # A model with random weights writes no program.
    assert re.findall(r"^step (\d): reward (-?[\d.]+)", done.stdout, re.MULTILINE) == [("1", "-0.500"), ("2", "-0.500")]
    assert (tmp_path / "out" / "model.safetensors").is_file()
