"""Containers through the Docker SDK: for machines that offer nothing but a daemon.

The image is nearly empty; `/usr` is mounted read-only from this machine or the root file system, so a program sees the
same as in bubblewrap. The streams are files, because a simulator's counts depend on that.
"""

from __future__ import annotations

import atexit
import io
import itertools
import json
import os
import select
import signal
import tarfile
import tempfile
import threading
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from pie_bench.execution.sandbox import seccomp
from pie_bench.execution.sandbox.folder import write_file
from pie_bench.execution.sandbox.process import (
    RESIDENT_BYTES,
    Ended,
    finished_with,
    has_ended,
    prlimit_options,
    rlimits,
)
from pie_bench.execution.sandbox.sandbox import (
    ALL_ADDRESSES,
    REPORT_PATH,
    Command,
    Connected,
    Finished,
    Limits,
    NotServedError,
    SandboxError,
    Served,
    Stage,
)

_IMAGE = "pie-bench-sandbox-1:latest"  # Podman gives imported images no other tag
_LABEL = "pie_bench.harness"
_NOBODY = "65534:65534"
_START = 'exec "$@" </streams/stdin >/streams/stdout 2>/streams/stderr'
_SLACK_BYTES = 64 << 20  # so that a program hits its own limit, not the container's
_numbers = itertools.count()


class ContainerSandbox:
    """The `Sandbox` contract, except `serve` and `connect`, on a Docker daemon of this machine.

    Each compiler or simulator gets a new container. Programs share a container that has run others: they can leave
    nothing behind (nothing writable, no processes to fork).
    """

    name = "container"
    remedy = (
        "needed: the package docker (pip install docker) and a Docker or Podman daemon on this machine, "
        "in DOCKER_HOST if not at the default address"
    )
    shows_roots = True
    accounts_cpu = False

    def __init__(self) -> None:
        try:
            import docker
        except ModuleNotFoundError:
            raise SandboxError("the Docker SDK is not installed: pip install docker") from None
        self._errors = docker.errors.DockerException
        self._idle: dict[Any, list[_Container]] = {}
        self._lock = threading.Lock()
        try:
            self._client = docker.from_env(timeout=60)
            self._client.ping()
            self._is_podman = _is_podman(self._client)
            self._remove_left_over()
            if not self._client.images.list(_IMAGE):
                repository, tag = _IMAGE.split(":")
                self._client.api.import_image_from_data(_image(), repository=repository, tag=tag)
        except self._errors as error:
            host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
            missing = "FileNotFoundError" in str(error)
            reason = "there is no such socket" if missing else str(error).splitlines()[0]
            raise SandboxError(f"no Docker daemon answers at {host} ({reason})") from None
        atexit.register(self._remove_idle)

    def run(self, command: Command, limits: Limits, stage: Stage) -> Finished:
        """Runs to completion or to a limit. Raises SandboxError if the container could not be started."""
        key = (json.dumps(limits.model_dump()), command.root, tuple(sorted(command.shown.items())))
        container = None
        try:
            if stage == "payload":
                with self._lock:
                    idle = self._idle.setdefault(key, [])
                    container = idle.pop() if idle else None
            container = container or _Container(self._client, self._is_podman, command, limits, stage)
            finished = container.run(command, limits, stage)
            if stage == "payload" and not finished.wall_timeout:
                with self._lock:
                    self._idle[key].append(container)
                container = None
            return finished
        except self._errors as error:
            raise SandboxError(f"container: {str(error).splitlines()[0]}") from None
        finally:
            if container is not None:
                container.remove()

    def serve(self, command: Command, limits: Limits, stage: Stage = "simulator") -> AbstractContextManager[Served]:
        """Unsupported: descriptors cannot be passed into a container."""
        raise NotServedError("the sandbox container runs every simulation in a process of its own")

    def connect(self, command: Command, limits: Limits) -> AbstractContextManager[Connected]:
        """Unsupported: gem5 brings its own container."""
        raise SandboxError("gem5 installed on this machine cannot run in the container sandbox: use a gem5 image")

    def _remove_idle(self) -> None:
        for containers in self._idle.values():
            for container in containers:
                with suppress(self._errors):
                    container.remove()
        self._idle.clear()

    def _remove_left_over(self) -> None:
        # The plain listing: the SDK's own inspects each container again, which another harness may have removed by
        # then.
        for container in self._client.api.containers(all=True, filters={"label": _LABEL}):
            if has_ended(container["Labels"][_LABEL]):
                with suppress(self._errors):
                    self._client.api.remove_container(container["Id"], force=True, v=True)


