"""The pinned root file system: exact packages, nothing of the host, the same tree wherever it is built."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import lzma
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pie_bench.errors import UserError
from pie_bench.execution.environment import Environment, load_environment_spec
from pie_bench.execution.rootfs import (
    Package,
    RootSpec,
    _fetched,
    build_root,
    configured_mirrors,
    find_root,
    load_root_spec,
    root_path,
    tree_sha256,
    unpack,
)
from pie_bench.execution.sandbox.sandbox import Command, File, Limits, Sandbox, SandboxError
from pie_bench.execution.simulators.qemu.simulator import QemuSimulator
from pie_bench.execution.toolchain import Toolchain

LIMITS = load_environment_spec("skylake").compile_limits
BINARY = "09c17053f757eebec5731d66b66497f031969c02c8bb1af444509f6ff2b6a750"
COUNTS = {"instructions": 2128972, "branches": 354839, "page_faults": 347, "pages": 241}  # whatever the model says


def deb(*members: tuple[str, str | bytes | None], compression: str = "xz") -> bytes:
    """A Debian package: bytes become a file (executable if the name ends in +x), text a link, None a folder."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in members:
            member = tarfile.TarInfo("./" + name.removesuffix("+x"))
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type, member.linkname = (tarfile.SYMTYPE, content)
            else:
                member.size, member.mode = len(content), 0o4755 if name.endswith("+x") else 0o600
            archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    package = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), (f"data.tar.{compression}", lzma.compress(data.getvalue()))):
        header = f"{name:16}{0:<12}{0:<6}{0:<6}{'100644':8}{len(content):<10}`\n".encode()
        package += header + content + b"\n" * (len(content) % 2)
    return package


PACKAGE = deb(
    ("lib", None),
    ("lib/libone.so.1", b"one"),
    ("usr/lib/libone.so", "/lib/libone.so.1"),
    ("lib64/ld.so", "/lib/ld-2.so"),
    ("usr/bin/tool+x", b"#!"),
    ("usr/share/doc/one", b"text"),
)


def test_a_package_becomes_a_merged_tree_with_plain_modes_and_relative_links(tmp_path: Path) -> None:
    unpack(PACKAGE, tmp_path, ("usr/share/",))
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if not path.is_dir()}
    assert found == {"usr/lib/libone.so.1", "usr/lib/libone.so", "usr/lib64/ld.so", "usr/bin/tool"}
    assert (tmp_path / "usr/lib/libone.so").readlink() == Path("libone.so.1")
    assert (tmp_path / "usr/lib64/ld.so").readlink() == Path("../lib/ld-2.so")
    assert (tmp_path / "usr/bin/tool").stat().st_mode & 0o7777 == 0o755, "no set-uid bit survives"
    assert (tmp_path / "usr/lib/libone.so.1").stat().st_mode & 0o777 == 0o644


