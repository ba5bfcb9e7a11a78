"""Fine-tuning jobs on services that speak OpenAI's protocol: one job per folder, even if interrupted.

Creating a job is what costs money. So the folder's key is saved before anything is sent and goes along as the job's
metadata: if it is unclear whether a job was created (a kill, a broken connection), the service's job list tells.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pie_bench.adapt.chat import ChatFiles
from pie_bench.errors import PieBenchError, UserError
from pie_bench.models.checkpoint import RECORD
from pie_bench.models.failures import Provider, Refused, Retry
from pie_bench.models.openai import OPENAI_URL, OpenAIEntry, url_from_environment
from pie_bench.models.pace import backoff_seconds
from pie_bench.plain import plain
from pie_bench.run.files import write_json

_KEY = "pie_bench"  # key in a job's metadata
_NO_LIST = (404, 405, 501)
_DONE, _LOST = "succeeded", ("failed", "cancelled")
_GOING = ("validating_files", "queued", "running", "pausing", "paused", "resuming")


class _Status(Exception):
    """An HTTP status that the caller wants to handle."""

    def __init__(self, status: int):
        super().__init__(str(status))
        self.status = status


@dataclass(frozen=True)
class Job:
    """The requested job. `poll_seconds`: polling interval. `take_up`: the id of an existing job to adopt."""

    epochs: int
    seed: int
    suffix: str
    poll_seconds: float = 30.0
    take_up: str | None = None


def fine_tune(entry: OpenAIEntry, job: Job, files: ChatFiles, out: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the finished model's record, also kept in the folder; resumes wherever an earlier call stopped.

    The caller has locked the folder. Raises UserError for what the user can fix (a key, credit, a rejected request, a
    service that does not answer) and PieBenchError for a job that failed or was cancelled.
    """
    service = _Service(entry)
    state = _State(out / "job.json")
    if job.take_up is not None and state.job_id is None:
        state.note(job={"id": job.take_up})
    if state.job_id is None:
        named = {"train": files.train, **({"validation": files.validation} if files.validation else {})}
        for name, path in named.items():
            if name not in state.files:
                state.note_file(name, service.upload(path, f"pie_bench-{state.key[:12]}-{path.name}"))
        state.note(job=_created(service, entry, job, state))
    found = _awaited(service, state, job)
    for number, file_id in enumerate(found.get("result_files") or ()):
        _keep_results(service, str(file_id), out / f"results-{number}.csv")
    record = {
        **identity,
        "model": found["fine_tuned_model"],
        "job": found["id"],
        "service": service.url,
        "trained_tokens": found.get("trained_tokens"),
    }
    write_json(out / RECORD, record)
    return record


class _State:
    """`job.json`: the folder's key, the uploaded files, and the job's last known state."""

    def __init__(self, path: Path):
        self._path = path
        try:
            self._data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            self._data = {"key": uuid.uuid4().hex, "files": {}, "asked": False, "job": None}
            write_json(path, self._data)
        except ValueError as error:
            raise UserError(f"{path}: not the state of a job ({error}); restore it, or give another --out") from None

    @property
    def key(self) -> str:
        return str(self._data["key"])

    @property
    def files(self) -> dict[str, str]:
        return dict(self._data["files"])

    @property
    def asked(self) -> bool:
        """Whether creating a job was ever attempted: it may exist even if its id is unknown."""
        return bool(self._data["asked"])

    @property
    def job_id(self) -> str | None:
        return None if self._data["job"] is None else str(self._data["job"]["id"])

    def note(self, **what: Any) -> None:
        self._data |= what
        write_json(self._path, self._data)

    def note_file(self, name: str, file_id: str) -> None:
        self.note(files=self.files | {name: file_id})


