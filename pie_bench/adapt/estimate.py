"""Estimates a training's memory, tokens, steps and hours before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pie_bench.adapt.lessons import Encoded, Funnel
from pie_bench.adapt.recipe import AdaptRecipe

_GIB = 2.0**30
# Bytes per trained parameter: fp32 weight, gradient, and AdamW's two moments; per frozen one: its weight.
_TRAINED_BYTES, _FROZEN_BYTES = 16, 4
# Activation bytes per token, layer and unit of hidden size, in 16-bit (Korthikanti et al. 2022, equation 2, without
# attention matrices): 34. With checkpointing only each layer's input, 2, plus one layer recomputed at a time.
_ACTIVATION_BYTES, _CHECKPOINT_BYTES = 34, 2
_LOGIT_BYTES = 6  # per token and vocabulary entry: the logits in 16-bit plus a copy in fp32


@dataclass(frozen=True)
class Shape:
    """A decoder's sizes, from its configuration, and the resulting parameter counts."""

    parameters: int
    adapter: int
    layers: int
    hidden: int
    vocabulary: int


@dataclass(frozen=True)
class TrainingEstimate:
    """Memory in GiB per GPU; `tokens` of one epoch; `steps` and `hours` of the whole training. `hours` is None if the
    GPU's speed is unknown."""

    pairs: int
    tokens: int
    longest: int
    steps: int
    trained_tokens: int
    parameters: int
    trainable: int
    states_gib: float
    activations_gib: float
    hours: float | None
    funnel: Funnel

    @property
    def memory_gib(self) -> float:
        return self.states_gib + self.activations_gib


def shape_of(config: Any, recipe: AdaptRecipe) -> Shape:
    """The sizes of a transformers model, instantiated without memory; the caller turns errors into UserErrors."""
    import torch
    import transformers

    with torch.device("meta"):
        model: Any = transformers.AutoModelForCausalLM.from_config(config)
        parameters = sum(each.numel() for each in model.parameters())
        adapter = 0
        if recipe.lora is not None:
            wanted = recipe.lora.target_modules
            head = model.get_output_embeddings()
            for name, module in model.named_modules():
                if not isinstance(module, torch.nn.Linear) or module is head:
                    continue
                if isinstance(wanted, str) or name.rpartition(".")[2] in wanted:
                    adapter += recipe.lora.r * (module.in_features + module.out_features)
    text = config.get_text_config()
    return Shape(parameters, adapter, text.num_hidden_layers, text.hidden_size, text.vocab_size)


def estimate_training(
    recipe: AdaptRecipe,
    encoded: Sequence[Encoded],
    funnel: Funnel,
    shape: Shape,
    *,
    gpus: int = 1,
    fsdp: bool = False,
    tflops: float | None = None,
) -> TrainingEstimate:
    """Arithmetic estimate: AdamW's states as kept here (fp32, 16 bytes per trained parameter), sharded over the GPUs by
    FSDP only; activations of the longest micro-batch; 6 operations per parameter and token, 8 with recomputation, at
    `tflops` TFLOP/s actually achieved per GPU.
    """
    how = recipe.training
    lengths = sorted((one.tokens for one in encoded), reverse=True)
    tokens = sum(lengths)
    a_step = math.ceil(len(encoded) / how.batch_size)
    steps = how.max_steps or math.ceil(a_step * (how.epochs or 1))
    trained_tokens = round(tokens / len(encoded) * how.batch_size * steps)
    if recipe.lora is None:
        trainable, frozen = shape.parameters, 0
    else:
        trainable, frozen = shape.adapter, shape.parameters
    states = (trainable * _TRAINED_BYTES + frozen * _FROZEN_BYTES) / (gpus if fsdp else 1)
    batch_tokens = lengths[0] * how.micro_batch_size
    width = 1 if how.dtype != "float32" else 2
    layer = batch_tokens * shape.hidden * width
    if how.gradient_checkpointing:
        activations = layer * (_CHECKPOINT_BYTES * shape.layers + _ACTIVATION_BYTES)
    else:
        activations = layer * _ACTIVATION_BYTES * shape.layers
    activations += batch_tokens * shape.vocabulary * _LOGIT_BYTES
    operations = (8 if how.gradient_checkpointing else 6) * shape.parameters * trained_tokens
    hours = None if tflops is None else operations / (tflops * 1e12 * gpus) / 3600
    return TrainingEstimate(
        pairs=len(encoded),
        tokens=tokens,
        longest=lengths[0],
        steps=steps,
        trained_tokens=trained_tokens,
        parameters=shape.parameters,
        trainable=trainable,
        states_gib=states / _GIB,
        activations_gib=activations / _GIB,
        hours=hours,
        funnel=funnel,
    )
