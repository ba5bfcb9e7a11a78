"""The scripts in `examples/` do what they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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