def _created(service: _Service, entry: OpenAIEntry, job: Job, state: _State) -> dict[str, Any]:
    """The folder's job: the one that the service lists, otherwise a new one."""
    wanted: dict[str, Any] = {
        "model": entry.id,
        "training_file": state.files["train"],
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": job.epochs}}},
        "seed": job.seed,
        "suffix": job.suffix,
        "metadata": {_KEY: state.key},
    }
    if "validation" in state.files:
        wanted["validation_file"] = state.files["validation"]
    patience = service.patience()
    while True:
        if state.asked:
            found = service.find_job(state.key, state.files["train"])
            if found is not None:
                return found
        state.note(asked=True)
        try:
            return service.once(
                "the fine-tuning job",
                lambda client: client.fine_tuning.jobs.with_raw_response.create(
                    **wanted, extra_headers={"Idempotency-Key": state.key}
                ),
            )
        except Retry as error:  # it may have been created nonetheless
            patience.wait(error)


def _awaited(service: _Service, state: _State, job: Job) -> dict[str, Any]:
    """Waits until the job has succeeded, and returns it."""
    job_id, said = str(state.job_id), ""
    while True:
        found = service.job(job_id)
        state.note(job=found)
        status = str(found.get("status"))
        if status != said:
            hint = "; resume it at the service to continue" if status == "paused" else ""
            hint = hint or ("" if status in (*_GOING, _DONE, *_LOST) else "; unknown status: waiting")
            print(plain(f"job {job_id}: {status}{hint}"), file=sys.stderr, flush=True)
            said = status
        if status == _DONE:
            if not found.get("fine_tuned_model"):
                raise PieBenchError(f"job {job_id} succeeded without naming a model; ask {service.url}")
            return found
        if status in _LOST:
            error = found.get("error") or {}
            why = f": {error['message']}" if isinstance(error, dict) and error.get("message") else ""
            raise PieBenchError(
                f"job {job_id} {'was cancelled' if status == 'cancelled' else 'failed'}{why}; to try again, "
                "give another --out"
            )
        time.sleep(job.poll_seconds)


def _keep_results(service: _Service, file_id: str, path: Path) -> None:
    """Saves the service's table of losses, which may be base64-encoded. Failing to get it is not fatal."""
    try:
        content = service.content(file_id)
    except PieBenchError as error:
        print(plain(f"the results {file_id} cannot be fetched: {error}"), file=sys.stderr)
        return
    if not content.lstrip().startswith(b"step"):
        with suppress(binascii.Error, ValueError):
            content = base64.b64decode(content, validate=True)
    path.write_bytes(content)


class _Patience:
    """Pauses between retries until their total exceeds the limit."""

    def __init__(self, most_seconds: float, base_seconds: float, unreachable: Callable[[str], UserError]):
        self._until = time.monotonic() + most_seconds
        self._base, self._unreachable, self._tries = base_seconds, unreachable, 0

    def wait(self, error: Retry) -> None:
        pause = error.wait_seconds or backoff_seconds(self._tries, self._base)
        self._tries += 1
        if time.monotonic() + pause > self._until:
            raise self._unreachable(str(error)) from None
        time.sleep(pause)


