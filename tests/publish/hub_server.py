"""A stand-in for the Hugging Face Hub: it creates repositories, accepts commits, and keeps what it gets."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub(ThreadingHTTPServer):
    """`repositories`: what was created. `files`: by repository and path, as committed. `refuse`: a status to answer
    commits with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, Any]] = {}
        self.files: dict[tuple[str, str], bytes] = {}
        self.tokens: set[str | None] = set()
        self.refuse: int | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        hub, path = self.server, self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hub.tokens.add(self.headers.get("Authorization"))
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            if name in hub.repositories:
                self._answer(409, {"error": "You already created this dataset repo", "url": f"{hub.endpoint}/{name}"})
            else:
                hub.repositories[name] = asked
                self._answer(200, {"url": f"{hub.endpoint}/datasets/{name}", "name": name})
        elif path == "/api/validate-yaml":  # of a card's header
            self._answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            said = [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False} for each in files]
            self._answer(200, {"files": said})
        elif "/commit/" in path and hub.refuse is not None:
            self._answer(hub.refuse, {"error": "You have no right to write to this repository"})
        elif "/commit/" in path:
            repository = path.removeprefix("/api/datasets/").partition("/commit/")[0]
            for line in body.decode().splitlines():
                item = json.loads(line)
                if item["key"] == "file":
                    value = item["value"]
                    assert value["encoding"] == "base64"
                    hub.files[repository, value["path"]] = base64.b64decode(value["content"])
            self._answer(200, {"commitOid": "0" * 40, "commitUrl": f"{hub.endpoint}/datasets/{repository}/commit/0"})
        else:
            self._answer(404, {"error": f"no {path}"})

    def do_GET(self) -> None:
        if self.path.startswith("/api/datasets/"):
            self._answer(200, {"id": "o/d", "sha": "0" * 40, "siblings": []})
        else:
            self._answer(404, {"error": f"no {self.path}"})

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass
