"""The judge server over real HTTP: the same verdicts as a local `Judge`, and clear refusals of everything else."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from pie_bench import Client, Judge, load_pair
from pie_bench.cli.main import main
from pie_bench.data.pair import Pair, TestCase
from pie_bench.errors import PieBenchError, UserError
from pie_bench.execution.judge import PairWithTests
from pie_bench.serve.service import reply_of
from tests.serve.conftest import TOKENS, host_of, serving

PAIR = "m006_quilt_streams-m006_quilt_chars"
RIGHT = '#include <cstdio>\nint main() { int n; if (scanf("%d", &n) == 1) printf("%d\\n", 2 * n); }'
SLOW = RIGHT.replace("printf", "for (volatile int i = 0; i < n; i = i + 1) {} printf", 1)
TESTS = [("2\n", "4\n"), (b"500\n", b"1000\n")]
BUSY = "int main() { for (volatile long i = 0; i < 1500000000; i = i + 1) {} }"  # a second or more
JSON = {"Content-Type": "application/json"}


def ask(
    url: str, body: Any, headers: dict[str, str] | None = None, path: str = "/v1/judge", method: str = "POST"
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(*host_of(url), timeout=300)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, data, JSON | (headers or {}))
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def test_verdicts_are_byte_for_byte_those_made_here(server: str, cache: Path) -> None:
    pair = load_pair("mini", PAIR)
    raw = PairWithTests(
        Pair("p", "q", SLOW, "", ("x", "y")), (TestCase("x", b"2\n", b"4\n"), TestCase("y", b"3\n\xff", b"6\n"))
    )
    programs = [(pair.pair.tgt_code, pair), (RIGHT, raw), (RIGHT, pair), ("int main() { return x; }", pair)]
    with Judge() as judge:
        local = [judge(code, given) for code, given in programs]
    assert [verdict.outcome for verdict in local] == ["ok", "ok", "wrong_output", "compile_error"]
    client = Client(server)
    assert [client(code, given) for code, given in programs] == local
    assert client(pair.pair.tgt_code, PAIR) == local[0]
    mapped = {verdict.sample_index: verdict for verdict in client.map(programs)}
    assert [mapped[index].to_json() | {"sample_index": 0} for index in range(4)] == [each.to_json() for each in local]
    jobs = [{"program": code, "pair": PAIR} for code, given in programs if given is pair]
    expected = [reply_of(verdict) for verdict, (_, given) in zip(local, programs, strict=True) if given is pair]
    assert ask(server, jobs[0])[1] == expected[0]
    assert ask(server, {"jobs": jobs})[1] == b'{"replies":[' + b",".join(expected) + b"]}"
    response, content = ask(server, {"jobs": jobs}, {"Accept": "application/x-ndjson"})
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = sorted(content.splitlines(), key=lambda line: json.loads(line)["index"])
    assert lines == [b'{"index":%d,' % index + reply[1:] for index, reply in enumerate(expected)]


def test_options_of_a_request(server: str, cache: Path) -> None:
    client = Client(server)
    verdict = client(RIGHT, source=SLOW, tests=TESTS)
    assert verdict.source is not None
    assert verdict.source.outcome == "ok"
    assert verdict.startup_seconds is not None
    assert client(RIGHT, source=SLOW, tests=TESTS, measured=False).runtime_seconds is None
    wrong, finding = client.guarded("int main() {}", source=SLOW, tests=TESTS)
    assert (wrong.outcome, finding) == ("wrong_output", None)
    past_the_end = RIGHT.replace("int n;", "int n, a[3] = {}; volatile int k = 3; a[k] = 1;")
    right, finding = client.guarded(past_the_end, source=SLOW, tests=TESTS)
    assert right.outcome == "ok"
    assert finding is not None
    assert finding.sanitizer is not None
    assert client.health()["environments"] == {"skylake": verdict.environment_id}
    # Half a surrogate pair has no bytes: the compiler gets what it gets here.
    assert client(RIGHT + "// \ud800", tests=TESTS).outcome == "ok"
    with pytest.raises(UserError, match="there are no tests"):
        client(RIGHT)
    with pytest.raises(UserError, match="unknown pair 'm001'"):
        client(RIGHT, "m001")


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"{", {}, 400, "the body is not JSON: line 1, column 2"),
        (b'{"program": "\xff"}', {}, 400, "the body is not UTF-8 at byte 13"),
        (b"[" * 100_000, {}, 400, "nested too deeply"),
        ([1], {}, 400, "expected an object"),
        ({"program": "x", "pair": PAIR}, {"Content-Type": "text/plain"}, 415, "expected Content-Type"),
        ({"pair": PAIR}, {}, 422, "program: Field required"),
        ({"program": 5, "pair": PAIR}, {}, 422, "program: Input should be a valid string"),
        ({"program": "x", "pair": PAIR, "extra": 1}, {}, 422, "extra: Extra inputs are not permitted"),
        ({"program": "x"}, {}, 422, "give either pair or tests, not both"),
        ({"program": "x", "pair": PAIR, "guards": True, "measured": False}, {}, 422, "guards need measured"),
        ({"program": "x", "pair": PAIR, "tests": [{"input": "", "output": ""}]}, {}, 422, "not both"),
        ({"program": "x", "tests": []}, {}, 422, "tests: Tuple should have at least 1 item"),
        ({"program": "x", "tests": [{"input": "1"}]}, {}, 422, "tests.0.output: Field required"),
        (
            {"program": "x", "tests": [{"input": "~", "output": "", "encoding": "base64"}]},
            {},
            422,
            "tests.0: encoding: not base64",
        ),
        ({"program": "x", "pair": "m001"}, {}, 422, "unknown pair 'm001'"),
        ({"program": "x", "pair": PAIR, "dataset": "/etc"}, {}, 422, "unknown dataset '/etc'"),
        ({"program": "x", "pair": PAIR, "environment": "gem5-pie"}, {}, 422, "unknown environment 'gem5-pie'"),
        ({"program": "x" * (1 << 20) + "x", "pair": PAIR}, {}, 422, "program: String should have at most 1048576"),
        ({"jobs": []}, {}, 422, "jobs: Tuple should have at least 1 item"),
        ({"jobs": [{"program": "x", "pair": PAIR}, {"program": "x", "pair": "no"}]}, {}, 422, "jobs.1: unknown pair"),
        ({"jobs": [{"program": "x", "pair": PAIR}] * 257}, {}, 422, "jobs: Tuple should have at most 256 items"),
        ({"program": "x", "pair": PAIR}, {"Host": "attacker.example"}, 403, "is not this machine's loopback"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(
    server: str, body: Any, headers: dict[str, str], status: int, says: str
) -> None:
    response, content = ask(server, body, headers)
    (said,) = json.loads(content).values()
    assert (response.status, "\n" in said) == (status, False)
    assert says in said


def test_other_paths_and_methods(server: str) -> None:
    assert [ask(server, b"", path=path, method="GET")[0].status for path in ("/v1/judge", "/nowhere")] == [405, 404]
    assert json.loads(ask(server, b"", path="/nowhere", method="GET")[1]) == {"error": "Not Found"}


def test_its_interface_is_documented_without_asking_anybody(server: str) -> None:
    _, content = ask(server, b"", path="/openapi.json", method="GET")
    document = json.loads(content)
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', content.decode()))
    assert referred <= set(document["components"]["schemas"])
    response, page = ask(server, b"", path="/docs", method="GET")
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(rb"<script|<link|<img|src=|@import|url\(", page)
    for field in ("program", "encoding", "guards", "speedup"):
        assert f"<code>{field}</code>".encode() in page


def test_its_metrics(server: str, cache: Path) -> None:
    Client(server)(RIGHT, tests=TESTS)
    Client(server)(RIGHT, tests=TESTS)
    text = ask(server, b"", path="/metrics", method="GET")[1].decode()
    found = dict(re.findall(r"^(\w+(?:\{[^}]*\})?) ([\d.e+]+)$", text, re.MULTILINE))
    assert float(found['pie_bench_requests_total{path="/v1/judge",status="200"}']) >= 2
    assert float(found['pie_bench_verdicts_total{outcome="ok"}']) >= 1
    assert float(found["pie_bench_cache_hits_total"]) >= 1
    assert (found["pie_bench_unfinished"], found["pie_bench_workers"]) == ("0.0", "2.0")


def test_tokens_are_asked_for(guarded_server: str, cache: Path) -> None:
    job = {"program": "int main() { return x; }", "tests": [{"input": "", "output": ""}]}
    for headers, says in (
        ({}, "a token is needed"),
        ({"Authorization": "Bearer nonsense"}, "this token is not known"),
        ({"Authorization": f"Basic {TOKENS[0]}"}, "this token is not known"),
    ):
        for path, method in (("/v1/judge", "POST"), ("/metrics", "GET")):
            response, content = ask(guarded_server, job, headers, path, method)
            assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")
            assert says in json.loads(content)["error"]
    assert ask(guarded_server, b"", path="/healthz", method="GET")[0].status == 200
    assert ask(guarded_server, job, {"Authorization": f"Bearer {TOKENS[0]}"})[0].status == 200
    with pytest.raises(UserError, match="a token is needed"):
        Client(guarded_server)(RIGHT, tests=TESTS)
    assert Client(guarded_server, token=TOKENS[0])("int main() { return x; }", tests=TESTS).outcome == "compile_error"


def test_size_and_rate_have_limits(guarded_server: str) -> None:
    headers = {"Authorization": f"Bearer {TOKENS[1]}"}
    job = {"program": "int main() { return y; }", "tests": [{"input": "", "output": ""}]}
    response, content = ask(guarded_server, b" " * ((1 << 20) + 1), headers)
    assert (response.status, "larger than 1048576 bytes" in content.decode()) == (413, True)
    connection = HTTPConnection(*host_of(guarded_server), timeout=60)  # without saying how long it is
    connection.request("POST", "/v1/judge", iter([b" " * 600_000] * 2), JSON | headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    response, content = ask(guarded_server, {"jobs": [job] * 7}, headers)
    assert (response.status, json.loads(content)["error"]) == (413, "7 programs at once; the limit is 6 a minute")
    assert ask(guarded_server, {"jobs": [job] * 3}, headers)[0].status == 200
    response, content = ask(guarded_server, {"jobs": [job] * 5}, headers)
    assert response.status == 429
    assert 1 <= int(response.headers["retry-after"]) <= 20
    assert "more than 6 programs a minute" in json.loads(content)["error"]
    other = {"Authorization": f"Bearer {TOKENS[2]}"}
    many = [job | {"program": f"int main() {{ return y{number}; }}"} for number in range(5)]
    response, content = ask(guarded_server, {"jobs": many}, other)
    assert (response.status, "5 programs are more than this server accepts at once: 3" in content.decode()) == (
        413,
        True,
    )


def test_a_full_queue_says_when_to_come_back_and_the_server_ends_in_order(measured_cache: Path, cache: Path) -> None:
    with serving(cache, "--workers", "1", "--queue", "0", "--grace", "120") as (url, process):
        with ThreadPoolExecutor(3) as threads:
            busy = threads.submit(ask, url, {"program": BUSY, "tests": [{"input": "", "output": "x"}]})
            while b"pie_bench_unfinished 1.0" not in ask(url, b"", path="/metrics", method="GET")[1]:
                pass
            response, content = ask(url, {"program": RIGHT, "tests": [{"input": "1\n", "output": "2\n"}]})
            assert response.status == 429
            assert int(response.headers["retry-after"]) >= 1
            assert json.loads(content)["error"].startswith("the queue is full; retry in ")
            with pytest.raises(PieBenchError, match="the queue is full; retry in .* gave up after 0 s"):
                Client(url, patience_seconds=0)(RIGHT, tests=[("1\n", "2\n")])
            patient = threads.submit(Client(url), RIGHT, tests=[("1\n", "2\n")])
            response, content = busy.result()
            assert (response.status, json.loads(content)["verdict"]["outcome"]) == (200, "wrong_output")
            assert patient.result().outcome == "ok"
            # Again, and the server is told to end while it judges.
            busy = threads.submit(ask, url, {"program": BUSY, "tests": [{"input": "again", "output": "x"}]})
            while b"pie_bench_unfinished 1.0" not in ask(url, b"", path="/metrics", method="GET")[1]:
                pass
            process.send_signal(signal.SIGTERM)
            assert busy.result()[0].status == 200
        assert process.wait(60) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(host_of(url), timeout=5)
        with pytest.raises(PieBenchError, match="gave up after 0 s"):
            Client(url, patience_seconds=0).health()


def test_what_cannot_be_served_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*options: str) -> str:
        assert main(["serve", *options]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    assert "--host 0.0.0.0: other machines can reach it, so it needs a token; give --token-file FILE" in refused(
        "--host", "0.0.0.0"
    )
    tokens = tmp_path / "tokens"
    assert "cannot be read" in refused("--token-file", str(tokens))
    tokens.write_text("short\n")
    tokens.chmod(0o644)
    assert f"other users can read it; run: chmod 600 {tokens}" in refused("--token-file", str(tokens))
    tokens.chmod(0o600)
    assert "token 1: expected 16 or more" in refused("--token-file", str(tokens))
    tokens.write_text("# none\n\n")
    assert "contains no token" in refused("--token-file", str(tokens))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot listen there" in refused("--port", str(taken.getsockname()[1]))
    assert "unknown environment" in refused("--port", "0", "--environment", "nowhere")
    assert "unknown dataset" in refused("--port", "0", "--dataset", "nowhere")
    with pytest.raises(UserError, match="'nowhere' is not a server URL"):
        Client("nowhere")


def test_a_server_that_is_not_a_judge_server_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n[1]")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(PieBenchError, match="not a judge server's reply"):
            Client(f"http://127.0.0.1:{server.getsockname()[1]}").health()
