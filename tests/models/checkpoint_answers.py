"""Runs the vllm and hf adapters on tiny checkpoints, by a Python that has vLLM; prints what they answered as JSON.

usage: checkpoint_answers.py FOLDER
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pie_bench.adapt.base import Base
from pie_bench.adapt.export import write_model
from pie_bench.errors import UserError
from pie_bench.models.budget import Budget
from pie_bench.models.model import Model, Request
from pie_bench.models.registry import find_model, load_model
from pie_bench.prompting.prompt import Message, Prompt
from pie_bench.task import Sampling
from tests.models.tiny_checkpoint import make

SAMPLING = Sampling(n=4, temperature=1.0, top_p=0.95, max_tokens=12, seed=0)
TEXT = "for (int i = 0; i < n; i++) {"


def request(*indices: int, pair_id: str = "a-b", text: str = TEXT, **sampling: object) -> Request:
    prompt = Prompt(text, (Message("user", text),))
    return Request(pair_id, prompt, SAMPLING.model_copy(update=sampling), 7, indices)


def answers(model: Model, *requests: Request) -> list[dict[str, Any]]:
    """Asks as a run does: in another thread than the one that made the model."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: [asdict(completion) for completion in model.generate(requests)]).result()


def tried(folder: Path, spec: str, arguments: dict[str, str]) -> dict[str, Any]:
    model = load_model(spec, find_model(spec, arguments), {}, folder, Budget())
    found: dict[str, Any] = {"resolved": model.resolved, "identity": model.identity, "context": model.context}  # type: ignore[attr-defined]
    found["together"] = answers(model, request(0, 1, 2, 3), request(0, 2, 3, pair_id="c-d", text="int main() {"))
    found["alone"] = answers(model, request(2))
    found["greedy"] = answers(model, request(0, 5, temperature=0.0))
    stop = found["greedy"][0]["text"][4:6]
    found["stopped"] = answers(model, request(0, temperature=0.0, stop=(stop, "never said")))
    found["stop"] = stop
    found["order"] = [
        c["pair_id"] for c in answers(model, request(0, pair_id="long", max_tokens=60), request(0, max_tokens=2))
    ]
    try:
        model.generate([request(0), request(0, pair_id="x-y", text="(" * 600)])
    except UserError as error:
        found["too long"] = str(error)
    model.close()
    return found


def export(checkpoint: Path, folder: Path) -> None:
    """Writes the checkpoint's weights as `adapt train` does for a model that it trained on plain text."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = (kind.from_pretrained(checkpoint) for kind in (AutoModelForCausalLM, AutoTokenizer))
    base = Base("hf:tiny", "sha256:0", "tiny", "text", tokenizer, model.config, {})
    write_model(folder, model, model.state_dict(), base, {"name": "tiny--full"})


def main() -> None:
    folder = Path(sys.argv[1])
    make(folder / "chat", chat=True)
    export(folder / "chat", folder / "text")
    eager = {"dtype": "float32", "enforce_eager": "true", "max_model_len": "256"}
    found = {"vllm": tried(folder, f"vllm:{folder / 'text'}", eager)}
    found["hf"] = tried(folder, f"hf:{folder / 'text'}", {"dtype": "float32"})
    chat = load_model(str(folder), find_model(f"hf:{folder / 'chat'}", {}), {}, folder, Budget())
    found["chat"] = {"resolved": chat.resolved, "answers": answers(chat, request(0, text="int"))}
    (folder / "answers.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
