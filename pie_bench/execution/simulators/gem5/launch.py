"""Where gem5 comes from: a local binary, or a container image. Both serve machine.py's protocol."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from pie_bench.errors import UserError
from pie_bench.execution.environment import EnvironmentSpec
from pie_bench.execution.sandbox.sandbox import CHANNEL, Command, Connected, File, Limits, Sandbox
from pie_bench.execution.simulators.gem5.container import ContainerGem5, docker_client, ensure_image
from pie_bench.execution.simulators.gem5.spec import Gem5Spec

BINARY_VARIABLE, IMAGE_VARIABLE = "PIE_GEM5_BINARY", "PIE_GEM5_IMAGE"
MACHINE = Path(__file__).with_name("machine.py")
_ROOT_INSIDE = "/root"  # the pinned root file system, as gem5 sees it; the simulated program sees it as `/`
_FLAGS = ["--quiet", "--dump-config=", "--json-config=", "--dot-config=", "--outdir=/tmp/m5out"]


class Gem5(Protocol):
    """A gem5 that can be started with a job (see machine.py)."""

    description: str
    accounts_cpu: bool  # as in the `Sandbox` contract

    def serve(
        self, job: Mapping[str, Any], files: Mapping[str, bytes], root: Path, limits: Limits
    ) -> AbstractContextManager[Connected]:
        """Starts gem5 on a job; `files` appear at their paths (/w/…), and `root` is the simulated programs' file
        system."""
        ...


class BinaryGem5:
    """gem5 built on this machine, run in the sandbox, where it can only reach the job."""

    def __init__(self, binary: Path, sandbox: Sandbox):
        self._binary, self._sandbox = binary, sandbox
        self.accounts_cpu = sandbox.accounts_cpu
        self.description = str(binary)

    @contextmanager
    def serve(
        self, job: Mapping[str, Any], files: Mapping[str, bytes], root: Path, limits: Limits
    ) -> Iterator[Connected]:
        command = Command(
            argv=["/w/gem5", *_FLAGS, "/w/machine.py", "/w/job.json", CHANNEL],
            files={
                "/w/machine.py": File(MACHINE.read_bytes()),
                "/w/job.json": File(json.dumps({**job, "root": f"{_ROOT_INSIDE}/"}, sort_keys=True).encode()),
                **{path: File(content, executable=True) for path, content in files.items()},
            },
            environment={"PATH": "/usr/bin", "HOME": "/tmp", "LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1"},
            shown={"/w/gem5": self._binary, _ROOT_INSIDE: root},
        )
        with self._sandbox.connect(command, limits) as connected:
            yield connected


class ImageGem5:
    """gem5 from a container image that is on this machine."""

    accounts_cpu = False

    def __init__(self, container: ContainerGem5):
        self._container = container
        self.description = container.description

    def serve(
        self, job: Mapping[str, Any], files: Mapping[str, bytes], root: Path, limits: Limits
    ) -> AbstractContextManager[Connected]:
        files = {"/w/machine.py": MACHINE.read_bytes(), **files}
        return self._container.serve(_FLAGS, {**job, "root": f"{_ROOT_INSIDE}/"}, files, root, limits)


def gem5_candidates(spec: EnvironmentSpec, sandbox: Sandbox) -> Iterator[Gem5 | str]:
    """Every way to a gem5 in order of preference, or one line that says why it is unusable and what to do."""
    for named in filter(None, os.environ.get(BINARY_VARIABLE, "").split(os.pathsep)):
        path = Path(named).expanduser().resolve()
        if path.is_file() and os.access(path, os.X_OK):
            yield BinaryGem5(path, sandbox)
        else:
            built_for = spec.toolchain.isa.gem5
            yield f"{BINARY_VARIABLE}: {named}: no program there; set it to a gem5 binary built for {built_for}"
    on_path = shutil.which("gem5")
    if on_path:
        yield BinaryGem5(Path(on_path).resolve(), sandbox)
    chosen = os.environ.get(IMAGE_VARIABLE)
    assert isinstance(spec.simulator, Gem5Spec)
    if not chosen and not spec.simulator.images:
        yield f"no container image has a gem5 for {spec.environment}; build one and set {BINARY_VARIABLE} to it"
        return
    try:
        client = docker_client()
    except UserError as error:
        yield str(error)
        return
    for image in (chosen,) if chosen else spec.simulator.images:
        try:
            digest = ensure_image(client, image)
        except UserError as error:
            yield str(error)
        else:
            yield ImageGem5(ContainerGem5(client, image, digest))
