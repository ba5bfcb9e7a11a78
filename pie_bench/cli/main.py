"""The command line: parses, calls, prints. Each verb imports what is heavy only when it runs."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from pie_bench import __version__
from pie_bench.errors import PieBenchError, unknown_name
from pie_bench.paths import cache_dir
from pie_bench.plain import plain

INTERRUPTED = 130
BROKEN_PIPE = 141  # a shell's exit code for a command killed by SIGPIPE


def main(argv: Sequence[str] | None = None, program: str = "pie-bench") -> int:
    """Runs a command; returns its exit code: 0, 1 (our failure, or the answer "no" of a verb that checks something: a
    wrong program, a faulty dataset), 2 (the user's mistake), 130 (Ctrl-C), 141 (its output was closed)."""
    parser = _parser(program)
    arguments = parser.parse_args(argv)
    if arguments.verb is None:  # no verb given
        parser.print_help()
        return 2
    if logging.lastResort is not None:  # warnings quote output of programs and servers
        logging.lastResort.setFormatter(_PlainFormatter())
    # Keep the files of Hugging Face's libraries next to ours; the libraries read this when first imported.
    os.environ.setdefault("HF_HOME", str(cache_dir() / "huggingface"))
    try:
        code: int = arguments.verb(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # discard what is still buffered
        return BROKEN_PIPE
    except PieBenchError as error:
        if arguments.debug:
            raise
        print(plain(f"{program}: {error}"), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"\n{program}: stopped; rerun the same command to continue", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        # Worker threads may still wait for their sandboxes, which die with this process: do not wait for the threads.
        os._exit(INTERRUPTED)
    except Exception as error:
        if arguments.debug:
            raise
        if isinstance(error, ModuleNotFoundError):
            print(
                f"{program}: the package {error.name!r} is not installed for {sys.executable}; "
                "run make run once and use .venv/bin/python, or: pip install -e .",
                file=sys.stderr,
            )
            return 2
        said = f"{program}: internal error: {type(error).__name__}: {error} (--debug shows where)"
        print(plain(said), file=sys.stderr)
        return 1


def _parser(program: str) -> argparse.ArgumentParser:
    from pie_bench.cli import (
        adapt,
        analyse,
        calibrate,
        compare,
        confirm,
        dataset,
        environment,
        estimate,
        guard,
        import_answers,
        judge,
        leaderboard,
        merge,
        models,
        noise,
        publish,
        report,
        run,
        serve,
        show,
        stages,
        store,
        tasks,
    )

    if program == "harness.py":  # a single verb: the caller has put `run` in front
        parser = _Parser(prog=program, description=run.DESCRIPTION, epilog=run.EPILOG)
        parser.add_argument("run", choices=["run"], help=argparse.SUPPRESS)
        run.add_arguments(parser)
        _add_debug(parser)
        return parser
    parser = _Parser(prog=program, description="pie_bench: can a language model make real C++ programs faster?")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(verb=None)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for module in (
        run,
        stages,
        merge,
        tasks,
        show,
        import_answers,
        estimate,
        report,
        compare,
        analyse,
        confirm,
        guard,
        judge,
        serve,
        noise,
        dataset,
        adapt,
        leaderboard,
        publish,
        models,
        environment,
        store,
        calibrate,
    ):
        module.add_verbs(verbs)
    for verb in verbs.choices.values():
        _add_debug(verb)
    return parser


class _PlainFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record), lines=True)


class _Parser(argparse.ArgumentParser):
    """Suggests the intended verb or action for an unknown one. Sub-parsers are of this class too."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            wanted = (action.metavar or action.dest or "value") if isinstance(action.metavar, str) else "value"
            raise argparse.ArgumentError(None, str(unknown_name(wanted.lower(), str(value), map(str, action.choices))))


def _add_debug(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
