"""gem5 from a container image, through the Docker SDK, on Docker or Podman's Docker-compatible socket."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pie_bench.errors import UserError
from pie_bench.execution.sandbox.sandbox import Connected, Limits, SandboxError

# Where images put gem5: on the PATH (the gem5 project's), or in its build tree (PIE's authors', others).
LAYOUTS = (
    "gem5",
    "/gem5/build/X86/gem5.fast",
    "/gem5/build/X86/gem5.opt",
    "/working_dir/gem5/build/X86/gem5.fast",
    "/working_dir/gem5/build/X86/gem5.opt",
    "/usr/local/bin/gem5.opt",
    "/opt/gem5/build/X86/gem5.opt",
)
_FIND = (
    f'for gem5 in {" ".join(LAYOUTS)}; do command -v $gem5 >/dev/null && exec $gem5 "$@"; done; '
    'echo "no gem5 in this image" >&2; exit 127'
)
_CONNECT_SECONDS = 300


class ContainerGem5:
    """gem5 in a throwaway container: no network, only /tmp writable, no capabilities, an unprivileged user.

    `digest` is what `ensure_image` found under the image's name, which may refer to another image tomorrow.
    """

    def __init__(self, client: Any, image: str, digest: str):
        self._client, self._image = client, image
        self.description = f"the container image {image} ({digest})"

    @contextmanager
    def serve(
        self, flags: list[str], job: Mapping[str, Any], files: Mapping[str, bytes], root: Path, limits: Limits
    ) -> Iterator[Connected]:
        """Starts gem5 with `files` under /w and the root file system at the job's `root`."""
        with tempfile.TemporaryDirectory(prefix="pie-bench-") as name:
            folder = Path(name)
            for part in (folder, folder / "w", folder / "channel"):
                part.mkdir(exist_ok=True)
                part.chmod(0o755)  # the container runs as a different user
            for path, content in {**files, "/w/job.json": json.dumps(job, sort_keys=True).encode()}.items():
                (folder / path.lstrip("/")).write_bytes(content)
                (folder / path.lstrip("/")).chmod(0o755)
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(folder / "channel" / "socket"))
                (folder / "channel" / "socket").chmod(0o777)
                listener.listen(1)
                container = self._client.containers.create(
                    **container_options(self._image, flags, folder, root, limits)
                )
                try:
                    container.start()
                    with _accepted(listener, container) as channel:
                        yield Connected(channel, lambda: container.logs(stdout=False))
                finally:
                    container.remove(force=True, v=True)


def container_options(image: str, flags: list[str], folder: Path, root: Path, limits: Limits) -> dict[str, Any]:
    """The Docker SDK's options for a container that serves one job."""
    return {
        "image": image,
        "entrypoint": ["/bin/sh", "-c", _FIND, "gem5"],
        "command": [*flags, "/w/machine.py", "/w/job.json", "/channel/socket"],
        "user": "65534:65534",
        "working_dir": "/tmp",
        "environment": {"HOME": "/tmp", "LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1"},
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": 256,
        "ulimits": [
            {"Name": "nofile", "Soft": 256, "Hard": 256},
            {"Name": "nproc", "Soft": 4096, "Hard": 4096},  # a daemon's default may exceed what it can grant
            {"Name": "fsize", "Soft": limits.output_bytes, "Hard": limits.output_bytes},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "tmpfs": {"/tmp": f"size={limits.tmp_bytes},mode=1777"},
        "log_config": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
        "volumes": {
            str(folder / "w"): {"bind": "/w", "mode": "ro"},
            str(folder / "channel"): {"bind": "/channel", "mode": "ro"},
            str(root): {"bind": "/root", "mode": "ro"},
        },
    }


@contextmanager
def _accepted(listener: socket.socket, container: Any) -> Iterator[socket.socket]:
    """The connection opened by machine.py; SandboxError if the container ends without one."""
    listener.settimeout(1.0)
    for _ in range(_CONNECT_SECONDS):
        try:
            channel, _ = listener.accept()
        except TimeoutError:
            container.reload()
            if container.status in ("exited", "dead"):
                said = container.logs().decode(errors="replace").strip().splitlines()
                raise SandboxError(f"gem5's container ended: {said[-1] if said else 'no message'}") from None
            continue
        with channel:
            channel.settimeout(None)
            yield channel
        return
    raise SandboxError(f"gem5's container did not connect in {_CONNECT_SECONDS} s")


def docker_client() -> Any:
    """The Docker SDK's client for a daemon that answers. UserError with the remedy if there is none."""
    try:
        import docker
    except ModuleNotFoundError:
        raise UserError("gem5 from a container needs the Docker SDK: pip install docker") from None
    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except docker.errors.DockerException as error:
        host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        missing = "FileNotFoundError" in str(error)
        reason = "there is no such socket" if missing else str(error).splitlines()[0]
        raise UserError(
            f"no Docker daemon answers at {host} ({reason}); start Docker, or Podman with its socket in DOCKER_HOST "
            "(systemctl --user start podman.socket), or set PIE_GEM5_BINARY to a gem5 of this machine"
        ) from None
    return client


def ensure_image(
    client: Any, image: str, say: Callable[[str], object] = lambda line: print(line, file=sys.stderr)
) -> str:
    """Makes the image available, pulling it if needed; returns its registry digest, or its id if it has none.

    `image` is NAME, NAME:TAG or NAME@DIGEST. UserError if it is unavailable or only runs elsewhere.
    """
    import docker

    try:
        found = client.images.get(image)
    except docker.errors.ImageNotFound:
        try:
            reported = ""
            for event in client.api.pull(image, stream=True, decode=True):
                if "error" in event:
                    raise docker.errors.APIError(event["error"])
                if event.get("status") != reported and "id" not in event:
                    reported = event.get("status", "")
                    say(f"{image}: {reported}")
            found = client.images.get(image)
        except docker.errors.DockerException as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{image}: the image is not here and cannot be pulled ({reason}); pull or load it yourself, or name "
                "another in PIE_GEM5_IMAGE"
            ) from None
    architecture = found.attrs.get("Architecture")
    if architecture not in ("amd64", "x86_64", None):
        raise UserError(
            f"{image}: is built for {architecture}, but gem5 is needed for amd64; name another in PIE_GEM5_IMAGE"
        )
    published = found.attrs.get("RepoDigests") or []
    return str(published[0].rpartition("@")[2] if published else found.id)
