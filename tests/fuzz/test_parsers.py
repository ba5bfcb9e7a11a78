"""Every parser of untrusted bytes: whatever they are, it returns a value or raises the error that it documents.

Not here: bundles and entries (tests/leaderboard), inputs' grammars (tests/execution/integrity/test_guards.py), archives
of tests (tests/data/test_stored_tests.py).
"""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_bench.data.load import load_dataset
from pie_bench.data.pair import Pair, TestCase
from pie_bench.data.record import UnusableRow, parse
from pie_bench.data.spec import DATA_DIR, load_spec
from pie_bench.errors import PieBenchError, UserError
from pie_bench.execution.integrity.forbidden import Program, find, read_program
from pie_bench.execution.isa import ISAS, X86_64
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.execution.simulators.gem5.simulator import classify, parse_report
from pie_bench.execution.simulators.gem5.startup import stopped_at_entry, stopped_at_main
from pie_bench.execution.simulators.gem5.statistics import parse_statistics
from pie_bench.execution.simulators.gem5.unseeing import starts_unseeing
from pie_bench.execution.simulators.qemu.simulator import is_dynamic, main_offset
from pie_bench.execution.toolchain import Toolchain
from pie_bench.models.answers import Usage, completions_of
from pie_bench.models.dialect import Dialect
from pie_bench.models.failures import Provider, Refused, Retry
from pie_bench.models.model import Completion, Request
from pie_bench.models.openai import OpenAIEntry
from pie_bench.models.replay import _parse
from pie_bench.models.transport import _json
from pie_bench.paths import TASKS_DIR
from pie_bench.prompting.extract import extract_code
from pie_bench.prompting.prompt import Message, Prompt
from pie_bench.run.files import validated
from pie_bench.run.generation import Generation
from pie_bench.stages.execute import candidate_of
from pie_bench.task import load_task
from tests.fuzz.damage import changed, damaged

ANSWER = """Here is a faster one:\n```cpp\n#include <cstdio>\nint main() { puts("}"); /* ``` */ }\n```\nIt is O(1)."""
SYSCALLS = b"""2 brk(NULL) = 0x0000004000005000
2 openat(-100,"/etc/ld.so.cache",O_RDONLY|O_CLOEXEC) = 3
2 read(3,0x60050b8,832) = 832
2 exit_group(0)
"""
STATISTICS = """
---------- Begin Simulation Statistics ----------
system.cpu.numCycles                          1234567                       # Number of cpu cycles simulated
system.cpu.dcache.demandMisses::total            4321                       # number of demand misses (Count)
---------- End Simulation Statistics   ----------
"""
ENDED = {
    "cause": "exiting with last active thread context",
    "code": 0,
    "ticks": 5,
    "instructions": 7,
    "host_seconds": 0.1,
}
RESPONSE = {
    "id": "x",
    "model": "m-1",
    "choices": [
        {"index": 1, "message": {"role": "assistant", "content": "b"}, "text": "b", "finish_reason": "stop"},
        {"index": 0, "message": {"content": [{"type": "text", "text": "a"}]}, "text": "a", "finish_reason": "length"},
    ],
    "usage": {"prompt_tokens": 10, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 1}},
}
FAILURE = {
    "error": {"message": "Unsupported parameter: 'seed'; at most 4", "param": "seed", "code": "unsupported_value"}
}
ROW = {
    **{"src_id": "s1", "tgt_id": "s2", "problem_id": "p1", "src_code": "int main(){}", "tgt_code": "int main(){;}"},
    **{"tests": ["0", "1"], "src_code_tc2time": {"0": 0.5, "1": 0.25}, "tgt_agg_runtime": 1.0, "kind": "x"},
}
TESTS = (TestCase("0", b"1\n", b"12345\n"),)
PAIR = Pair("p", "p1", "int main(){}", "int main(){;}", ("0",))
ENTRY = OpenAIEntry(adapter="openai", id="m-1", base_url="http://127.0.0.1:1/v1")


def json_of(value: Any) -> st.SearchStrategy[bytes]:
    """The value as JSON, damaged as bytes or before."""
    return st.binary() | damaged(json.dumps(value).encode()) | changed(value).map(json.dumps).map(str.encode)


def text_of(content: bytes) -> st.SearchStrategy[str]:
    return st.text() | damaged(content).map(lambda data: data.decode(errors="surrogateescape"))


def request() -> Request:
    sampling = load_task("pie_instruct", TASKS_DIR).sampling
    return Request("p", Prompt("x", (Message("user", "x"),)), sampling, 0, (0, 1))


@given(text_of(ANSWER.encode()), st.text(max_size=6))
def test_completions(text: str, finish_reason: str) -> None:
    for source in ("", "int main() {}"):
        extraction = extract_code(text, finish_reason, src_code=source)
        assert (extraction.code is None) == (extraction.reason is not None)


@given(st.binary() | damaged(SYSCALLS))
def test_qemu_s_system_calls(trace: bytes) -> None:
    assert starts_unseeing(trace) in (True, False)


@given(text_of(STATISTICS.encode()))
def test_gem5_s_statistics(text: str) -> None:
    assert all(type(count) is int for count in parse_statistics(text).values())


