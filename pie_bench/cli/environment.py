"""`environment`: lists environments and builds their root file systems; `doctor`: reports what works on this
machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pie_bench.cli.output import print_json
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import PieBenchError

if TYPE_CHECKING:
    from pie_bench.execution.rootfs import RootSpec


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("environment", help="list environments; build their root file systems")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    action = actions.add_parser("list", help="list the environments and what each measures with")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(verb=list_environments)
    action = actions.add_parser("build", help="build an environment's root file system from Debian packages")
    action.add_argument("environment", nargs="?", default=DEFAULT_ENVIRONMENT, metavar="E", help="default: %(default)s")
    action.add_argument("--sandbox", metavar="NAME", help="sandbox to run Debian's ldconfig in")
    action.set_defaults(verb=build)
    parser = verbs.add_parser("doctor", help="report what works on this machine, and how to fix the rest")
    parser.add_argument("--sandbox", metavar="NAME", help="examine the environments in this sandbox")
    parser.add_argument("--build", action="store_true", help="build the default environment first if it is missing")
    parser.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="examine the nodes of a Ray cluster instead: whether each judges as this machine does",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(verb=doctor)


def list_environments(arguments: argparse.Namespace) -> int:
    from pie_bench.execution.environment import environment_names, load_environment_spec

    specs = [load_environment_spec(name) for name in environment_names()]
    if arguments.json:
        print_json(
            [
                {
                    "name": spec.environment,
                    "description": spec.description,
                    "simulator": spec.simulator.kind,
                    "root": spec.root,
                    "compiler": spec.toolchain.compiler,
                    "comparator": spec.comparator,
                    "is_default": spec.environment == DEFAULT_ENVIRONMENT,
                }
                for spec in specs
            ]
        )
        return 0
    for spec in specs:
        print(f"{spec.environment:24}{spec.description}")
    return 0


def build(arguments: argparse.Namespace) -> int:
    from pie_bench.execution.roots import build_roots, roots_of
    from pie_bench.execution.sandbox.choose import choose_sandbox

    specs = {spec.root: spec for spec in roots_of(arguments.environment)}
    if not specs:
        print(f"{arguments.environment}: uses this machine's compiler and libraries; there is nothing to build")
        return 0
    for name, path in build_roots(arguments.environment, choose_sandbox(arguments.sandbox)).items():
        print(f"{name}: {path}\nsha256 of the tree: {specs[name].tree_sha256}")
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """Prints one line per requirement; exit code 1 if the default environment cannot be used.

    If only its root file systems are missing, `--build`, or a yes at the terminal, builds them first.
    """
    from pie_bench.execution.doctor import examine
    from pie_bench.execution.rootfs import root_path
    from pie_bench.execution.roots import roots_of
    from pie_bench.paths import roots_dir

    if arguments.ray is not None:
        return _doctor_of_cluster(arguments)
    missing = [spec for spec in roots_of(DEFAULT_ENVIRONMENT) if not root_path(spec, roots_dir()).is_dir()]
    if missing and (arguments.build or (not arguments.json and _wanted(missing))):
        _build_default(arguments.sandbox)
    usable = False
    found = []
    for finding in examine(arguments.sandbox):
        if not arguments.json:
            print(f"{'ok     ' if finding.usable else 'missing'}  {finding.what:24}{finding.says}", flush=True)
        found.append(asdict(finding))
        usable |= finding.usable and finding.is_environment and finding.what == DEFAULT_ENVIRONMENT
    if arguments.json:
        print_json({"usable": usable, "default_environment": DEFAULT_ENVIRONMENT, "findings": found})
    if not usable:
        remedy = "; pie-bench doctor --build builds it" if missing and not arguments.build else ""
        raise PieBenchError(
            f"the default environment, {DEFAULT_ENVIRONMENT}, cannot be used here: see its line above{remedy}"
        )
    return 0


def _doctor_of_cluster(arguments: argparse.Namespace) -> int:
    """One line for each node; exit code 1 when one of them cannot be used."""
    from pie_bench.execution.doctor import examine_cluster

    found = []
    for finding in examine_cluster(arguments.ray or None, arguments.sandbox):
        if not arguments.json:
            print(f"{'ok     ' if finding.usable else 'odd    '}  {finding.what:40}{finding.says}", flush=True)
        found.append(finding)
    usable = all(finding.usable for finding in found)
    if arguments.json:
        print_json({"usable": usable, "findings": [asdict(finding) for finding in found]})
    if not usable:
        odd = sum(not finding.usable for finding in found)
        raise PieBenchError(f"{odd} of {len(found)} nodes cannot be used: see above; runs leave them out")
    return 0


def _wanted(missing: Sequence[RootSpec]) -> bool:
    """Whether the user wants them built; only asks at a terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    size = sum(package.bytes for spec in missing for package in spec.packages)
    asked = f"{DEFAULT_ENVIRONMENT} is not built yet: {size / 1e6:.0f} MB from Debian's mirrors. Build it now? [Y/n] "
    try:
        return input(asked).strip().lower() in ("", "y", "yes")
    except EOFError:
        return False


def _build_default(sandbox: str | None) -> None:
    from pie_bench.execution.roots import build_roots
    from pie_bench.execution.sandbox.choose import choose_sandbox

    try:
        chosen = choose_sandbox(sandbox)
    except PieBenchError:
        return  # no sandbox works: the report will say so
    build_roots(DEFAULT_ENVIRONMENT, chosen)
