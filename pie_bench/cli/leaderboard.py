"""`leaderboard`: packs finished runs, checks and verifies bundles, and maintains the entries, the board and its
site."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pie_bench.cli.options import positive
from pie_bench.errors import UserError
from pie_bench.paths import leaderboard_dir


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "leaderboard", help="submit, check and verify runs; build the site", description="The leaderboard."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    action = actions.add_parser("submit", help="pack a finished run into a bundle that others can check")
    action.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    action.add_argument("--submitter", required=True, metavar="NAME", help="who vouches for it")
    action.add_argument("--link", action="append", default=[], metavar="URL", help="paper, model card, …; repeatable")
    action.add_argument("--out", type=Path, metavar="FILE", help="default: in the run's folder")
    action.set_defaults(verb=submit)

    action = actions.add_parser("validate", help="recompute every number in a bundle; runs nothing")
    action.add_argument("bundle", type=Path, metavar="BUNDLE")
    action.set_defaults(verb=validate)

    action = actions.add_parser("verify", help="re-measure what decides a bundle's score, plus a sample; sign")
    action.add_argument("bundle", type=Path, metavar="BUNDLE")
    action.add_argument("--key", type=Path, metavar="FILE", help="your private key; without it nothing is signed")
    action.add_argument(
        "--sample",
        type=share,
        default=0.02,
        metavar="P%",
        help="share of the other programs to re-measure (default: 2%%)",
    )
    action.add_argument(
        "--workers", type=positive, metavar="N", help="programs executed at once (default: one per core)"
    )
    action.add_argument("--sandbox", metavar="NAME", help="default: the first of doctor's list that works here")
    _add_leaderboard(action)
    action.set_defaults(verb=verify)

    action = actions.add_parser("key", help="create a reviewer's key, for verify --key")
    action.add_argument("file", type=Path, metavar="FILE", help="where to write the private key; keep it secret")
    action.set_defaults(verb=key)

    action = actions.add_parser("reviewers", help="list the reviewers and how many entries each has verified")
    _add_leaderboard(action)
    action.set_defaults(verb=reviewers)

    action = actions.add_parser(
        "merge", help="add a bundle's entry to the board; it counts as verified if a reviewer signed it"
    )
    action.add_argument("bundle", type=Path, metavar="BUNDLE")
    _add_leaderboard(action)
    action.set_defaults(verb=merge)

    action = actions.add_parser("rebuild", help="regenerate leaderboard.json and schema.json from the entries")
    action.add_argument("--check", action="store_true", help="change nothing; fail if they are out of date")
    _add_leaderboard(action)
    action.set_defaults(verb=rebuild)

    action = actions.add_parser(
        "render", help="build a static site from the entries: index.html and one page per entry"
    )
    action.add_argument("--out", type=Path, metavar="DIR", help="default: site/ in the leaderboard's folder")
    _add_leaderboard(action)
    action.set_defaults(verb=render)


def _add_leaderboard(action: argparse.ArgumentParser) -> None:
    action.add_argument("--leaderboard", type=Path, metavar="DIR", help="default: this clone's")


def share(text: str) -> float:
    """A percentage such as `2%` as a number in (0, 1]."""
    value = float(text.removesuffix("%")) / 100
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a percentage, such as 2%")
    return value


def submit(arguments: argparse.Namespace) -> int:
    from pie_bench.leaderboard.bundle import pack
    from pie_bench.leaderboard.validate import validated
    from pie_bench.run.run import Run

    for link in arguments.link:
        if not link.startswith(("https://", "http://")):
            raise UserError(f"--link {link}: expected a URL")
    path = pack(
        Run(arguments.run_dir),
        arguments.out,
        submitter=arguments.submitter,
        links=arguments.link,
        commit=_commit(),
    )
    with validated(path) as checked:  # do not send what nobody else could check
        programs, digest = len(checked.programs), checked.bundle.sha256
    print(f"bundle: {path} ({path.stat().st_size / 1e3:.0f} kB, {programs} programs, sha256 {digest[:12]})")
    print(f"next:   pie-bench leaderboard merge {path}")
    print("        then open a pull request with the changes under leaderboard/, and attach the bundle to it")
    return 0


def validate(arguments: argparse.Namespace) -> int:
    from pie_bench.leaderboard.validate import validated

    with validated(arguments.bundle) as checked:
        entry = checked.bundle.entry
        pairs = f"{entry.n_pairs} pair{'s' * (entry.n_pairs != 1)}"
        samples = f"{entry.n_samples} sample{'s' * (entry.n_samples != 1)}"
        print(
            f"valid: {entry.model} on {entry.task} ({entry.dataset}, {pairs}, {samples}, {entry.environment}): "
            f"every number follows from its {len(checked.verdicts)} verdicts"
        )
        judged = f", and its stress inputs ({len(checked.on_stress)} verdicts)"
        print(f"tests: the dataset's own{judged if checked.stress is not None else ' only'}")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    from pie_bench.execution.pool import LocalPool
    from pie_bench.execution.roots import build_roots
    from pie_bench.execution.sandbox.choose import choose_sandbox
    from pie_bench.leaderboard import verify as stage
    from pie_bench.leaderboard.signing import check_apart, signed, signer
    from pie_bench.leaderboard.validate import validated
    from pie_bench.progress import program_bar

    by = signer(arguments.key, leaderboard_dir(arguments.leaderboard)) if arguments.key is not None else None
    with validated(arguments.bundle) as checked:
        if by is not None:
            check_apart(checked.bundle.entry, by.reviewer)
        sandbox = choose_sandbox(arguments.sandbox)
        build_roots(checked.plan.settings.environment, sandbox)
        with program_bar("verified ") as advance:
            pool = LocalPool(arguments.workers)
            found = stage.verify(checked, arguments.sample, pool, sandbox, progress=advance)
        path = by and stage.write_verification(checked.bundle, signed(found, checked.bundle.entry, by))
    print(
        f"verified: {len(found['programs'])} of {found['of']} programs compiled and measured again here "
        f"({found['carrying']} that decide the score), all identical bit for bit"
    )
    print(f"guards:   {found['guards_checked']} answers checked on new inputs, {len(found['guards_flagged'])} flagged")
    for line in found["guards_flagged"]:
        print(f"  {line}")
    if path is None:
        print("not signed: give --key FILE (pie-bench leaderboard key FILE makes one)")
    else:
        print(f"signed:   {path}\nnext:     pie-bench leaderboard merge {arguments.bundle}")
    return 0


def key(arguments: argparse.Namespace) -> int:
    from pie_bench.leaderboard.signing import FILE, make_key

    public = make_key(arguments.file)
    print(f"private key: {arguments.file} (anyone who has it can sign as you)")
    print(f'public key:  {public}\nnext:        have {{"name": "YOUR NAME", "key": "{public}"}} added to {FILE}')
    return 0


def reviewers(arguments: argparse.Namespace) -> int:
    from pie_bench.leaderboard.board import read_entries
    from pie_bench.leaderboard.signing import FILE, read_reviewers
    from pie_bench.plain import shown_name

    leaderboard = leaderboard_dir(arguments.leaderboard)
    known = read_reviewers(leaderboard)
    signatures = [entry.verification.key for entry in read_entries(leaderboard).values() if entry.verification]
    for public, reviewer in sorted(known.items(), key=lambda item: item[1].name):
        print(f"{public}  {shown_name(reviewer.name)}, {signatures.count(public)} verified")
    if not known:
        print(f"none: {leaderboard / FILE} lists nobody")
    return 0


def merge(arguments: argparse.Namespace) -> int:
    from pie_bench.leaderboard.board import put
    from pie_bench.leaderboard.signing import read_reviewers
    from pie_bench.leaderboard.validate import validated
    from pie_bench.leaderboard.verify import verified_entry

    leaderboard = leaderboard_dir(arguments.leaderboard)
    with validated(arguments.bundle) as checked:
        entry = verified_entry(checked.bundle, read_reviewers(leaderboard))
    path = put(entry, leaderboard)
    print(f"entry: {path} ({entry.status})\nboard: {leaderboard / 'leaderboard.json'}")
    return 0


def rebuild(arguments: argparse.Namespace) -> int:
    from pie_bench.leaderboard import board

    leaderboard = leaderboard_dir(arguments.leaderboard)
    count = (board.check if arguments.check else board.rebuild)(leaderboard)
    said = "is what its entries say" if arguments.check else "made"
    print(f"board: {leaderboard / 'leaderboard.json'} {said} ({count} entries)")
    return 0


def render(arguments: argparse.Namespace) -> int:
    from pie_bench.leaderboard.site import write_site

    leaderboard = leaderboard_dir(arguments.leaderboard)
    index, entries = write_site(leaderboard, arguments.out or leaderboard / "site")
    print(f"site: {index} ({entries} {'entry' if entries == 1 else 'entries'})")
    return 0


def _commit() -> str | None:
    """The commit of the running pie_bench; None outside a clone."""
    import subprocess

    from pie_bench.paths import CLONE_DIR

    if CLONE_DIR is None or not (CLONE_DIR / ".git").exists():
        return None
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CLONE_DIR, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