class _Container:
    """A waiting container, and the folder of this machine that it sees: /w, and a file for each stream."""

    def __init__(self, client: Any, is_podman: bool, command: Command, limits: Limits, stage: Stage):
        self._api = client.api
        self._given: list[Path] = []
        self._temporary = tempfile.TemporaryDirectory(prefix=f"pie_bench-{os.getpid()}-")
        self._folder = Path(self._temporary.name)
        for part in (self._folder, self._folder / "w", self._folder / "streams"):
            part.mkdir(exist_ok=True)
            part.chmod(0o755)  # the container runs as a different user
        self._container = None
        try:
            options = _options(command, limits, stage, self._folder)
            if is_podman:
                _for_podman(options, stage, self._folder)
            self._container = client.containers.create(**options)
            self._container.start()
        except BaseException:
            self.remove()
            raise

    def run(self, command: Command, limits: Limits, stage: Stage) -> Finished:
        """Runs the command to completion. After a `wall_timeout` it is still running: remove the container."""
        assert self._container is not None
        self._put(command)
        start = time.monotonic()
        job = self._api.exec_create(self._container.id, _command_line(command, limits, stage), workdir="/tmp")["Id"]
        channel = self._api.exec_start(job, socket=True)
        try:
            in_time = bool(select.select([channel], [], [], limits.wall_seconds)[0])  # closed: nothing is ever written
        finally:
            channel._response.close()  # closing the channel alone would leave the connection open
        status = self._status(job) if in_time else 128 + signal.SIGKILL
        ended = Ended(status, time.monotonic() - start, not in_time)
        streams = ((self._folder / "streams" / name).read_bytes() for name in ("stdout", "stderr", "report"))
        return finished_with(ended, limits, *streams)

    def _status(self, job: str) -> int:
        """The exit status as a shell reports it; the daemon may learn it a moment after the end."""
        for _ in range(1000):
            state = self._api.exec_inspect(job)
            if not state["Running"] and state["ExitCode"] is not None:
                return int(state["ExitCode"])
            time.sleep(0.005)
        raise SandboxError("container: the daemon did not report how the command ended")

    def remove(self) -> None:
        try:
            if self._container is not None:
                self._container.remove(force=True, v=True)
        finally:
            self._temporary.cleanup()

    def _put(self, command: Command) -> None:
        for place in self._given:
            place.unlink()
        self._given = []
        for path, given in command.files.items():
            if Path(path).parent != Path("/w"):
                raise SandboxError(f"{path}: in a container, files can only be placed in /w")
            self._given.append(self._folder / "w" / Path(path).name)
            write_file(self._given[-1], given)
        for stream in ("stdin", "stdout", "stderr", "report"):
            place = self._folder / "streams" / stream
            place.unlink(missing_ok=True)
            place.write_bytes(command.stdin if stream == "stdin" else b"")
            place.chmod(0o444 if stream == "stdin" else 0o666)


def _command_line(command: Command, limits: Limits, stage: Stage) -> list[str]:
    # All processes under this uid count as one user's, so the container has its own limit for them.
    limited = prlimit_options({name: limit for name, limit in rlimits(limits, stage).items() if name != "nproc"})
    environment = [f"{key}={value}" for key, value in sorted(command.environment.items())]
    argv = [argument.replace(REPORT_PATH, "/streams/report") for argument in command.argv]
    clean = ["/usr/bin/env", "-i", *environment, "PWD=/tmp"]
    fixed = [] if command.random_addresses else ["/usr/bin/setarch", "-R"]
    return ["/bin/sh", "-c", _START, "sh", *clean, *fixed, "/usr/bin/prlimit", *limited, *argv]


