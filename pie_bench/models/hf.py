"""A checkpoint run locally by transformers, one sample at a time: slow, exact, and without any setup."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

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
from pie_bench.models.model import Completion, Model, Request
from pie_bench.prompting.prompt import Prompt

_VERSION = 1  # of how this adapter produces answers; part of the identity under which answers are shared


class HfEntry(CheckpointEntry):
    """Run locally by transformers, one sample at a time. `device` is torch's name; auto: a GPU if there is one."""

    adapter: Literal["hf"]
    device: str = "auto"

    def open(self, name: str, pairs: Mapping[str, Pair], cache_dir: Path, budget: Budget) -> HfModel:
        return HfModel(name, self)


class HfModel(Model):
    """`context` is in tokens, prompt and answer together (None if the checkpoint does not say).

    Raises UserError when transformers or the checkpoint is unavailable, PieBenchError when loading fails.
    """

    def __init__(self, name: str, entry: HfEntry):
        try:
            import torch
            import transformers
        except ImportError as error:
            raise UserError(f"model {name}: cannot import transformers ({error}); pip install -e '.[hf]'") from None
        checkpoint = find_checkpoint(entry)
        device = ("cuda" if torch.cuda.is_available() else "cpu") if entry.device == "auto" else entry.device
        where = {"revision": checkpoint.revision, "trust_remote_code": entry.trust_remote_code}
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(checkpoint.where, **where)
            self._model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                checkpoint.where, torch_dtype=entry.dtype, **where
            )
            self._model.to(device).eval()
        except Exception as error:
            said = " ".join(str(error).split())
            raise PieBenchError(
                f"model {name}: transformers cannot load it on {device} ({type(error).__name__}: {said[:300]}); "
                "--model-args dtype=… device=… change what it needs (--debug shows the full error)"
            ) from error
        self._torch = torch
        self.name = name
        self.context: int | None = getattr(self._model.config, "max_position_embeddings", None)
        self._prompting = prompting_of(entry.prompting, self._tokenizer)
        dtype = str(self._model.dtype).removeprefix("torch.")
        runtime = f"{transformers.__version__} torch {torch.__version__}"
        self.resolved = f"{checkpoint.said} transformers {runtime} {dtype} prompting {self._prompting}"
        self.identity: Mapping[str, Any] | None = identity_of(
            _VERSION, checkpoint, entry, runtime=runtime, device=device, dtype=dtype, prompting=self._prompting
        )
        self.notes: Mapping[str, str] = {}

    def count_tokens(self, prompt: Prompt) -> int:
        """How many tokens the model reads for a prompt, including its chat template."""
        return len(token_ids(self._tokenizer, prompt, self._prompting))

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields one sample at a time, in the order of the requests.

        Raises UserError, before anything is generated, when a prompt leaves no room for its answer.
        """
        requests = list(requests)
        tokens = tokenized(requests, self._tokenizer, self._prompting, self.name, self.context)
        return (
            self._sample(request, ids, index)
            for request, ids in zip(requests, tokens, strict=True)
            for index in request.sample_indices
        )

    def _sample(self, request: Request, ids: list[int], index: int) -> Completion:
        torch, sampling = self._torch, request.sampling
        started = time.perf_counter()
        drawn = sampling.temperature > 0
        how: dict[str, Any] = {"do_sample": drawn}
        if drawn:  # only temperature and top_p, whatever the checkpoint's generation_config.json says
            how |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        if sampling.stop:
            how |= {"stop_strings": list(sampling.stop), "tokenizer": self._tokenizer}
        prompt = torch.tensor([ids], device=self._model.device)
        torch.manual_seed(request.seed + index)
        with torch.inference_mode():
            output = self._model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=sampling.max_tokens,
                pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id or 0,
                repetition_penalty=1.0,
                **how,
            )
        answer = output[0, len(ids) :].tolist()
        ends = self._model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        ended = bool(answer) and answer[-1] in ends
        text, cut = cut_at_stop(self._tokenizer.decode(answer, skip_special_tokens=True), sampling.stop)
        return Completion(
            pair_id=request.pair_id,
            sample_index=index,
            text=text,
            finish_reason="stop" if cut or ended else "length",
            prompt_tokens=len(ids),
            completion_tokens=len(answer),
            latency_seconds=time.perf_counter() - started,
        )

    def close(self) -> None:
        self._model = None
