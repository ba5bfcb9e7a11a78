"""A pinned root file system: compiler and C library of one Debian release, the same on every host.

Packages come from a Debian mirror and are checked against pinned hashes, unpacked without root rights and without
running their scripts, and hashed as a tree, so that two machines can prove that they use the same file system.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from pydantic import Field

from pie_bench.config import Strict, load_named
from pie_bench.errors import UserError
from pie_bench.execution.sandbox.sandbox import Command, Limits, Sandbox
from pie_bench.paths import ROOTS_DIR

MIRROR_VARIABLE = "PIE_BENCH_DEBIAN_MIRROR"
_MERGED = ("bin", "sbin", "lib", "lib64")  # folders under /usr with a link in /
_TIMEOUT_SECONDS = 60
_LDCONFIG_LIMITS = Limits(
    cpu_seconds=60,
    wall_seconds=300,
    memory_bytes=1 << 30,
    output_bytes=1 << 24,
    stack_bytes=8 << 20,
    processes=64,
    tmp_bytes=1 << 24,
)


class Package(Strict):
    """One Debian package: its path on a mirror, its size and its SHA-256."""

    path: str
    bytes: int = Field(ge=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class RootSpec(Strict):
    """A root file system's YAML. `tree_sha256` is the hash that every machine must arrive at.

    A root whose programs are started by its own loader with an explicit library path needs no `library_cache`.
    """

    root: str
    description: str
    mirrors: tuple[str, ...]
    omit: tuple[str, ...]
    library_cache: bool = True
    tree_sha256: str
    packages: tuple[Package, ...] = Field(min_length=1)


def load_root_spec(name: str) -> RootSpec:
    """The root file system called `name`; UserError for an unknown name or a broken file."""
    spec, _ = load_named("root", name, ROOTS_DIR, RootSpec)
    return spec


def root_path(spec: RootSpec, roots_dir: Path) -> Path:
    """The root file system's location on this machine."""
    return roots_dir / f"{spec.root}-{spec.tree_sha256[:16]}"


def find_root(spec: RootSpec, roots_dir: Path) -> Path:
    """The root file system on this machine. UserError, with the command that builds it, if it is missing."""
    path = root_path(spec, roots_dir)
    if not path.is_dir():
        raise UserError(f"{spec.root}: the root file system is not built yet; build it: pie-bench environment build")
    return path


def build_root(
    spec: RootSpec, roots_dir: Path, sandbox: Sandbox, *, progress: Callable[[int], object] = lambda _: None
) -> Path:
    """Builds the root file system from Debian's packages, or finds it built. `progress` receives downloaded byte
    counts.

    UserError if no mirror has a package, or if the tree is not the pinned one, which is then discarded.
    """
    path = root_path(spec, roots_dir)
    if path.is_dir():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        for name in _MERGED:
            (part / "usr" / name).mkdir(parents=True)
            (part / name).symlink_to(f"usr/{name}")
        mirrors = _mirrors(spec)
        for package in spec.packages:
            unpack(_fetched(package, mirrors, roots_dir), part, spec.omit)
            progress(package.bytes)
        (part / "etc").mkdir()
        if spec.library_cache:
            (part / "etc" / "ld.so.cache").write_bytes(_library_cache(part, sandbox))
        for folder in (part, *(path for path in _walk(part) if path.is_dir() and not path.is_symlink())):
            folder.chmod(0o755)  # regardless of the umask: the sandbox's user must be able to enter
        found = tree_sha256(part)
        if found != spec.tree_sha256:
            raise UserError(
                f"{spec.root}: the root file system has hash {found}, but {spec.tree_sha256 or 'nothing'} is pinned "
                f"in {ROOTS_DIR / spec.root}.yaml; it was not kept"
            )
        try:
            part.rename(path)
        except OSError:  # another process was faster
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return path


def unpack(package: bytes, root: Path, omit: tuple[str, ...]) -> None:
    """Unpacks a Debian package under `root`, with plain modes, relative links, and /bin and /lib under /usr."""
    with tarfile.open(fileobj=io.BytesIO(_data_of(package))) as archive:
        for member in archive:
            place = _merged(member.name)
            if str(place) == "." or f"{place}/".startswith(omit):
                continue
            if ".." in place.parts:
                raise UserError(f"{member.name}: the package has a file outside the root file system")
            target = root / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.isdir():
                target.mkdir(exist_ok=True)
            elif member.issym():
                target.symlink_to(_relative(place, member.linkname))
            elif member.islnk():
                os.link(root / _merged(member.linkname), target)
            elif member.isreg():
                content = archive.extractfile(member)
                assert content is not None
                target.write_bytes(content.read())
                target.chmod(0o755 if member.mode & 0o100 else 0o644)


