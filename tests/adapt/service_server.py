"""A fine-tuning service that speaks OpenAI's protocol: real HTTP on loopback; it counts files, jobs and payments."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.loopback import LoopbackServer, answering

STEPS = ("validating_files", "queued", "running", "succeeded")


@dataclass
class Script:
    """What the service does. `faults` by the number of the request (from 1): a status; "cut" (done, then no answer);
    "kill" and "killed after" end the client's process `victim` before or after the request is done. `statuses` are
    what a job goes through, one a look; `lists` False: it has no lists; `metadata` False: its jobs have none.
    """

    faults: dict[int, str] = field(default_factory=dict)
    statuses: tuple[str, ...] = STEPS
    error: dict[str, Any] | None = None
    lists: bool = True
    metadata: bool = True
    names_model: bool = True
    victim: int | None = None


class Service(LoopbackServer):
    def __init__(self, script: Script):
        super().__init__(_Handler)
        self.script = script
        self.lock = threading.Lock()
        self.requests: list[str] = []
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {"result-1": base64.b64encode(b"step,train_loss\n1,2.5\n")}
        self.jobs: list[dict[str, Any]] = []  # each was paid for
        self.looks: dict[str, int] = {}


def serving(script: Script | None = None) -> AbstractContextManager[Service]:
    return answering(Service(script or Script()))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._handle("GET", b"")

    def do_POST(self) -> None:
        self._handle("POST", self.rfile.read(int(self.headers["Content-Length"])))

    def _handle(self, method: str, body: bytes) -> None:
        server = self.server
        with server.lock:
            path = urlsplit(self.path).path.removeprefix("/v1")
            server.requests.append(f"{method} {path}")
            fault = server.script.faults.get(len(server.requests), "")
            if fault == "kill":
                self._kill()
                return
            if fault.isdigit():
                self._send(int(fault), {"error": {"message": f"a fault, {fault}", "code": None}})
                return
            status, answer = self._answer(method, path, body)
            if fault == "killed after":
                self._kill()
            if fault in ("cut", "killed after"):
                self.close_connection = True
                return
            self._send(status, answer)

    def _kill(self) -> None:
        if self.server.script.victim is not None:
            os.kill(self.server.script.victim, signal.SIGKILL)
        self.close_connection = True

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        server, script = self.server, self.server.script
        if method == "POST" and path == "/files":
            name = re.search(rb'filename="([^"]+)"', body)
            rows = next(part for part in body.split(b"--" + body.split(b"\r\n")[0][2:]) if b'name="file"' in part)
            content = rows.split(b"\r\n\r\n", 1)[1].rstrip(b"\r\n") + b"\n"
            file_id = f"file-{len(server.files) + 1}"
            assert name is not None
            server.files[file_id] = {"id": file_id, "filename": name[1].decode(), "bytes": len(content)}
            server.contents[file_id] = content
            return 200, server.files[file_id]
        if method == "POST" and path == "/fine_tuning/jobs":
            wanted = json.loads(body)
            job = {
                "id": f"ftjob-{len(server.jobs) + 1}",
                "status": script.statuses[0],
                "fine_tuned_model": None,
                **wanted,
            }
            if not script.metadata:
                del job["metadata"]
            server.jobs.append(job)
            return 200, job
        if path in ("/files", "/fine_tuning/jobs"):
            if not script.lists:
                return 404, {"error": {"message": "no such path"}}
            rows = list(server.files.values()) if path == "/files" else server.jobs[::-1]
            after = parse_qs(urlsplit(self.path).query).get("after", [""])[0]
            start = next((index + 1 for index, row in enumerate(rows) if row["id"] == after), 0)
            page = rows[start : start + 2]  # short pages, so that there are several
            return 200, {"object": "list", "data": page, "has_more": start + 2 < len(rows)}
        if path.endswith("/content"):
            return 200, server.contents[path.split("/")[-2]]
        job_id = path.rpartition("/")[2]
        found = next((job for job in server.jobs if job["id"] == job_id), None)
        if found is None:
            return 404, {"error": {"message": f"no job {job_id}"}}
        look = server.looks[job_id] = server.looks.get(job_id, -1) + 1
        found["status"] = script.statuses[min(look, len(script.statuses) - 1)]
        if found["status"] == "succeeded":
            model = f"ft:{found['model']}:1" if script.names_model else None
            found |= {"fine_tuned_model": model, "trained_tokens": 4321, "result_files": ["result-1"]}
        if found["status"] == "failed":
            found["error"] = script.error or {"message": "the file is no good"}
        return 200, found

    def _send(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
