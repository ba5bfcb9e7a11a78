"""Fine-tuning with trl's SFTTrainer in one process, several (DDP), or sharded over them (FSDP); resumes exactly.

A folder holds `training.json` (what decides the training), `log.jsonl` (a line per step), `checkpoints/` (the
Trainer's) and finally `model/`, for `hf:` and `vllm:`; for LoRA also `adapter/`.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pie_bench import __version__
from pie_bench.adapt.base import Base, require_packages
from pie_bench.adapt.export import write_adapter, write_model
from pie_bench.adapt.folder import begin, training_lock
from pie_bench.adapt.lessons import Encoded, Funnel, Material, as_columns, encode, lessons, sum_of
from pie_bench.adapt.recipe import AdaptRecipe
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of
from pie_bench.models.checkpoint import RECORD
from pie_bench.progress import Meter, shown
from pie_bench.run.files import append_jsonl, read_jsonl, write_jsonl
from pie_bench.task import Task

_WHOLE = ".whole"  # marks a completely written checkpoint
_PACKAGES = ("accelerate", "peft", "torch", "transformers", "trl")
_NOT_FOR_USERS = (
    (FutureWarning, ".*is_gradient_checkpointing"),  # between trl and transformers
    (UserWarning, "Could not find a config file in"),  # peft, where the base is a GGUF file: its vocabulary stays
)
_LOGGED = ("loss", "eval_loss", "learning_rate", "grad_norm", "mean_token_accuracy", "epoch")


@dataclass(frozen=True)
class Trained:
    """The result of a training: the exported model's folder and record."""

    model: Path
    record: Mapping[str, Any]


@dataclass(frozen=True)
class _Prepared:
    train: list[Encoded]
    validation: list[Encoded]
    funnel: Funnel


def train(
    recipe: AdaptRecipe,
    task: Task,
    base: Base,
    material: Material,
    out: Path,
    cache_dir: Path,
    *,
    fsdp: bool = False,
    report_to: Sequence[str] = (),
    visible: bool = True,
) -> Trained:
    """Trains, or resumes the same training, and exports the model. Every process of a launch calls it.

    Raises UserError for a folder of another training, a batch that the processes cannot share evenly, pairs that leave
    nothing to learn from, and a request for FSDP that is not in effect.
    """
    require_packages()
    made = _prepared(recipe, task, base, material, cache_dir)
    identity = _identity(recipe, task, base, material, made, fsdp=fsdp)
    first = first_process()
    with ExitStack() as stack:
        if first:
            stack.enter_context(training_lock(out))
            begin(out, identity)
            if visible:
                for line in made.funnel.lines():
                    print(line, flush=True)
        finished = _finished(out, identity)
        if finished is not None:
            return finished
        stack.enter_context(warnings.catch_warnings())
        for category, message in _NOT_FOR_USERS:
            warnings.filterwarnings("ignore", message, category)
        return _trained(recipe, base, made, out, identity, fsdp=fsdp, report_to=report_to, visible=visible and first)


def _prepared(recipe: AdaptRecipe, task: Task, base: Base, material: Material, cache_dir: Path) -> _Prepared:
    if base.context is not None and recipe.max_tokens > base.context:
        raise UserError(
            f"recipe {recipe.recipe}: max_tokens is {recipe.max_tokens}, but {base.name} has a context of "
            f"{base.context}; lower it in a recipe of your own (include: {recipe.recipe}.yaml)"
        )
    funnel = Funnel()
    found = lessons(recipe, task, material.train, funnel, cache_dir)
    encoded = encode(recipe, found, base.tokenizer, base.prompting, funnel)
    unseen = Funnel()
    held_out = lessons(recipe, task, material.validation_of(task), unseen, cache_dir)
    validation = encode(recipe, held_out, base.tokenizer, base.prompting, unseen) if held_out else []
    return _Prepared(encoded, validation, funnel)


def _identity(
    recipe: AdaptRecipe, task: Task, base: Base, material: Material, made: _Prepared, *, fsdp: bool
) -> dict[str, Any]:
    """All that decides the resulting weights."""
    return {
        "recipe": recipe.identity(),
        "task": task.task,
        "task_hash": task.task_hash,
        "base": base.exact,
        "prompting": base.prompting,
        "dataset": material.dataset,
        "data_sha256": sum_of(made.train),
        "validation_sha256": sum_of(made.validation) if made.validation else None,
        "processes": _world_size(),
        "fsdp": fsdp,
        "versions": {"pie_bench": __version__, **{name: version(name) for name in _PACKAGES}},
    }


