"""Writes the list of Debian packages that make up a pinned root file system.

usage: tools/lock_root.py NAME PACKAGES_FILE > pie_bench/environments/roots/NAME.yaml

PACKAGES_FILE is a Debian release's index (dists/RELEASE/main/binary-amd64/Packages, unpacked). The root's packages in
WANTED, and all their dependencies except DROPPED, are pinned by version, size and sha256. `tree_sha256` stays empty:
`pie-bench environment build` prints it, and it is entered by hand once a second machine gets the same.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

WANTED = {
    "debian-11": (*("g++-9", "dash", "coreutils", "util-linux", "libc-bin", "binutils", "libasan5", "libubsan1"),),
    "debian-12-qemu": ("qemu-user", "libzydis-dev"),
    "debian-12-riscv64": ("g++-12-riscv64-linux-gnu", "dash", "coreutils", "util-linux", "qemu-user"),
    "debian-12-aarch64": ("g++-12-aarch64-linux-gnu", "dash", "coreutils", "util-linux", "qemu-user"),
}
# Needed by maintainer scripts, documentation, or languages and libraries that no program here uses.
DROPPED = frozenset(
    "perl perl-base debconf dpkg tar install-info libnsl-dev libtirpc-dev libitm1 libcc1-0 libtsan0 "
    "debianutils "
    "login libpam0g libpam-modules libpam-modules-bin libpam-runtime libaudit1 libcap-ng0 libcrypt-dev rpcsvc-proto "
    "libsystemd0 libudev1 libblkid1 libmount1 libuuid1 libtinfo6 gcc-10-base "
    "libasan8-arm64-cross libubsan1-arm64-cross libtsan2-arm64-cross liblsan0-arm64-cross libhwasan0-arm64-cross "
    "libitm1-arm64-cross libgomp1-arm64-cross libasan8-riscv64-cross libgomp1-riscv64-cross".split()
)


def main(root: str, index: Path) -> None:
    packages = {package["Package"]: package for package in map(fields, index.read_text().strip().split("\n\n"))}
    chosen: set[str] = set()
    queue = list(WANTED[root])
    while queue:
        name = queue.pop()
        if name in chosen or name in DROPPED or name not in packages:
            continue
        chosen.add(name)
        for kind in ("Depends", "Pre-Depends"):
            queue += [re.split(r"[ :(|]", wish.strip())[0] for wish in packages[name].get(kind, "").split(",")]
    print("packages:")
    for name in sorted(chosen):
        package = packages[name]
        print(f"  - path: {package['Filename']}")
        print(f"    bytes: {package['Size']}")
        print(f"    sha256: {package['SHA256']}")


def fields(paragraph: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", paragraph, flags=re.M))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