def tree_sha256(root: Path) -> str:
    """SHA-256 over every path, type, executable bit, link target and content below `root`, and nothing else."""
    total = hashlib.sha256()
    for path in sorted(_walk(root), key=lambda path: path.relative_to(root).as_posix()):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            kind, content = "link", str(path.readlink())
        elif stat.S_ISDIR(mode):
            kind, content = "folder", ""
        else:
            kind = "program" if mode & 0o100 else "file"
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(root).as_posix()}\0{kind}\0{content}\n".encode())
    return total.hexdigest()


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _data_of(package: bytes) -> bytes:
    """The decompressed data.tar of a .deb, which is an `ar` archive."""
    at = 8
    while at + 60 <= len(package):
        name, size = package[at : at + 16].decode().strip().rstrip("/"), int(package[at + 48 : at + 58])
        content = package[at + 60 : at + 60 + size]
        if name == "data.tar.xz":
            return lzma.decompress(content)
        if name.startswith("data.tar"):
            raise UserError(f"Debian package with {name}: only data.tar.xz is supported")
        at += 60 + size + size % 2
    raise UserError("not a Debian package: it has no data.tar")


def _merged(name: str) -> PurePosixPath:
    place = PurePosixPath("/", name).relative_to("/")
    return PurePosixPath("usr") / place if place.parts and place.parts[0] in _MERGED else place


def _relative(place: PurePosixPath, link: str) -> str:
    """A link's target relative to the link, so that the tree does not depend on its location."""
    if not link.startswith("/"):
        return link
    return os.path.relpath(_merged(link), place.parent)


def _library_cache(root: Path, sandbox: Sandbox) -> bytes:
    """/etc/ld.so.cache: it lets the dynamic loader find each library at once, as on any installed system."""
    seen_at = "" if sandbox.shows_roots else str(root)  # ldconfig is a static binary: it runs anywhere
    options = f"-X -f /dev/null -C /tmp/cache {seen_at}/usr/lib/x86_64-linux-gnu"
    script = f"{seen_at}/usr/sbin/ldconfig {options} && cat /tmp/cache"
    finished = sandbox.run(
        Command(["/bin/sh", "-c", script], environment={"PATH": "/usr/bin"}, root=root), _LDCONFIG_LIMITS, "compile"
    )
    if finished.exit_code != 0 or not finished.stdout:
        raise UserError(f"ldconfig failed in the new root file system: {finished.stderr.decode(errors='replace')}")
    return as_seen_inside(finished.stdout, seen_at) if seen_at else finished.stdout


def as_seen_inside(cache: bytes, root: str) -> bytes:
    """A library cache (glibc's format 1.1) reduced to libraries below `root`, with their paths relative to it."""
    header, entry = struct.Struct("<20sII20s"), struct.Struct("<iIIIQ")
    magic, libraries, _, more = header.unpack_from(cache)

    def text(at: int) -> bytes:
        return cache[at : cache.index(b"\0", at)]

    kept = []
    for number in range(libraries):
        flags, key, value, version, capabilities = entry.unpack_from(cache, header.size + number * entry.size)
        if text(value).startswith(f"{root}/".encode()):
            kept.append((flags, text(key), text(value).removeprefix(root.encode()), version, capabilities))
    at = header.size + len(kept) * entry.size
    entries, strings = b"", b""
    for flags, name, path, version, capabilities in kept:
        begin = at + len(strings)
        entries += entry.pack(flags, begin, begin + len(name) + 1, version, capabilities)
        strings += name + b"\0" + path + b"\0"
    return header.pack(magic, len(kept), len(strings), more) + entries + strings


def _mirrors(spec: RootSpec) -> list[str]:
    chosen = os.environ.get(MIRROR_VARIABLE)
    return [*([chosen] if chosen else []), *configured_mirrors(Path("/etc/apt")), *spec.mirrors]


def configured_mirrors(folder: Path) -> list[str]:
    """The Debian mirrors in apt's source lists in `folder` (/etc/apt), in either format, without duplicates."""
    lists = [folder / "sources.list", *sorted(folder.glob("sources.list.d/*.list"))]
    lists += sorted(folder.glob("sources.list.d/*.sources"))
    text = "\n".join(path.read_text(errors="replace") for path in lists if path.is_file())
    uris = re.findall(r"^(?:URIs:|deb(?: +\[[^]]*\])?) +(https?://\S+?/debian)/?(?:\s|$)", text, flags=re.M)
    return list(dict.fromkeys(uris))


def _fetched(package: Package, mirrors: list[str], roots_dir: Path) -> bytes:
    """A package's bytes, from the cache or the first mirror that has them with the right hash."""
    kept = roots_dir / "packages" / f"{package.sha256}.deb"
    if kept.is_file():
        content = kept.read_bytes()
        if hashlib.sha256(content).hexdigest() == package.sha256:
            return content
    problems = []
    for mirror in mirrors:
        try:
            content = _download(f"{mirror.rstrip('/')}/{quote(package.path)}", package.bytes)
        except OSError as error:
            problems.append(f"{mirror}: {error}")
            continue
        if hashlib.sha256(content).hexdigest() != package.sha256:
            problems.append(f"{mirror}: not the pinned file")
            continue
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_name(f".{kept.name}.{os.getpid()}")
        part.write_bytes(content)
        part.replace(kept)
        return content
    raise UserError(
        f"{package.path}: no Debian mirror has it ({'; '.join(problems)}); set {MIRROR_VARIABLE} to one that does, "
        f"or copy {roots_dir} from a machine that has built it"
    )


def _download(url: str, size: int) -> bytes:
    from urllib.request import urlopen

    with urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
        content: bytes = answer.read(size + 1)
    return content
