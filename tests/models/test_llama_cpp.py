"""The real model."""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pie_bench.errors import PieBenchError, UserError
from pie_bench.models.budget import Budget
from pie_bench.models.llama_cpp import LlamaCppModel
from pie_bench.models.model import Completion, Request
from pie_bench.models.registry import find_model, load_model, weights_of
from pie_bench.prompting.prompt import Message, Prompt
from pie_bench.task import Sampling

pytestmark = pytest.mark.slow

SAMPLING = Sampling(n=3, temperature=1.0, top_p=0.95, max_tokens=12, seed=0)
SHARED = "# slower version:\n\nint main() {\n  int n, s = 0;\n  cin >> n;\n"
ONE = SHARED + "  while (n) s += n--;\n  cout << s;\n}\n\n# optimized version of the same code:\n"
TWO = SHARED + "  while (n) s *= n--;\n  cout << s;\n}\n\n# optimized version of the same code:\n"
LONG = SHARED + "  // n times\n" * 55 + ONE.removeprefix(SHARED)  # above 256 tokens attention is split among threads
FLAT = {"temperature": 2.0, "top_p": 1.0}  # so many tokens are equally likely that a logit's last bits change the draw
CONTEXT = 512


def request(text: str, *indices: int, seed: int = 7, pair_id: str = "a-b", **sampling: object) -> Request:
    prompt = Prompt(text, (Message("user", text),))
    return Request(pair_id, prompt, SAMPLING.model_copy(update=sampling), seed, indices)


def answers(model: LlamaCppModel, *requests: Request) -> list[Completion]:
    return [dataclasses.replace(c, latency_seconds=0) for c in model.generate(requests)]


@pytest.fixture(scope="module")
def model(weights_path: Path) -> Iterator[LlamaCppModel]:
    model = LlamaCppModel("smollm2", weights_path, weights_of("smollm2").sha256, CONTEXT, "text", threads=1)
    yield model
    model.close()


ALONE = """
import dataclasses, json, sys
from pathlib import Path
from pie_bench.models.llama_cpp import LlamaCppModel
from pie_bench.models.model import Request
from pie_bench.prompting.prompt import Prompt
from pie_bench.task import Sampling

path, context, threads, text, sampling = json.loads(sys.argv[1])
model = LlamaCppModel("smollm2", Path(path), "", context, "text", threads)
(completion,) = model.generate([Request("a-b", Prompt(text, ()), Sampling(**sampling), 7, (2,))])
model.close()
print(json.dumps(dataclasses.asdict(completion)))
"""


def test_a_sample_is_the_same_whatever_was_asked_before_and_with_any_number_of_threads(model, weights_path):
    other, *after_others = answers(model, request(ONE, 0), request(LONG, 0, 1, 2, **FLAT))
    assert len({completion.text for completion in (other, *after_others)}) == 4
    assert after_others[2].prompt_tokens > 256

    sampling = SAMPLING.model_copy(update=FLAT).model_dump(mode="json")
    arguments = json.dumps([str(weights_path), CONTEXT, 2, LONG, sampling])
    alone = subprocess.run([sys.executable, "-c", ALONE, arguments], capture_output=True, text=True, check=True)
    assert alone.stderr == ""
    (line,) = alone.stdout.splitlines()  # llama.cpp itself says nothing
    assert Completion(**json.loads(line) | {"latency_seconds": 0}) == after_others[2]


def test_sample_i_has_seed_plus_i(model):
    (third,) = answers(model, request(ONE, 2, seed=7))
    (first,) = answers(model, request(ONE, 0, seed=9))
    assert third.text == first.text
    assert (third.sample_index, first.sample_index) == (2, 0)


def test_two_streams_at_once_are_refused_rather_than_mixed(model):
    one = model.generate([request(ONE, 0, 1)])
    next(one)
    answers(model, request(TWO, 0, max_tokens=1))
    with pytest.raises(PieBenchError, match=r"llama.cpp reused \d+ prompt tokens, expected \d+"):
        next(one)


def test_what_is_sampled_is_what_the_task_says(model):
    (greedy,) = answers(model, request(ONE, 0, temperature=0.0))
    (seeded,) = answers(model, request(ONE, 5, temperature=0.0))
    (narrow,) = answers(model, request(ONE, 0, temperature=2.0, top_p=0.001))
    assert greedy.text == seeded.text
    # temperature comes before top_p: at 2.0, the best token alone has more than a thousandth
    assert narrow.text == greedy.text
    wide = answers(model, request("int", *range(45), max_tokens=1, **FLAT))
    assert len({completion.text for completion in wide}) > 40  # llama.cpp's own top_k is 40


