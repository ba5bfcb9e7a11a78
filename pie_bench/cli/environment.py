"""`environment`: what can be measured in, and building the root file systems; `doctor`: what works on this machine."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pie_bench import DEFAULT_ENVIRONMENT
from pie_bench.errors import PieBenchError, UserError
from pie_bench.paths import roots_dir

if TYPE_CHECKING:
    from pie_bench.execution.sandbox.sandbox import Sandbox


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("environment", help="list environments; build their root file systems")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    action = actions.add_parser("list", help="the environments, and what is missing for each here")
    action.set_defaults(verb=list_environments)
    action = actions.add_parser("build", help="make an environment's root file system from Debian's packages")
    action.add_argument("environment", nargs="?", default=DEFAULT_ENVIRONMENT, metavar="E", help="default: %(default)s")
    action.add_argument("--sandbox", metavar="NAME", help="what Debian's ldconfig is run in")
    action.set_defaults(verb=build)
    parser = verbs.add_parser("doctor", help="what works on this machine, and what to do about the rest")
    parser.add_argument("--sandbox", metavar="NAME", help="examine the environments in this one")
    parser.set_defaults(verb=doctor)


def list_environments(arguments: argparse.Namespace) -> int:
    from pie_bench.execution.environment import environment_names, load_environment_spec

    for name in environment_names():
        print(f"{name:24}{load_environment_spec(name).description}")
    return 0


def build(arguments: argparse.Namespace) -> int:
    from pie_bench.execution.environment import load_environment_spec
    from pie_bench.execution.rootfs import load_root_spec
    from pie_bench.execution.sandbox.choose import choose_sandbox

    spec = load_environment_spec(arguments.environment)
    if spec.root is None:
        print(f"{arguments.environment}: uses this machine's compiler and libraries; there is nothing to build")
        return 0
    path = build_root_of(arguments.environment, choose_sandbox(arguments.sandbox))
    print(f"{spec.root}: {path}\nsha256 of the tree: {load_root_spec(spec.root).tree_sha256}")
    return 0


def build_root_of(environment: str, sandbox: Sandbox | None = None) -> str:
    """Makes the environment's root file system if it has one that is not there yet, with a progress bar.

    UserError when the sandbox cannot show one.
    """
    from tqdm import tqdm

    from pie_bench.execution.environment import QemuSpec, load_environment_spec
    from pie_bench.execution.rootfs import build_root, load_root_spec, root_path
    from pie_bench.execution.sandbox.choose import choose_sandbox
    from pie_bench.execution.sandbox.folder import NO_ROOT

    name = load_environment_spec(environment).root
    if name is None:
        return ""
    if sandbox is not None and not sandbox.shows_roots:
        raise UserError(f"environment {environment}: the sandbox {sandbox.name} {NO_ROOT}")
    spec = load_root_spec(name)
    path = root_path(spec, roots_dir())
    if not path.is_dir():
        total = sum(package.bytes for package in spec.packages)
        with tqdm(desc=name, total=total, unit="B", unit_scale=True, file=sys.stderr, dynamic_ncols=True) as bar:
            path = build_root(spec, roots_dir(), sandbox or choose_sandbox(), progress=bar.update)
    if isinstance(load_environment_spec(environment).simulator, QemuSpec):
        from pie_bench.execution.simulators.qemu.build import build_ruler

        build_ruler(load_environment_spec(environment), path, sandbox or choose_sandbox())
    return str(path)


def doctor(arguments: argparse.Namespace) -> int:
    """One line for each thing that is needed; exit code 1 when no environment can be used at all."""
    from pie_bench.execution.doctor import examine

    usable = 0
    for finding in examine(arguments.sandbox):
        print(f"{'ok     ' if finding.usable else 'missing'}  {finding.what:24}{finding.says}")
        usable += finding.usable and finding.is_environment
    if not usable:
        raise PieBenchError("no environment can be used on this machine")
    return 0
