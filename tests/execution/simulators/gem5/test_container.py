"""gem5 from an image: the container's options, and a real local daemon with a stand-in for gem5 where one runs."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pie_bench.errors import UserError
from pie_bench.execution.environment import Environment, load_environment_spec
from pie_bench.execution.sandbox.sandbox import Sandbox, SandboxError
from pie_bench.execution.simulators.gem5 import launch
from pie_bench.execution.simulators.gem5.container import (
    ContainerGem5,
    container_options,
    docker_client,
    ensure_image,
)
from pie_bench.execution.simulators.gem5.golden import find_gem5, not_usable
from pie_bench.execution.simulators.gem5.launch import gem5_candidates
from pie_bench.execution.simulators.gem5.simulator import Session
from pie_bench.execution.simulators.gem5.spec import Gem5Spec
from pie_bench.execution.simulators.simulator import Found
from pie_bench.execution.toolchain import Toolchain
from pie_bench.run.run import Run
from pie_bench.stages.execute import note_simulator

SPEC = load_environment_spec("gem5-skylake")
assert isinstance(SPEC.simulator, Gem5Spec)
GEM5 = SPEC.simulator
# Speaks machine.py's protocol: upper-cases each input, prints what it can access, and reports 42 ticks.
STAND_IN = r"""
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>
static void send_text(int channel, const std::string& text) { (void)!write(channel, text.data(), text.size()); }
int main(int count, char** arguments) {
  int channel = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{}; address.sun_family = AF_UNIX; strcpy(address.sun_path, arguments[count - 1]);
  if (connect(channel, (sockaddr*)&address, sizeof address)) { perror("connect"); return 1; }
  send_text(channel, "{\"ready\": {\"version\": \"1.2.3\", \"before_main\": null}}\n");
  for (;;) {
    char data[4096], control[CMSG_SPACE(4 * sizeof(int))];
    iovec part{data, sizeof data}; msghdr message{};
    message.msg_iov = &part; message.msg_iovlen = 1;
    message.msg_control = control; message.msg_controllen = sizeof control;
    ssize_t got = recvmsg(channel, &message, 0);
    if (got <= 0) return 0;
    int fd[4]; memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    std::string number(strstr(data, "\"run\": ") + 7); number = number.substr(0, number.find(','));
    char input[4096]; ssize_t size = read(fd[0], input, sizeof input);
    std::string output;
    for (ssize_t i = 0; i < size; i++) output += (char)toupper(input[i]);
    output += open("/w/new", O_CREAT | O_WRONLY, 0600) < 0 ? " ro" : " WRITABLE";
    output += getuid() == 65534 ? " nobody" : " SOMEBODY";
    int network = socket(AF_INET, SOCK_STREAM, 0); sockaddr far{}; far.sa_family = AF_INET;
    output += access("/sys/class/net/eth0", F_OK) ? " offline" : " ONLINE"; (void)network;
    output += access("/root/usr/bin", F_OK) ? " ROOTLESS" : " root";
    (void)!write(fd[1], output.data(), output.size());
    const char* report = "{\"cause\": \"exiting with last active thread context\", \"code\": 0, \"ticks\": 42, "
                         "\"instructions\": 7, \"host_seconds\": 0.1}\n";
    (void)!write(fd[3], report, strlen(report));
    for (int one : fd) close(one);
    send_text(channel, "{\"done\": " + number + ", \"status\": 0}\n");
  }
}
"""


def test_the_container_has_nothing_but_the_job() -> None:
    limits = SPEC.simulator_limits
    options = container_options("image:tag", ["--quiet"], Path("/job"), Path("/roots/debian"), limits)
    assert options["network_mode"] == "none"
    assert options["read_only"] is True
    assert options["cap_drop"] == ["ALL"]
    assert options["security_opt"] == ["no-new-privileges"]
    assert options["user"] == "65534:65534"
    assert {volume["mode"] for volume in options["volumes"].values()} == {"ro"}
    assert options["volumes"]["/roots/debian"]["bind"] == "/root"
    assert {limit["Name"]: limit["Hard"] for limit in options["ulimits"]}["fsize"] == limits.output_bytes
    assert options["command"] == ["--quiet", "/w/machine.py", "/w/job.json", "/channel/socket"]


def test_without_a_daemon_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.delenv("PIE_GEM5_BINARY", raising=False)
    monkeypatch.setattr(launch.shutil, "which", lambda _: None)
    line = (
        r"no Docker daemon answers at unix:///nowhere/docker.sock \(there is no such socket\); start .*PIE_GEM5_BINARY"
    )
    with pytest.raises(UserError, match=line) as caught:
        find_gem5(SPEC, sandbox)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_a_binary_is_named(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIE_GEM5_BINARY", str(tmp_path / "gem5.opt"))
    for name, isa in (("gem5-skylake", "X86"), ("gem5-neoverse", "Arm")):
        line = next(gem5_candidates(load_environment_spec(name), sandbox))
        missing = f"PIE_GEM5_BINARY: {tmp_path / 'gem5.opt'}: no program there"
        assert line == f"{missing}; set it to a gem5 binary built for {isa}"


def test_an_environment_without_images_asks_for_a_binary(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    for variable in ("PIE_GEM5_BINARY", "PIE_GEM5_IMAGE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(launch.shutil, "which", lambda _: None)
    line = "no usable gem5:  no container image has a gem5 for gem5-boom; build one and set PIE_GEM5_BINARY to it"
    with pytest.raises(UserError, match=line):
        find_gem5(load_environment_spec("gem5-boom"), sandbox)


def test_only_known_ticks_of_an_accepted_version_serve() -> None:
    spec = GEM5.model_copy(update={"versions": ("24.0", "20.1"), "golden_ticks": {"24.0.0.1": 7}})
    assert not_usable(spec, "24.0.0.1", 7) is None
    assert not_usable(spec, "20.1.0.2", 9) is None, "nothing is known of this version yet"
    assert "8 ticks" in (not_usable(spec, "24.0.0.1", 8) or "")
    assert "this environment accepts 24.0, 20.1" in (not_usable(spec, "24.01", 7) or "")
    faulty = spec.model_copy(update={"faulty_ticks": {9: "it forgets; update it"}})
    assert not_usable(faulty, "20.1.0.2", 9) == "gem5 20.1.0.2 has a fault: it forgets; update it"
    assert not_usable(faulty, "20.1.0.2", 10) is None


@pytest.fixture(scope="module")
def daemon() -> Any:
    try:
        return docker_client()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def image(daemon: Any, pinned_root: Path, sandbox: Sandbox) -> Iterator[str]:
    """An image made here: a shell and the stand-in, where PIE's authors' image keeps gem5."""
    toolchain = SPEC.toolchain.model_copy(update={"flags": ("-O1", "-static")})
    program = Toolchain(toolchain, SPEC.compile_limits, sandbox, pinned_root).compile(STAND_IN)
    assert program.binary is not None, program.log
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in ("bin", "lib", "lib64", "usr/bin/sh", "usr/bin/dash", "usr/lib/x86_64-linux-gnu/libc.so.6"):
            archive.add(pinned_root / name, name)
        for name in ("usr/lib/x86_64-linux-gnu/libc-2.31.so", "usr/lib/x86_64-linux-gnu/ld-2.31.so"):
            archive.add(pinned_root / name, name)
        archive.add(pinned_root / "usr/lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2")
        archive.addfile(tarfile.TarInfo(f"made-by-{os.getpid()}"))  # images of equal content may share an id
        member = tarfile.TarInfo("gem5/build/X86/gem5.opt")
        member.size, member.mode = len(program.binary), 0o755
        archive.addfile(member, io.BytesIO(program.binary))
    repository = f"pie-bench-test-gem5-{os.getpid()}"
    daemon.api.import_image_from_data(content.getvalue(), repository=repository, tag="latest")
    yield f"{repository}:latest"
    daemon.images.remove(f"{repository}:latest", force=True)


def session(daemon: Any, image: str, root: Path) -> Session:
    return Session(
        launch.ImageGem5(ContainerGem5(daemon, image, ensure_image(daemon, image))), b"program", {}, root, SPEC
    )


def test_a_real_container_serves_inputs_and_reaches_nothing(daemon: Any, image: str, pinned_root: Path) -> None:
    with session(daemon, image, pinned_root) as served:
        assert served.ready["version"] == "1.2.3"
        for number, text in enumerate([b"one", b"two"]):
            served.send(number, text)
            done, ran = served.next_done()
            assert done == number
            assert ran.stdout == text.upper() + b" ro nobody offline root"
            assert ran.counters == {"ticks": 42, "instructions": 7}
        assert [container["State"] for container in containers_of(daemon, image)] == ["running"]
    assert containers_of(daemon, image) == []


def test_an_image_without_gem5_says_so(daemon: Any, image: str, pinned_root: Path, sandbox: Sandbox) -> None:
    content = io.BytesIO(daemon.images.get(image) and b"".join(daemon.api.export(_created(daemon, image))))
    emptied = io.BytesIO()
    with tarfile.open(fileobj=content) as old, tarfile.open(fileobj=emptied, mode="w") as new:
        for member in old:
            if not member.name.startswith("gem5"):
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
    repository = f"pie-bench-test-empty-{os.getpid()}"
    daemon.api.import_image_from_data(emptied.getvalue(), repository=repository, tag="latest")
    try:
        with pytest.raises(SandboxError, match="no gem5 in this image"):
            session(daemon, f"{repository}:latest", pinned_root)
    finally:
        for container in containers_of(daemon, image):
            daemon.api.remove_container(container["Id"], force=True)
        daemon.images.remove(f"{repository}:latest", force=True)


def containers_of(daemon: Any, image: str) -> list[dict[str, Any]]:
    """By its id, because Podman's filter knows the image by another name."""
    wanted = daemon.images.get(image).id.removeprefix("sha256:")
    return [x for x in daemon.api.containers(all=True) if x["ImageID"].removeprefix("sha256:") == wanted]