def test_a_package_cannot_write_outside_the_tree(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="outside the root file system"):
        unpack(deb(("usr/../../escaped", b"x")), tmp_path / "root", ())
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("broken", [b"", b"!<arch>\n", deb(("usr/a", b"x"), compression="zst")])
def test_a_file_that_is_not_a_package_is_refused(broken: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Debian package"):
        unpack(broken, tmp_path, ())


def test_the_trees_sum_sees_names_kinds_modes_links_and_content_and_nothing_else(tmp_path: Path) -> None:
    def tree(name: str) -> Path:
        folder = tmp_path / name
        (folder / "a").mkdir(parents=True)
        (folder / "a" / "file").write_bytes(b"content")
        (folder / "link").symlink_to("a/file")
        return folder

    one, other = tree("one"), tree("other")
    os.utime(other / "a" / "file", (1, 1))
    (other / "a").chmod(0o700)
    assert tree_sha256(one) == tree_sha256(other)
    (other / "a" / "file").chmod(0o755)
    assert tree_sha256(one) != tree_sha256(other)
    (other / "a" / "file").chmod(0o644)
    (other / "a" / "file").write_bytes(b"Content")
    assert tree_sha256(one) != tree_sha256(other)
    third = tree("third")
    (third / "empty").mkdir()
    assert tree_sha256(one) != tree_sha256(third)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A Debian mirror on this machine, with PACKAGE in it."""
    folder = tmp_path / "mirror"
    (folder / "pool").mkdir(parents=True)
    (folder / "pool" / "one_1%3a2+b1.deb").write_bytes(PACKAGE)  # not what is asked for: names are quoted once
    (folder / "pool" / "one_2+b1.deb").write_bytes(PACKAGE)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def package(content: bytes = PACKAGE) -> Package:
    return Package(path="pool/one_2+b1.deb", bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def test_the_second_mirror_serves_what_the_first_lacks_and_then_the_cache_does(mirror: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert _fetched(package(), ["http://127.0.0.1:1/none", mirror], cache) == PACKAGE
    assert _fetched(package(), [], cache) == PACKAGE
    kept = next((cache / "packages").iterdir())
    kept.write_bytes(b"damaged")
    assert _fetched(package(), [mirror], cache) == PACKAGE, "a damaged file is fetched again"


def test_another_file_under_the_same_name_is_refused(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not the pinned file\); set PIE_BENCH_DEBIAN_MIRROR"):
        _fetched(package(b"what was pinned"), [mirror], tmp_path)


def test_a_tree_other_than_the_pinned_one_is_not_kept(mirror: str, tmp_path: Path, sandbox: Sandbox) -> None:
    class WithLdconfig:
        def __getattr__(self, name: str) -> object:
            return getattr(sandbox, name)

        def run(self, *_: object) -> object:
            return sandbox.run(Command(["/usr/bin/echo", "cache"]), LIMITS, "compile")

    spec = RootSpec(
        root="debian-11", description="", mirrors=(mirror,), omit=(), tree_sha256="0" * 64, packages=(package(),)
    )
    with pytest.raises(UserError, match="is pinned"):
        build_root(spec, tmp_path / "roots", WithLdconfig())  # type: ignore[arg-type]
    assert [path.name for path in (tmp_path / "roots").iterdir()] == ["packages"]
    with pytest.raises(UserError, match="pie-bench environment build"):
        find_root(spec, tmp_path / "roots")


def test_apts_mirrors_are_read_in_both_formats(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://commented.example/debian bookworm main\n"
        "deb [signed-by=/k] http://one.example/debian/ bookworm main\n"
        "deb http://one.example/debian bookworm-updates main\n"
        "deb http://other.example/ubuntu noble main\n"
    )
    (tmp_path / "sources.list.d" / "debian.sources").write_text("Types: deb\nURIs: https://two.example/debian\n")
    assert configured_mirrors(tmp_path) == ["http://one.example/debian", "https://two.example/debian"]
    assert configured_mirrors(tmp_path / "nowhere") == []


def test_the_built_tree_is_the_pinned_one(pinned_root: Path) -> None:
    spec = load_root_spec("debian-11")
    assert tree_sha256(pinned_root) == spec.tree_sha256
    assert root_path(spec, pinned_root.parent) == pinned_root


def test_programs_are_compiled_and_run_with_nothing_of_the_hosts(pinned_root: Path, sandbox: Sandbox) -> None:
    spec = load_environment_spec("skylake")
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, pinned_root)
    code = (
        "#include <gnu/libc-version.h>\n#include <cstdio>\n#include <unistd.h>\n"
        'int main() { printf("%s %d.%d ", gnu_get_libc_version(), __GNUC__, __GNUC_MINOR__);\n'
        'printf("%d", access("/usr/share", 0)); }'
    )
    program = toolchain.compile(code)
    assert program.binary is not None, program.log
    command = Command(["/w/program"], files={"/w/program": File(program.binary, True)}, root=pinned_root)
    assert sandbox.run(command, spec.native_limits, "payload").stdout == b"2.31 9.3 -1"


def test_counts_are_those_of_every_other_host(environment: Environment, sandbox: Sandbox) -> None:
    """The figures were counted on Debian 12; another distribution, kernel or processor must give the same."""
    spec = environment.spec
    program = Toolchain(spec.toolchain, spec.compile_limits, sandbox, environment.root).compile(
        "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << 2 * n << '\\n'; }"
    )
    assert program.binary_sha256 == BINARY
    (measurement,) = QemuSimulator(environment, sandbox).measure(program.binary or b"", [b"21\n"])
    assert {name: measurement.counters[name] for name in COUNTS} == COUNTS


def test_root_must_be_reachable_for_the_sandboxs_user(tmp_path: Path, mechanism: Sandbox) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user's sandbox runs as that user, who can enter the user's own folders")
    if mechanism.name == "container":
        pytest.skip("Docker's daemon mounts root file systems, and can enter every folder")
    closed = tmp_path / "closed"
    (closed / "usr").mkdir(parents=True)
    closed.chmod(0o700)
    limits = Limits(**{**LIMITS.model_dump(), "wall_seconds": 10})
    with pytest.raises(SandboxError, match="closed to other users.*PIE_BENCH_ROOTS"):
        mechanism.run(Command(["/usr/bin/true"], root=closed), limits, "payload")