@given(
    json_of(ENDED) | damaged(json.dumps(ENDED).encode() + b"\n" + STATISTICS.encode()),
    st.text(max_size=80),
    st.sampled_from([0, 9, 139, 256]),
)
def test_gem5_s_report(report: bytes, stderr: str, status: int) -> None:
    with contextlib.suppress(SandboxError):
        ended, counters = parse_report(report, status)
        outcome, detail, _ = classify(ended, stderr, status, 5, 100)
        assert outcome
        assert isinstance(detail, str)
        assert all(type(count) is int for count in counters.values())


@pytest.fixture(scope="module")
def binary(toolchain: Toolchain) -> bytes:
    compiled = toolchain.compile('#include <cstdio>\nint main() { int n; if (scanf("%d", &n) == 1) printf("%d", n); }')
    assert compiled.binary is not None
    return compiled.binary


class Listing:
    isa = X86_64

    def __init__(self, text: str):
        self.text = text

    def disassemble(self, binary: bytes) -> str:
        return self.text

    def disassembled(self, code: str) -> str:
        return self.text


@given(st.data())
@settings(max_examples=80)
def test_programs(binary: bytes, data: st.DataObject) -> None:
    """Headers and tables lie at both ends of the file."""
    start = data.draw(st.sampled_from([0, len(binary) - 4000, len(binary) // 2]))
    part = data.draw(damaged(binary[start : start + 4000]))
    program = binary[:start] + part + binary[start + 4000 :]
    for copy in (stop(program, isa) for stop in (stopped_at_main, stopped_at_entry) for isa in ISAS.values()):
        assert copy is None or len(copy) == len(program)
    main_offset(program), is_dynamic(program)
    with contextlib.suppress(ValueError):
        find(read_program("int main() {}", program), "", TESTS, Listing(""))


@given(st.data())
def test_disassemblies(toolchain: Toolchain, binary: bytes, data: st.DataObject) -> None:
    text = data.draw(damaged(toolchain.disassemble(binary).encode())).decode(errors="replace")
    suspect = Program(
        'int main() { asm(""); }', b"", (b"\x0f\x04\x0f\xa2\x0f\x05",), b"", frozenset(), writable_code=False
    )
    find(suspect, "", TESTS, Listing(text))


@given(
    json_of(RESPONSE),
    st.booleans(),
)
def test_responses(content: bytes, chat: bool) -> None:
    body = _json(content)
    if not isinstance(body, dict):
        return
    with contextlib.suppress(Retry):
        usage = Usage(trusted=False)
        completions = completions_of(body, request(), [0, 1], {}, 0.1, chat=chat, usage=usage)
        for completion in completions:
            record = json.loads(json.dumps(asdict(completion)))
            candidate_of(validated(Generation, record), PAIR)
            assert type(completion.text) is type(completion.finish_reason) is str
            assert min(completion.prompt_tokens, completion.completion_tokens) >= 0


@given(
    json_of(FAILURE),
    st.integers(400, 599),
)
def test_failures(content: bytes, status: int) -> None:
    provider = Provider("http://x", "m", "KEY", "secret", None)
    body = _json(content)
    for headers in ({}, {"retry-after": content[:20].decode("latin-1")}):
        failure = provider.failure(status, body, headers, "pair p")
        assert isinstance(failure, Retry | Refused | UserError)
        assert "secret" not in str(failure)
    Dialect(ENTRY, own_server=False).learn({"seed": 1, "n": 8, "temperature": 0.7}, body)


@given(
    st.binary()
    | damaged(json.dumps({"pair_id": "p", "sample_index": 0, "text": ANSWER, "finish_reason": "stop"}).encode())
)
def test_recorded_answers(content: bytes) -> None:
    with contextlib.suppress(UserError):
        assert all(isinstance(answer.completion, Completion) for answer in _parse(content, Path("x")).values())


TASK = (TASKS_DIR / "pie_instruct.yaml").read_bytes()
DATASET = (DATA_DIR / "pie.yaml").read_bytes()


@given(st.binary() | damaged(TASK))
@settings(max_examples=60)
def test_tasks(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "mine.yaml").write_bytes(content.replace(b"task: pie_instruct", b"task: mine"))
    with contextlib.suppress(UserError):
        load_task("mine", TASKS_DIR, folder)


@given(st.binary() | damaged(DATASET))
def test_datasets(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("data") / "d.yaml"
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        load_spec(str(path))


COLUMNS = load_spec("mini").columns


class EveryTest:
    def has(self, key: Any) -> bool:
        return True


@given(changed(ROW))
def test_rows(row: Any) -> None:
    if isinstance(row, dict):
        with contextlib.suppress(UnusableRow):
            assert parse(row, COLUMNS, EveryTest()).tests  # type: ignore[arg-type]


@given(st.binary() | damaged(json.dumps(ROW).encode() + b"\n") | changed(ROW).map(json.dumps).map(str.encode))
def test_files_of_rows(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("data") / "d.jsonl"
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        assert load_dataset(path, with_tests=False).pairs


def test_errors_are_one_line() -> None:
    with pytest.raises(PieBenchError) as refused:
        _parse(b'{"pair_id": "a\\nb"}', Path("x"))
    assert "\n" not in str(refused.value)