def _created(daemon: Any, image: str) -> str:
    return daemon.containers.create(image, command=["/bin/sh"]).id


def test_an_image_that_cannot_be_pulled_is_one_line(daemon: Any) -> None:
    with pytest.raises(UserError, match=r"localhost:1/none:1: .*cannot be pulled.*PIE_GEM5_IMAGE") as caught:
        ensure_image(daemon, "localhost:1/none:1")
    assert "\n" not in str(caught.value)


def test_an_image_for_another_processor_is_refused() -> None:
    images = SimpleNamespace(get=lambda _: SimpleNamespace(attrs={"Architecture": "arm64"}))
    with pytest.raises(UserError, match="is built for arm64, but gem5 is needed for amd64"):
        ensure_image(SimpleNamespace(images=images), "image:tag")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"RepoDigests": ["ghcr.io/gem5/x@sha256:1a"]}, "sha256:1a"),
        ({"RepoDigests": []}, "sha256:2b"),
        ({}, "sha256:2b"),
    ],
)
def test_the_image_is_recorded(attributes: dict[str, Any], expected: str, tmp_path: Path) -> None:
    images = SimpleNamespace(get=lambda _: SimpleNamespace(attrs=attributes, id="sha256:2b"))
    digest = ensure_image(SimpleNamespace(images=images), "image:tag")
    assert digest == expected
    gem5 = launch.ImageGem5(ContainerGem5(None, "image:tag", digest))
    directory = Run(tmp_path)
    directory.manifest_path.write_text('{"settings": {"task": "t", "model": "m"}, "identity": {}}')
    note_simulator(directory, Environment(SPEC, {}, found=Found(description=gem5.description)))
    assert directory.read_manifest().simulators == {"gem5-skylake": f"the container image image:tag ({expected})"}