class _Service:
    """Calls to one service through the official client, with its own retries off."""

    def __init__(self, entry: OpenAIEntry):
        from openai import OpenAI

        self.url = entry.base_url or url_from_environment() or OPENAI_URL
        key = os.environ.get(entry.api_key_env) or None
        if self.url == OPENAI_URL and key is None:
            raise UserError(f"{self.url} requires a key; set {entry.api_key_env}, or change OPENAI_BASE_URL")
        self._provider = Provider(self.url, entry.id, entry.api_key_env, key, entry.note)
        self._entry = entry
        self._client = OpenAI(api_key=key or "none", base_url=self.url, max_retries=0, timeout=entry.timeout_seconds)

    def patience(self) -> _Patience:
        return _Patience(self._entry.max_wait_seconds, self._entry.backoff_seconds, self._provider.unreachable)

    def upload(self, path: Path, name: str) -> str:
        """The id of the file of this name: the existing one if the service has it, otherwise uploaded."""
        patience = self.patience()
        while True:
            for known in self._listed(lambda client, **page: client.files.with_raw_response.list(**page)) or ():
                if known.get("filename") == name and known.get("bytes") in (None, path.stat().st_size):
                    return str(known["id"])
            try:
                return str(self.once(f"the file {path.name}", partial(_send_file, path, name))["id"])
            except Retry as error:
                patience.wait(error)

    def find_job(self, key: str, training_file: str) -> dict[str, Any] | None:
        """The job with this key. UserError if the service does not list its jobs: then nobody knows."""
        jobs = self._listed(lambda client, **page: client.fine_tuning.jobs.with_raw_response.list(**page))
        if jobs is None:
            raise UserError(
                f"{self.url} may have created the job, but does not list its jobs; check there, then adopt it with "
                "--job ID, or if there is none, give another --out"
            )
        for job in jobs:
            metadata = job.get("metadata")
            if (metadata or {}).get(_KEY) == key or (metadata is None and job.get("training_file") == training_file):
                return job
        return None

    def job(self, job_id: str) -> dict[str, Any]:
        try:
            return self._patiently(
                f"job {job_id}",
                lambda client: client.fine_tuning.jobs.with_raw_response.retrieve(job_id),
                seen=(404,),
            )
        except _Status:
            raise UserError(f"{self.url} knows no job {job_id}; is it the right service and account?") from None

    def content(self, file_id: str) -> bytes:
        """A file's bytes."""
        got: list[bytes] = []
        patience = self.patience()
        while not got:
            try:
                got.append(
                    self._sent(
                        f"file {file_id}", lambda client: client.files.with_raw_response.content(file_id), seen=_NO_LIST
                    )
                )
            except Retry as error:
                patience.wait(error)
            except _Status as error:
                raise PieBenchError(f"status {error}") from None
        return got[0]

    def once(self, about: str, send: Callable[[Any], Any]) -> dict[str, Any]:
        """Makes one call whose outcome may be unknown; raises Retry in that case."""
        return _object(self._sent(about, send))

    def _patiently(self, about: str, send: Callable[[Any], Any], seen: tuple[int, ...] = ()) -> dict[str, Any]:
        """Makes a call that is safe to repeat, with retries."""
        patience = self.patience()
        while True:
            try:
                return _object(self._sent(about, send, seen))
            except Retry as error:
                patience.wait(error)

    def _listed(self, send: Callable[..., Any]) -> list[dict[str, Any]] | None:
        """All pages of a list; None if the service has no such list."""
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"limit": 100}
        while True:
            try:
                body = self._patiently("a list", partial(send, **page), seen=_NO_LIST)
            except _Status:
                return None
            rows = [row for row in body.get("data") or () if isinstance(row, dict) and "id" in row]
            found += rows
            if not body.get("has_more") or not rows:
                return found
            page = {"limit": 100, "after": rows[-1]["id"]}

    def _sent(self, about: str, send: Callable[[Any], Any], seen: tuple[int, ...] = ()) -> bytes:
        """The response's bytes. Raises Retry, UserError, or _Status for a status in `seen`."""
        import openai

        try:
            content: bytes = send(self._client).http_response.content
            return content
        except openai.APIStatusError as error:
            if error.status_code in seen:
                raise _Status(error.status_code) from None
            try:
                body: Any = error.response.json()
            except ValueError:
                body = error.response.text[:300]
            failure = self._provider.failure(error.status_code, body, error.response.headers, about)
            raise failure.error if isinstance(failure, Refused) else failure from None
        except openai.APIConnectionError as error:  # includes time-outs
            raise Retry(f"{type(error.__cause__).__name__}: {error.__cause__ or error}") from None


def _send_file(path: Path, name: str, client: Any) -> Any:
    with path.open("rb") as handle:
        return client.files.with_raw_response.create(file=(name, handle), purpose="fine-tune")


def _object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Retry("a response that is not a JSON object")
    return body