def test_a_stop_string_ends_the_answer_and_is_not_part_of_it(model):
    (whole,) = answers(model, request(ONE, 0))
    stop = whole.text[20:23]
    (stopped,) = answers(model, request(ONE, 0, stop=(stop, "never said")))
    assert stopped.text == whole.text[: whole.text.index(stop)]
    assert (whole.finish_reason, whole.completion_tokens) == ("length", 12)
    assert stopped.finish_reason == "stop"
    assert stopped.prompt_tokens == whole.prompt_tokens > 40


def test_a_prompt_without_room_for_its_answer(model):
    with pytest.raises(UserError, match=r"pair c-d: its prompt has \d+ tokens, smollm2 has room for 12 \(512 less"):
        model.generate([request(ONE, 0), request(ONE, 0, max_tokens=500, pair_id="c-d")])


def test_chat(weights_path):
    chat = LlamaCppModel("smollm2", weights_path, "00", 256, "chat")
    try:
        question = request("Write hello world in C++.", 0, 1)
        first, second = answers(chat, question)
        assert first.text != second.text
        assert first.prompt_tokens > 20  # ChatML around it
        hello = request("Hello", 0, max_tokens=1)
        assert answers(chat, hello, dataclasses.replace(question, sample_indices=(1,)))[1] == second

        # to the last token of the context, and not one more
        long = request("x y " * 100, 0, temperature=0.0, max_tokens=256)
        with pytest.raises(UserError, match="pair a-b: its prompt has") as caught:
            chat.generate([long])
        room = 256 - int(re.search(r"has (\d+) tokens", str(caught.value))[1])
        with pytest.raises(UserError):
            chat.generate([request(long.prompt.text, 0, max_tokens=room + 1)])
        (full,) = answers(chat, request(long.prompt.text, 0, temperature=0.0, max_tokens=room))
        assert (full.prompt_tokens, full.completion_tokens, full.finish_reason) == (256 - room, room, "length")

        assert chat.resolved.startswith("SmolLM2-135M-Instruct.Q4_1.gguf@sha256:00 xllamacpp ")
        assert chat.resolved.endswith(" prompting chat")
    finally:
        chat.close()


def test_an_interrupt_ends_an_answer_at_once(model):
    handler = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    started = time.process_time()  # CPU time, so that other processes do not matter
    try:
        with pytest.raises(KeyboardInterrupt):
            for seed in range(50):
                list(model.generate([request(ONE, 0, seed=seed, max_tokens=400)]))
    finally:
        signal.signal(signal.SIGALRM, handler)
    assert time.process_time() - started < 4  # 400 tokens take longer
    assert answers(model, request(ONE, 0, max_tokens=1))


def test_the_port_requires_its_key(model):
    address = model._server.listening_address.removeprefix("http://")
    assert address.startswith("127.0.0.1:")
    connection = http.client.HTTPConnection(address)
    connection.request("POST", "/v1/completions", json.dumps({"prompt": "x", "max_tokens": 1}))
    assert connection.getresponse().status == 401
    connection.close()


def test_an_error_of_the_server_is_our_error(model, monkeypatch):
    with pytest.raises(PieBenchError, match="smollm2: llama.cpp: "):
        model.generate([request("half a pair: \ud83d", 0)])
    monkeypatch.setattr(model, "_server", SimpleNamespace(listening_address="http://127.0.0.1:9"))
    with pytest.raises(PieBenchError, match="smollm2: llama.cpp did not answer on 127.0.0.1:9/tokenize"):
        model.generate([request(ONE, 0)])


def test_a_file_that_is_not_a_model(tmp_path, capfd):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF?")
    with pytest.raises(PieBenchError, match=r"bad.gguf: llama.cpp cannot load it"):
        LlamaCppModel("bad", tmp_path / "bad.gguf", "", CONTEXT, "text")
    assert capfd.readouterr() == ("", "")


def test_any_file_and_how_it_is_prompted(weights_path, tmp_path):
    def opened(path: Path, **arguments: str) -> LlamaCppModel:
        spec = f"llama_cpp:{path}"
        model = load_model(spec, find_model(spec, {"context": "256"} | arguments), {}, tmp_path, Budget())
        assert isinstance(model, LlamaCppModel)
        model.close()
        return model

    link = tmp_path / "mine.gguf"
    link.symlink_to(weights_path)
    mine = opened(link)
    assert mine.resolved.startswith(f"mine.gguf@sha256:{weights_of('smollm2').sha256} xllamacpp ")
    assert mine.resolved.endswith(" prompting chat"), "it has a chat template"
    assert mine.context == 256
    text = opened(link, prompting="text", threads="1")
    assert text.identity == {**mine.identity, "prompting": "text"}
    with pytest.raises(UserError, match=r"none.gguf: cannot be read \(No such file or directory\)"):
        opened(tmp_path / "none.gguf")


def test_without_the_runtime(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(PieBenchError, match=r"llama.cpp cannot be loaded .*; install xllamacpp and libgomp1"):
        LlamaCppModel("bad", tmp_path, "", CONTEXT, "text")