def _is_podman(client: Any) -> bool:
    return any(part.get("Name") == "Podman Engine" for part in client.version().get("Components") or ())


def _for_podman(options: dict[str, Any], stage: Stage, folder: Path) -> None:
    """Adapts the options to Podman: it wants the path of the seccomp profile, makes some folders of a read-only
    container writable, and adds the host's /etc/hosts and some other files."""
    profile = folder / "seccomp.json"
    profile.write_text(json.dumps(seccomp.docker_profile(stage)))
    options["security_opt"] = ["no-new-privileges", f"seccomp={profile}"]
    nothing = folder / "nothing"
    nothing.mkdir()
    folders = ["/run", "/var/tmp", *(["/tmp"] if stage in ("payload", "emulated") else [])]
    for place in (*folders, "/etc/hosts", "/etc/passwd", "/etc/group", "/etc/hostname"):
        empty = nothing / place.replace("/", "-")
        if place in folders:
            empty.mkdir()
        else:
            empty.touch(mode=0)
        options["volumes"][str(empty)] = {"bind": place, "mode": "ro"}


def _options(command: Command, limits: Limits, stage: Stage, folder: Path) -> dict[str, Any]:
    """The Docker SDK's options for a container that waits for a command."""
    usr = command.root / "usr" if command.root is not None else Path("/usr")
    volumes = {
        str(usr): {"bind": "/usr", "mode": "ro"},
        str(folder / "w"): {"bind": "/w", "mode": "ro"},
        str(folder / "streams"): {"bind": "/streams", "mode": "rw"},
    }
    volumes |= {str(place): {"bind": path, "mode": "ro"} for path, place in command.shown.items()}
    cache = command.root / "etc" / "ld.so.cache" if command.root is not None else None
    if cache is not None and cache.exists():
        volumes[str(cache)] = {"bind": "/etc/ld.so.cache", "mode": "ro"}
    memory_bytes = limits.memory_bytes if limits.memory_bytes < ALL_ADDRESSES else RESIDENT_BYTES
    return {
        "image": _IMAGE,
        "name": f"pie_bench-{os.getpid()}-{next(_numbers)}",
        "labels": {_LABEL: str(os.getpid())},
        "entrypoint": ["/bin/cat"],  # waits, because its input stays open
        "stdin_open": True,
        "user": _NOBODY,
        "hostname": "sandbox",
        "working_dir": "/tmp",
        "network_mode": "none",
        "ipc_mode": "none",  # no /dev/shm
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", f"seccomp={json.dumps(seccomp.docker_profile(stage))}"],
        # Far above the limits set inside; a daemon's defaults may exceed what it can grant.
        "ulimits": [{"Name": name, "Soft": most, "Hard": most} for name, most in (("nofile", 1024), ("nproc", 4096))],
        "pids_limit": limits.processes,
        "mem_limit": memory_bytes + _SLACK_BYTES,
        "memswap_limit": memory_bytes + _SLACK_BYTES,
        "tmpfs": {"/tmp": f"size={limits.tmp_bytes},mode=1777"} if stage in ("compile", "simulator") else {},
        "log_config": {"Type": "none"},
        "volumes": volumes,
    }


def _image() -> bytes:
    """A tar archive of an empty file system: folders to mount on, and links into /usr."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name in ("usr", "w", "tmp", "streams", "etc", "dev", "proc", "sys"):
            folder = tarfile.TarInfo(name)
            folder.type = tarfile.DIRTYPE
            folder.mode = 0o1777 if name == "tmp" else 0o755  # mounts get the same mode
            tar.addfile(folder)
        for name in ("lib", "lib64", "bin"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(link)
    return content.getvalue()