def _finished(out: Path, identity: Mapping[str, Any]) -> Trained | None:
    try:
        record = json.loads((out / "model" / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return Trained(out / "model", record) if record.get("training_sha256") == hash_of(identity) else None


def first_process() -> bool:
    """Whether this process writes and prints: the first of a launch by torchrun, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def _world_size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _trained(
    recipe: AdaptRecipe,
    base: Base,
    made: _Prepared,
    out: Path,
    identity: Mapping[str, Any],
    *,
    fsdp: bool,
    report_to: Sequence[str],
    visible: bool,
) -> Trained:
    import datasets
    import transformers
    from trl import SFTTrainer

    transformers.set_seed(recipe.training.seed)  # a LoRA adapter is initialised before the Trainer seeds
    model = base.load()
    arguments = _arguments(recipe, model, out, validation=bool(made.validation), fsdp=fsdp, report_to=report_to)
    meter = Meter(f"{recipe.recipe} ", None, unit="step", timed=True)
    log = out / "log.jsonl"
    checkpoint = _resumable(out / "checkpoints", log)
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict(dict(as_columns(made.train))),
        eval_dataset=datasets.Dataset.from_dict(dict(as_columns(made.validation))) if made.validation else None,
        processing_class=base.tokenizer,
        peft_config=_peft_config(recipe),
        callbacks=[_watching(log, meter)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    if fsdp and not trainer.is_fsdp_enabled:
        raise UserError(
            "--fsdp: FSDP is not in effect (accelerate shards only on accelerators, so this would silently be DDP); "
            "launch it with torchrun on GPUs, or omit --fsdp"
        )
    with shown(meter) if visible else ExitStack():
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    record = {
        **identity,
        "training_sha256": hash_of(identity),
        "name": f"{base.label}--{recipe.recipe}",
        "pairs": made.funnel.to_json(),
        "steps": trainer.state.global_step,
        "exported_step": _best_step(trainer.state) or trainer.state.global_step,
        "tokens_seen": trainer.state.num_input_tokens_seen,
        "loss": next((line["loss"] for line in reversed(trainer.state.log_history) if "loss" in line), None),
        "eval_loss": trainer.state.best_metric,
    }
    if trainer.accelerator.is_main_process:
        unwrapped = trainer.accelerator.unwrap_model(trainer.model)
        if recipe.method == "lora":
            write_adapter(out / "adapter", unwrapped, state, base)
            unwrapped = _merged(base, out / "adapter")
            state = unwrapped.state_dict()
        write_model(out / "model", unwrapped, state, base, record)
        shutil.rmtree(out / "checkpoints", ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return Trained(out / "model", record)


def _arguments(
    recipe: AdaptRecipe, model: Any, out: Path, *, validation: bool, fsdp: bool, report_to: Sequence[str]
) -> Any:
    import torch
    from trl import SFTConfig

    how, processes = recipe.training, _world_size()
    if fsdp and "RANK" not in os.environ:
        raise UserError(
            "--fsdp: FSDP shards a model over the processes of a launch: torchrun --nproc-per-node N -m pie_bench.cli "
            "adapt train …"
        )
    if how.batch_size % (how.micro_batch_size * processes):
        raise UserError(
            f"recipe {recipe.recipe}: {processes} processes of {how.micro_batch_size} pairs each cannot form steps of "
            f"{how.batch_size}; change training.micro_batch_size or the number of processes"
        )
    gpu = torch.cuda.is_available()
    if how.dtype == "bfloat16" and gpu and not torch.cuda.is_bf16_supported():
        raise UserError(f"recipe {recipe.recipe}: this GPU has no bfloat16; set training.dtype: float32")
    bf16 = how.dtype == "bfloat16" or (how.dtype == "auto" and gpu and torch.cuda.is_bf16_supported())
    more: dict[str, Any] = {}
    if fsdp:
        more["fsdp"] = True
        more["fsdp_config"] = {
            "version": 2,
            "transformer_layer_cls_to_wrap": list(model._no_split_modules or ()),
            "state_dict_type": "FULL_STATE_DICT",
            "activation_checkpointing": how.gradient_checkpointing,
        }
    with warnings.catch_warnings():  # not every version has gradient_checkpointing's successor
        warnings.simplefilter("ignore", FutureWarning)
        return SFTConfig(
            output_dir=str(out / "checkpoints"),
            per_device_train_batch_size=how.micro_batch_size,
            per_device_eval_batch_size=how.micro_batch_size,
            gradient_accumulation_steps=how.batch_size // (how.micro_batch_size * processes),
            num_train_epochs=how.epochs or 1,
            max_steps=how.max_steps or -1,
            learning_rate=how.learning_rate,
            lr_scheduler_type=how.schedule,
            warmup_steps=how.warmup_steps,
            weight_decay=how.weight_decay,
            max_grad_norm=how.max_grad_norm,
            optim=how.optimizer,
            gradient_checkpointing=how.gradient_checkpointing and not fsdp,
            torch_compile=how.compile,
            bf16=bf16,
            use_cpu=not gpu,
            seed=how.seed,
            data_seed=how.seed,
            max_length=None,  # what does not fit is already left out and counted
            logging_steps=1,
            logging_nan_inf_filter=False,
            include_num_input_tokens_seen="non_padding",
            save_strategy="steps",
            save_steps=how.save_steps,
            save_total_limit=2,
            eval_strategy="steps" if validation else "no",
            eval_steps=how.save_steps,
            load_best_model_at_end=validation,
            metric_for_best_model="eval_loss" if validation else None,
            report_to=list(report_to) or "none",
            disable_tqdm=True,
            dataloader_pin_memory=gpu,
            **more,
        )


def _peft_config(recipe: AdaptRecipe) -> Any:
    if recipe.lora is None:
        return None
    from peft import LoraConfig

    modules = recipe.lora.target_modules
    return LoraConfig(
        r=recipe.lora.r,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        task_type="CAUSAL_LM",
    )


def _merged(base: Base, adapter: Path) -> Any:
    """Merges the base and the saved adapter into one model, so that the export matches the files."""
    from peft import PeftModel

    loaded: Any = PeftModel.from_pretrained(base.load(), str(adapter))
    return loaded.merge_and_unload()


def _best_step(state: Any) -> int | None:
    best = state.best_model_checkpoint
    return int(Path(best).name.rpartition("-")[2]) if best else None


def _resumable(checkpoints: Path, log: Path) -> Path | None:
    """The last completely written checkpoint. Removes incomplete ones, and the log's lines of steps that will be
    repeated."""
    found: dict[int, Path] = {}
    for path in checkpoints.glob("checkpoint-*"):
        if (path / _WHOLE).is_file() and len([*path.glob("rng_state*")]) >= _world_size():
            found[int(path.name.rpartition("-")[2])] = path
        elif first_process():
            shutil.rmtree(path)
    last = max(found, default=0)
    if first_process():
        write_jsonl(log, [line for line in read_jsonl(log) if line["step"] <= last])
    return found.get(last)


def _watching(log: Path, meter: Meter) -> Any:
    """A callback that reports progress to the meter and the log, and marks complete checkpoints."""
    from transformers import TrainerCallback

    class Watching(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.at, self.tokens = time.monotonic(), 0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            meter.total, meter.done = state.max_steps, state.global_step
            meter.before = state.global_step
            self.at, self.tokens = time.monotonic(), state.num_input_tokens_seen

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            meter.advance()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            values = {name: logs[name] for name in _LOGGED if name in logs}
            if not state.is_world_process_zero or not {"loss", "eval_loss"} & set(values):
                return
            record: dict[str, Any] = {"step": state.global_step, **values}
            if "loss" in values:
                now, tokens = time.monotonic(), state.num_input_tokens_seen
                record["tokens_seen"] = tokens
                record["tokens_per_second"] = round((tokens - self.tokens) / max(now - self.at, 1e-9), 1)
                self.at, self.tokens = now, tokens
                meter.remark = f"loss {values['loss']:.3f}, {record['tokens_per_second']:.0f} tokens/s"
            append_jsonl(log, record)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _WHOLE).touch()

    return Watching()
