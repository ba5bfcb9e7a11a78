"""`judge`: judges one program, without a run: is it correct, and how fast is it?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.cli.options import add_sandbox
from pie_bench.cli.output import print_json
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError
from pie_bench.plain import plain

if TYPE_CHECKING:
    from pie_bench.execution.judge import Judgement


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "judge",
        help="judge one program: is it correct, how fast is it?",
        description="Compile, check, run and measure one C++ program, on a pair's tests or on your own.",
        epilog="Exit code: 0 if the program is correct; 1 if it is not (see the outcome; infra_error means that it "
        "could not be judged); 2 if the command is wrong.",
    )
    parser.add_argument("file", metavar="FILE.cpp", help="the program; - reads it from standard input")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--pair", metavar="ID", help="a pair of the dataset, for its tests and slow program (the baseline)"
    )
    what.add_argument(
        "--tests", type=Path, metavar="DIR", help="a folder of tests: input.N.txt with output.N.txt, or N.in with N.out"
    )
    parser.add_argument("--dataset", default="mini", metavar="D", help="of --pair; default: %(default)s")
    parser.add_argument("--source", metavar="FILE.cpp", help="with --tests: the slow program, as the baseline")
    parser.add_argument("--environment", default=DEFAULT_ENVIRONMENT, metavar="E", help="default: %(default)s")
    add_sandbox(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(verb=judge)


def judge(arguments: argparse.Namespace) -> int:
    from pie_bench.execution.judge import Judge, load_pair, read_tests

    code = _text_of(arguments.file)
    with Judge(arguments.environment, sandbox=arguments.sandbox, unsafe=arguments.unsafe) as judge:
        if arguments.pair is not None:
            if arguments.source is not None:
                raise UserError("--source: a pair already has a slow program; use --source with --tests only")
            pair = load_pair(arguments.dataset, arguments.pair)
            tests, verdict, problem = pair.tests, judge(code, pair), pair.pair.problem_id
        else:
            tests, problem = read_tests(arguments.tests), ""
            verdict = judge(code, source=arguments.source and _text_of(arguments.source), tests=tests)
        why = (
            judge.explain(code, verdict, tests, problem) if verdict.outcome in ("wrong_output", "runtime_error") else ""
        )
    if arguments.json:
        print_json(verdict.to_json() | {"speedup": verdict.speedup, "why": why})
    else:
        print("\n".join(map(plain, _lines(verdict, why))))
    return 0 if verdict.outcome == "ok" else 1


def _lines(verdict: Judgement, why: str) -> list[str]:
    """The verdict as lines of text."""
    lines = [f"outcome    {verdict.outcome}" + (f": {verdict.detail}" if verdict.detail else "")]
    if why:
        lines.append(f"why        {why}")
    if verdict.tests:
        passed = sum(test.outcome == "ok" for test in verdict.tests)
        lines.append(f"tests      {passed} of {len(verdict.tests)} passed")
    if verdict.outcome != "ok" and verdict.compile_log.strip():
        lines.append("compiler")
        lines += [f"  {line}" for line in verdict.compile_log.strip().splitlines()[:20]]
    if verdict.runtime_seconds is not None:
        whole, startup = _seconds(verdict.runtime_seconds), _seconds(verdict.startup_seconds or 0.0)
        lines.append(f"time       {whole} simulated over all tests, {startup} of it start-up")
    if verdict.source is not None:
        lines.append(_compared(verdict))
    lines.append(f"environment {verdict.environment_id[:12]}")
    return lines


def _compared(verdict: Judgement) -> str:
    source = verdict.source
    assert source is not None
    if source.runtime_seconds is None:
        return f"source     {source.outcome}{': ' + source.detail if source.detail else ''}: nothing to compare with"
    if verdict.speedup is None:
        return f"source     {_seconds(source.runtime_seconds)}"
    return f"speedup    {verdict.speedup:.3f} over the source, which takes {_seconds(source.runtime_seconds)}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.4g} s" if seconds >= 1 else f"{1e3 * seconds:.4g} ms"


def _text_of(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{name}: cannot be read ({error})") from None
