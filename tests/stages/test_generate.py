"""Generation as a user runs it, against a misbehaving server: what was paid for is kept, nothing is paid for twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pie_bench.cli.main import main
from pie_bench.models.model import Request
from pie_bench.prompting.prompt import Message, Prompt
from pie_bench.run.files import read_jsonl
from pie_bench.run.generation import Generation
from pie_bench.stages.generate import completion_key
from pie_bench.stages.score import from_provider
from pie_bench.store import GenerationStore
from pie_bench.task import Sampling
from tests.models.fault_server import RETRIED, Behaviour, FaultServer, named, serving

PRICES = ["price_in=1000", "price_out=2000"]  # a call for one sample: $0.12


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIE_BENCH_CACHE", str(tmp_path / "cache"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def command(server: FaultServer, directory: Path, *options: str, model_args: tuple[str, ...] = ()) -> list[str]:
    fixed = ["generate", "--task", "pie_instruct", "--model", "openai:tiny", "--run-dir", str(directory)]
    arguments = [f"base_url={server.url}", "backoff_seconds=0.01", *model_args]
    return [*fixed, *options, "--model-args", *arguments]


def records(directory: Path) -> list[dict[str, Any]]:
    return read_jsonl(directory / "generations.jsonl")


def test_answers_are_shared_between_runs_of_the_same_model_and_of_no_other(tmp_path, capsys):
    def run(name: str, *options: str, label: str | None) -> tuple[int, list[dict[str, Any]]]:
        before = len(server.seen.bodies)
        model_args = () if label is None else (f"weights_label={label}",)
        assert main(command(server, tmp_path / name, *options, model_args=(*model_args, *PRICES))) == 0
        return len(server.seen.bodies) - before, records(tmp_path / name)

    with serving() as server:
        calls, first = run("one", "--limit", "2", "--samples", "2", label="A")
        assert calls == 2
        calls, second = run("two", "--limit", "3", "--samples", "3", label="A")
        assert calls == 3, "for the third sample of two pairs, and for the third pair"
        texts = {(r["pair_id"], r["sample_index"], r["text"]) for r in second}
        assert {(r["pair_id"], r["sample_index"], r["text"]) for r in first} < texts
        assert sorted(r["shared"] for r in second) == [False] * 5 + [True] * 4
        assert "4 from earlier runs" in capsys.readouterr().err
        server.behaviour.delta = "another model"
        calls, other = run("three", "--limit", "2", "--samples", "2", label="B")
        assert calls == 2
        assert all("another model" in r["text"] for r in other)
        assert run("four", "--limit", "2", "--samples", "2", label="A")[0] == 0
        assert run("five", "--limit", "2", "--samples", "2", label=None)[0] == 2, "who answers there is not known"
        assert run("six", "--limit", "2", "--samples", "2", label=None)[0] == 2


def test_the_key_holds_what_decides_an_answer_and_nothing_else():
    sampling = Sampling(n=2, temperature=0.7, top_p=1.0, max_tokens=8, seed=0)
    prompt = Prompt("text", (Message("system", "s"), Message("user", "text")))
    identity = {"id": "m", "prompting": "text"}

    def key(index: int = 0, pair: str = "a-b", seed: int = 5, prompt: Prompt = prompt, **changed: Any) -> str:
        model = identity | changed.pop("identity", {})
        request = Request(pair, prompt, sampling.model_copy(update=changed), seed, (0, 1))
        return completion_key(model, request, index)

    assert key() == key(pair="c-d") == key(n=9) == key(index=1, seed=4)
    assert key() == key(prompt=Prompt("text", ())), "a model that completes never sees the messages"
    chat = {"prompting": "chat"}
    different = [
        key(),
        key(index=1),
        key(temperature=0.8),
        key(top_p=0.9),
        key(max_tokens=9),
        key(stop=("x",)),
        key(prompt=Prompt("other", ())),
        key(identity={"id": "n"}),
        key(identity=chat),
        key(identity=chat, prompt=Prompt("text", (Message("user", "text"),))),
    ]
    assert len(set(different)) == len(different)


class Forking:
    """Children running commands; see forking.py."""

    def __init__(self, root: Path, output: Path):
        script = root / "tests" / "stages" / "forking.py"
        self._process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
        )  # fmt: skip
        self._output = output

    def start(self, arguments: list[str], most_bytes: int | None = None) -> int:
        assert self._process.stdin and self._process.stdout
        print(json.dumps([arguments, str(self._output), most_bytes]), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def status(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())

    def said(self) -> str:
        return self._output.read_text()

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def forking(pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[Forking]:
    forking = Forking(pytestconfig.rootpath, tmp_path / "said")
    yield forking
    forking.close()


def asked_since(server: FaultServer, number: int) -> Counter[tuple[str, int]]:
    """The samples asked for from request `number` on, by prompt and seed."""
    return Counter(
        (named(body), body["seed"] + index) for body in server.seen.bodies[number:] for index in range(body.get("n", 1))
    )


def answered(kept: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """The samples in these records, as `asked_since` names them."""
    return {(r["text"].split(" ")[0], r["seed"]) for r in kept}


@pytest.mark.slow
def test_killed_ten_times_over_the_file_is_whole_and_nothing_in_it_is_asked_for_again(tmp_path, forking):
    draw = random.Random(5)
    directory = tmp_path / "run"
    path = directory / "generations.jsonl"
    faults = tuple(fault for fault in RETRIED if fault != "slow first byte")
    behaviour = Behaviour(faults=faults, rate=0.2, seed=3, seconds=0.01, most_n=4)
    with serving(behaviour) as server:
        arguments = command(server, directory, "--samples", "48", model_args=("concurrency=4", "retries=20"))
        for _ in range(10):
            kept = records(directory) if path.exists() else []
            asked_before = len(server.seen.bodies)
            child = forking.start(arguments)
            deadline = time.monotonic() + 60
            more = draw.randrange(1, 40)
            while not path.exists() or path.read_bytes().count(b"\n") < len(kept) + more:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            os.kill(child, signal.SIGKILL)
            assert forking.status() == -signal.SIGKILL
            again = asked_since(server, asked_before)
            assert not answered(kept) & set(again), "what is in the file is not asked for again"
        forking.start(arguments)
        assert forking.status() == 0, forking.said()
        found = records(directory)
        assert len({(r["pair_id"], r["sample_index"]) for r in found}) == len(found) == 480
        twice = sum(server.seen.answered.values()) - 480
        assert twice <= 10 * 4 * 4, "only what was in flight: four calls for four samples each"


def test_a_full_disk_is_one_line_and_the_run_continues_when_there_is_room(tmp_path, forking):
    directory = tmp_path / "run"
    with serving() as server:
        arguments = command(server, directory, "--samples", "8", model_args=("weights_label=A",))
        forking.start(arguments, most_bytes=60_000)
        assert forking.status() == 2
        last = forking.said().splitlines()[-1]
        assert f"{directory}/generations.jsonl: cannot be written (File too large); " in last
        assert "rerun the same command" in last
        kept = records(directory)
        assert 0 < len(kept) < 80
        asked_before = len(server.seen.bodies)
        forking.start(arguments)
        assert forking.status() == 0, forking.said()
    found = records(directory)
    assert found[: len(kept)] == kept
    assert len({(r["pair_id"], r["sample_index"]) for r in found}) == len(found) == 80
    assert not answered(kept) & set(asked_since(server, asked_before))


def test_max_cost_stops_cleanly_and_a_higher_one_continues(tmp_path, capsys):
    directory = tmp_path / "run"
    with serving() as server:
        arguments = command(server, directory, "--samples", "1", model_args=tuple(PRICES))
        assert main([*arguments, "--max-cost", "3"]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert "stopped before --max-cost $3: $" in said
        assert "the same command with a higher --max-cost continues" in said
        spent = sum(r["cost_usd"] for r in records(directory))
        assert 0 < spent <= 3.0
        assert len(records(directory)) == len(server.seen.bodies)
        assert main([*arguments, "--max-cost", "3"]) == 2, "what was spent before counts"
        assert sum(r["cost_usd"] for r in records(directory)) == spent
        capsys.readouterr()
        assert main([*arguments, "--max-cost", "100"]) == 0
        assert len(server.seen.bodies) == len(records(directory)) == 10
        assert "1.0k tokens in, 100 out, $1.20 of $100" in capsys.readouterr().err


def test_what_the_provider_does_otherwise_is_in_the_manifest(tmp_path):
    directory = tmp_path / "run"
    with serving(Behaviour(refused=frozenset({"seed"}), most_n=2)) as server:
        assert main(command(server, directory, "--limit", "1", "--samples", "4", "--model-args", "top_p=default")) == 0
    manifest = json.loads((directory / "manifest.json").read_text())
    assert set(manifest["provider"]) == {"n", "seed"}
    assert manifest["identity"]["model_args"] == {"base_url": server.url, "top_p": "default"}
    assert all("top_p" not in r["raw"]["request"] for r in records(directory))


def test_a_run_belongs_to_its_model_args_but_not_to_how_fast_it_asks(tmp_path, capsys):
    directory = tmp_path / "run"
    with serving() as server:
        one = ["--limit", "1", "--samples", "1"]
        assert main(command(server, directory, *one, model_args=("concurrency=3",))) == 0
        assert main(command(server, directory, *one, model_args=("retries=3",))) == 0
        assert main(command(server, directory, *one, model_args=("prompting=text",))) == 2
        assert "holds another run: its model_args is" in capsys.readouterr().err
        assert (
            main(["generate", "--task", "pie_instruct", "--model", "openai:tiny", *one, "--run-dir", str(directory)])
            == 2
        )
        assert "holds another run: its model_args is" in capsys.readouterr().err
    assert len(server.seen.bodies) == 1


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (Behaviour(key="right"), "does not accept the key in OPENAI_API_KEY"),
        (Behaviour(models=("other",)), "does not serve 'tiny' (it lists other)"),
        (None, "does not answer (ConnectError"),
    ],
)
def test_a_providers_error_is_one_line_and_no_run_is_begun(behaviour, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    with serving(behaviour) as server:
        pass
    directory = tmp_path / "run"
    if behaviour is None:
        assert main(command(server, directory, "--limit", "1")) == 2
    else:
        with serving(behaviour) as server:
            assert main(command(server, directory, "--limit", "1")) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not directory.exists()
    with serving() as server:
        assert main(command(server, directory, "--limit", "1")) == 0, "the same folder, when the cause is gone"


def test_answers_are_replayed_where_there_is_no_server(tmp_path):
    with serving() as server:
        assert main(command(server, tmp_path / "run", "--limit", "2", "--samples", "3", model_args=tuple(PRICES))) == 0
    recorded = tmp_path / "elsewhere.jsonl"
    (tmp_path / "run" / "generations.jsonl").rename(recorded)
    options = f"--task pie_instruct --model replay:{recorded} --limit 2 --samples 3 --run-dir {tmp_path / 'replayed'}"
    assert main(["generate", *options.split()]) == 0
    key = ("pair_id", "sample_index", "text", "finish_reason", "prompt_tokens", "completion_tokens", "prompt_sha256")
    assert sorted([r[k] for k in key] for r in records(tmp_path / "replayed")) == sorted(
        [r[k] for k in key] for r in read_jsonl(recorded)
    )


def test_results_say_who_answered_and_for_how_much():
    records = [
        Generation("a-b", 0, "", "stop", raw={"response": {"model": model}}, cost_usd=cost, tokens_estimated=estimated)
        for model, cost, estimated in [("m-0613", 0.1, False), ("m-0125", 0.2, True), ("m-0613", None, True)]
    ]
    assert from_provider(records) == {
        "answered_by": ("m-0125", "m-0613"),
        "cost_usd": pytest.approx(0.3),
        "n_tokens_estimated": 2,
    }
    assert from_provider([Generation("a-b", 0, "", "stop")]) == {
        "answered_by": (),
        "cost_usd": None,
        "n_tokens_estimated": 0,
    }


def test_a_store_that_cannot_be_written_says_so_once(tmp_path, capsys):
    store = GenerationStore(tmp_path / "g.sqlite")
    store.put("a", {"text": "x"})
    store._connection.execute("PRAGMA query_only=1")
    store.put("b", {"text": "y"})
    store.put("c", {"text": "z"})
    assert capsys.readouterr().err.count("no longer shared with other runs") == 1
    assert (store.get("a"), store.get("b")) == ({"text": "x"}, None)
    store.close()


def test_the_estimate_makes_no_call(tmp_path, capsys):
    options = ["--task", "pie_instruct", "--samples", "8", "--probe", "0"]
    assert main(["estimate", *options, "--model", "gpt-3.5"]) == 0
    said = capsys.readouterr().out
    assert "answers     80 (8 a prompt, at most 1,024 tokens each)" in said
    assert "(estimated, 2.3 characters a token)" in said
    assert "at most 81,920" in said
    assert "at $0.5 in and $1.5 out a million tokens, as published 2024-01: check current prices" in said
    assert main(["estimate", *options, "--model", "openai:mine"]) == 0
    assert "price       unknown: --model-args price_in=" in capsys.readouterr().out
    assert main(["estimate", *options, "--model", "openai:mine", "--model-args", "price_in=2,price_out=0"]) == 0
    assert "price       $0.00, at most $0.00" in capsys.readouterr().out
    assert main(["estimate", *options, "--model", "codellama-7b"]) == 0
    assert "price       none: it runs here" in capsys.readouterr().out
