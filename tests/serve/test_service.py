"""The judge server's parts, without HTTP."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from pie_bench.data.pair import Pair, TestCase
from pie_bench.execution.judge import Judgement, PairWithTests
from pie_bench.execution.subject import Locks
from pie_bench.run.verdict import Verdict
from pie_bench.serve.app import Access, _Rate, is_loopback
from pie_bench.serve.protocol import Job, parse
from pie_bench.serve.run import listening, read_tokens
from pie_bench.serve.service import BusyError, Service

BUSY = "int main() { for (volatile long i = 0; i < 1500000000; i = i + 1) {} }"  # a second or more


@given(
    data=st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=30)), min_size=1, max_size=4),
    program=st.text(max_size=50),
    source=st.text(min_size=1, max_size=20),
)
def test_a_pair_survives_the_wire(data: list[tuple[bytes, bytes]], program: str, source: str) -> None:
    cases = tuple(TestCase(f"t{number}", *each) for number, each in enumerate(data))
    pair = PairWithTests(Pair("a-b", "p", source, "", tuple(case.test_id for case in cases)), cases)
    sent = Job.of(program, pair).model_dump_json(exclude_defaults=True).encode()
    (job,), is_batch = parse(sent)
    assert (job.program, is_batch, job.own_pair()) == (program, False, pair)


def test_a_judgement_survives_the_wire() -> None:
    source = Verdict("a-b", "source", 0, "e", "ok", runtime_seconds=2.0, startup_seconds=0.5, counters={"n": 1})
    judgement = Judgement("a-b", "candidate", 0, "e", "ok", runtime_seconds=1.0, startup_seconds=0.5, source=source)
    assert Judgement.of_json(judgement.to_json()) == judgement
    with pytest.raises(ValueError, match="outcome"):
        Judgement.of_json(judgement.to_json() | {"outcome": "fine"})


def test_what_nobody_waits_for_is_not_judged_and_what_is_asked_for_twice_is_judged_once(cache: Path) -> None:
    service = Service(workers=1, queue=1)
    try:
        first, second, third = (Job(program=f"{BUSY} // {n}", tests=_tests(), measured=False) for n in range(3))
        (running,) = service.submit([first])
        (same,) = service.submit([first])
        assert same is running
        (queued,) = service.submit([second])
        with pytest.raises(BusyError, match="retry in"):
            service.submit([third])
        assert service.submit([second])[0] is queued
        service.give_up(queued)
        assert not queued.future.cancelled()
        service.give_up(queued)
        assert queued.future.cancelled()
        (queued,) = service.submit([third])
        service.give_up(queued)
        reply = running.future.result()
        (again,) = service.submit([first])
        assert (again is running, again.future.result()) == (False, reply)
    finally:
        service.close()


def _tests() -> tuple[dict[str, str], ...]:
    return ({"input": "", "output": "x"},)


def test_a_rate_is_kept_for_each_client(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("pie_bench.serve.app.time.monotonic", lambda: now[0])
    rate = _Rate(60)
    rate.take("a", 60)
    rate.take("b", 1)
    with pytest.raises(HTTPException) as error:
        rate.take("a", 5)
    assert (error.value.status_code, error.value.headers) == (429, {"Retry-After": "5"})
    now[0] = 5.0
    rate.take("a", 5)
    with pytest.raises(HTTPException):
        rate.take("a", 1)


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("", False),
     ("::", False), ("localhost.example", False), ("10.0.0.1", False)],
)  # fmt: skip
def test_loopback_is_known(host: str, own: bool) -> None:
    assert is_loopback(host) == own


def test_replies_on_kept_connections_do_not_wait() -> None:
    with listening("127.0.0.1", 0, Access()) as sock, socket.create_connection(sock.getsockname()):
        accepted, _ = sock.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_tokens_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text("# who may ask\nfirst-token-of-the-tests\n\nanother-token-of-the-tests\n")
    path.chmod(0o600)
    assert read_tokens(path) == ("first-token-of-the-tests", "another-token-of-the-tests")


def test_locks_are_kept_only_while_they_are_used() -> None:
    locks = Locks()
    inside: list[int] = []

    def enter(number: int) -> None:
        with locks.of("key"):
            inside.append(number)
            assert len(inside) == 1
            inside.remove(number)

    threads = [threading.Thread(target=enter, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert locks._locks == {}
