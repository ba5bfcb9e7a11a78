"""Training for real, with a tiny model: it learns, resumes bit for bit, and what it exports is what was trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pie_bench.adapt import train as module
from pie_bench.adapt.base import Base, open_base
from pie_bench.adapt.lessons import load_material, load_task_of
from pie_bench.adapt.recipe import AdaptRecipe
from pie_bench.errors import UserError
from pie_bench.hashing import file_sha256
from pie_bench.models.budget import Budget
from pie_bench.models.hf import HfEntry
from pie_bench.models.model import Request
from pie_bench.prompting.build import PromptBuilder
from pie_bench.run.files import read_jsonl, write_json

pytestmark = pytest.mark.adapt
LORA: dict[str, Any] = {"method": "lora", "lora": {"r": 4, "alpha": 8}}


@pytest.fixture(scope="module")
def base(tiny: Path) -> Base:
    return open_base("tiny", HfEntry(adapter="hf", id=str(tiny)), tiny)


def trained(recipe: AdaptRecipe, base: Base, pairs: Path, out: Path, **how: Any) -> module.Trained:
    material = load_material(recipe, str(pairs))
    return module.train(recipe, load_task_of(recipe), base, material, out, out.parent, visible=False, **how)


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def quiet(log: Path) -> list[dict[str, Any]]:
    """A log without its speeds."""
    return [{key: value for key, value in line.items() if key != "tokens_per_second"} for line in read_jsonl(log)]


def test_it_learns_eight_pairs_by_heart_and_the_export_answers_with_them(
    base: Base, pairs: Path, tmp_path: Path
) -> None:
    (pairs / "val.jsonl").unlink()  # no validation: the last step is exported
    chosen = make(
        max_steps=150, batch_size=8, micro_batch_size=8, learning_rate=5e-3, schedule="constant", save_steps=1000
    )
    done = trained(chosen, base, pairs, tmp_path / "out")
    losses = [line["loss"] for line in read_jsonl(tmp_path / "out" / "log.jsonl")]
    assert len(losses) == 150
    assert losses[-1] < 0.1 < 4 < losses[0]
    assert not (done.model / "training_args.bin").exists()
    model = HfEntry(adapter="hf", id=str(done.model)).open("hf", {}, tmp_path, Budget())
    task = load_task_of(chosen)
    pair = load_material(chosen, str(pairs)).train[3]
    sampling = task.sampling.model_copy(update={"temperature": 0.0, "max_tokens": 100, "n": 1})
    prompt = PromptBuilder(task, [], tmp_path).build(pair)
    request = Request(pair.pair_id, prompt, sampling, seed=0, sample_indices=(0,))
    (answer,) = model.generate([request])
    assert answer.text == pair.tgt_code
    assert answer.finish_reason == "stop"  # the end of sequence was learnt too


def make(**training: Any) -> AdaptRecipe:
    from tests.adapt.conftest import recipe

    return recipe(training=training)


def test_a_stopped_training_resumes_bit_for_bit(
    base: Base, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = make()
    whole = trained(chosen, base, pairs, tmp_path / "whole")
    append = module.append_jsonl

    def stopping(path: Path, record: dict[str, Any]) -> None:
        append(path, record)
        if record["step"] == 3:  # after the checkpoint of step 2, with a line that will be repeated
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "append_jsonl", stopping)
        trained(chosen, base, pairs, tmp_path / "stopped")
    half = tmp_path / "stopped" / "checkpoints" / "checkpoint-4"  # a kill while it was written
    half.mkdir()
    (half / "trainer_state.json").write_text("{")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):  # once more, when all steps are done
        patched.setattr(module, "write_model", stopped)
        trained(chosen, base, pairs, tmp_path / "stopped")
    again = trained(chosen, base, pairs, tmp_path / "stopped")
    names = sorted(path.name for path in whole.model.iterdir())
    assert names == sorted(path.name for path in again.model.iterdir())
    for name in names:
        assert file_sha256(whole.model / name) == file_sha256(again.model / name), name
    assert quiet(tmp_path / "whole" / "log.jsonl") == quiet(tmp_path / "stopped" / "log.jsonl")
    assert not (tmp_path / "stopped" / "checkpoints").exists()


def stopped(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_finished_training_is_not_repeated_and_its_folder_refuses_another(
    base: Base, pairs: Path, tmp_path: Path
) -> None:
    chosen = make(max_steps=1)
    first = trained(chosen, base, pairs, tmp_path / "out")
    stamp = (first.model / "model.safetensors").stat().st_mtime_ns
    assert trained(chosen, base, pairs, tmp_path / "out").record == first.record
    assert (first.model / "model.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(UserError, match="recipe.training.max_steps changed"):
        trained(make(max_steps=2), base, pairs, tmp_path / "out")
    assert first.record["eval_loss"] is not None
    assert first.record["pairs"] == {"pairs": 8, "used": 8, "left_out": {}}
    assert {"data_sha256", "task_hash", "base", "versions", "recipe"} <= set(first.record)
    assert first.record["name"] == "tiny--tiny"
    again = open_base("hf:elsewhere/model", HfEntry(adapter="hf", id=str(first.model)), tmp_path)
    assert again.label == "tiny--tiny", "what is adapted from it says so in its name"


def test_a_merged_adapter_is_the_model_with_the_adapter(base: Base, pairs: Path, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from tests.adapt.conftest import recipe

    done = trained(recipe(**LORA, training={"learning_rate": 1e-2}), base, pairs, tmp_path / "out")
    merged = AutoModelForCausalLM.from_pretrained(done.model)
    adapted: Any = PeftModel.from_pretrained(base.load(), str(tmp_path / "out" / "adapter"))
    tokens = torch.tensor([base.tokenizer.encode("int main() { return 7; }")])
    with torch.inference_mode():
        one, other, before = merged(tokens).logits, adapted(tokens).logits, base.load()(tokens).logits
    assert torch.allclose(one, other, atol=1e-5)
    assert not torch.allclose(one, before, atol=1e-2)
    settings = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == base.exact


def test_fsdp_needs_a_launch(base: Base, pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="FSDP shards a model over the processes of a launch"):
        trained(make(), base, pairs, tmp_path / "out", fsdp=True)


@pytest.mark.slow
def test_fsdp_that_is_not_in_force_is_an_error(tiny: Path, pairs: Path, tmp_path: Path) -> None:
    """On CPUs accelerate would silently run DDP."""
    write_json(tmp_path / "recipe.yaml", make().dumped() | {"lora": None})
    options = ["--model", f"hf:{tiny}", "--dataset", str(pairs), "--out", str(tmp_path / "out"), "--fsdp"]
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", "-m", "pie_bench.cli"]
    done = launched(*command, "adapt", "train", str(tmp_path / "recipe.yaml"), *options)
    assert done.returncode != 0
    assert "FSDP is not in effect" in done.stderr
    assert not (tmp_path / "out" / "model").exists()


def test_processes_that_cannot_share_a_batch_are_an_error(
    base: Base, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_world_size", lambda: 3)
    with pytest.raises(UserError, match="3 processes of 2 pairs each cannot form steps of 4"):
        trained(make(), base, pairs, tmp_path / "out")


def test_a_context_that_is_too_short_is_an_error(base: Base, pairs: Path, tmp_path: Path) -> None:
    from tests.adapt.conftest import recipe

    with pytest.raises(UserError, match="has a context of 2048"):
        trained(recipe(max_tokens=4096), base, pairs, tmp_path / "out")


@pytest.mark.slow
def test_two_processes_learn_what_one_does(base: Base, tiny: Path, pairs: Path, tmp_path: Path) -> None:
    import torch

    chosen = make(max_steps=3, save_steps=1000)
    alone = trained(chosen, base, pairs, tmp_path / "alone")
    write_json(tmp_path / "recipe.yaml", chosen.dumped() | {"lora": None})  # JSON is YAML
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "pie_bench.cli"]
    options = ["--model", f"hf:{tiny}", "--dataset", str(pairs), "--out", str(tmp_path / "both")]
    done = launched(*command, "adapt", "train", str(tmp_path / "recipe.yaml"), *options)
    assert done.returncode == 0, done.stderr[-3000:]
    both = tmp_path / "both" / "model"
    assert json.loads((both / "pie_bench.json").read_text())["processes"] == 2
    losses = [[line["loss"] for line in quiet(tmp_path / name / "log.jsonl") if "loss" in line] for name in LOGS]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    one, other = weights(alone.model), weights(both)
    assert all(torch.allclose(one[name], other[name], atol=1e-3) for name in one)


LOGS = ("alone", "both")


@pytest.mark.slow
def test_shards_of_a_model_are_exported_whole(base: Base, tiny: Path, tmp_path: Path) -> None:
    """FSDP2 by torch alone: accelerate's needs an accelerator."""
    import torch

    from tests.adapt import shards

    done = launched(
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "tests.adapt.shards", str(tiny), str(tmp_path / "sharded")),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    shards.write(tiny, tmp_path / "whole", sharded=False)
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "sharded")
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)
    assert not torch.equal(one["lm_head.weight"], weights(tiny)["lm_head.weight"])


def launched(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(module.__file__).parents[2])}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=600
    )
