"""Measures how strong a problem's tests are: mutates its right programs, and counts which inputs find the mutants.

An equivalent mutant counts as not found, so the rates are lower bounds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pie_bench.cpp import syntax_tree, text_of, unused_functions
from pie_bench.data.load import PairDataset
from pie_bench.data.mutants import Kind, Mutant, MutantSet, ProblemMutants
from pie_bench.data.pair import Pair, TestCase
from pie_bench.data.stress import StressSet
from pie_bench.execution.executor import Executor
from pie_bench.execution.integrity.guards import inputs_of
from pie_bench.execution.pool import Pool
from pie_bench.hashing import sha256
from pie_bench.run.kills import Side

MOST = 12  # mutants per problem
_SWAPPED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_WIDE = ("long long", "long long int", "int64_t", "ll", "LL", "unsigned long long")
_CPU_SECONDS = 2  # right programs take far less; many mutants never end
_TRIES = 3  # mutants tried for each one wanted: some do not compile, or compile to the same program


@dataclass(frozen=True)
class Mutation:
    """One mistake: what kind, on which line (from 1), and the whole text with it."""

    kind: Kind
    line: int
    change: str
    code: str


def mutations(code: str) -> list[Mutation]:
    """Every possible mutation of a program, in order of its text, except in functions that it does not use; none if it
    cannot be parsed."""
    root = syntax_tree(code)
    if root is None:
        return []
    data = code.encode(errors="replace")
    found = []
    unused = {node.start_byte for node in unused_functions(root, code)}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type == "function_definition" and node.start_byte in unused:
            continue
        for kind, start, end, text in _mistakes(node, data):
            if data[start:end].decode(errors="replace") != text:
                mutated = (data[:start] + text.encode() + data[end:]).decode(errors="replace")
                change = f"{_short(data[start:end].decode(errors='replace'))} → {_short(text)}"
                found.append((start, Mutation(kind, data[:start].count(b"\n") + 1, change, mutated)))
        waiting.extend(node.children)
    return [each for _, each in sorted(found, key=lambda item: (item[0], item[1].kind, item[1].change))]


def _mistakes(node: Any, data: bytes) -> Iterator[tuple[Kind, int, int, str]]:
    """(kind, first byte, last byte, replacement)."""
    if node.type == "binary_expression":
        operator = node.child_by_field_name("operator")
        if operator is not None and operator.type in _SWAPPED:
            yield "off-by-one", operator.start_byte, operator.end_byte, _SWAPPED[operator.type]
    elif node.type == "number_literal" and node.parent is not None and node.parent.type != "array_declarator":
        text = text_of(node, data)
        if text.isdigit() and len(text) < 19 and (text == "0" or text[0] != "0"):
            yield "bound", node.start_byte, node.end_byte, str(int(text) + 1)
    elif node.type in ("sized_type_specifier", "type_identifier") and text_of(node, data) in _WIDE:
        yield "overflow", node.start_byte, node.end_byte, "int"
    elif node.type == "if_statement":
        condition = node.child_by_field_name("condition")
        if condition is not None:
            yield "dropped case", condition.start_byte, condition.end_byte, "(false)"
        alternative = node.child_by_field_name("alternative")
        if alternative is not None:
            yield "dropped case", alternative.start_byte, alternative.end_byte, ""


def chosen(code: str, most: int, seed: str) -> list[Mutation]:
    """Up to `most` mutations, taking turns over the kinds, drawn by the seed."""
    draw = random.Random(seed)
    by_kind: dict[Kind, list[Mutation]] = {}
    for each in mutations(code):
        by_kind.setdefault(each.kind, []).append(each)
    for found in by_kind.values():
        draw.shuffle(found)
    picked: list[Mutation] = []
    while len(picked) < most and any(by_kind.values()):
        for kind in sorted(by_kind):
            if by_kind[kind] and len(picked) < most:
                picked.append(by_kind[kind].pop())
    return picked


def mutant_set(
    dataset: PairDataset,
    stress: StressSet | None,
    stressed: PairDataset | None,
    executor: Executor,
    pool: Pool,
    *,
    problems: Sequence[str] | None = None,
    known: MutantSet | None = None,
    most: int = MOST,
    progress: Callable[[int], Any] = lambda total: None,
) -> MutantSet:
    """Which mutants of each problem's human rewrites the tests, guard inputs and stress inputs find. With `problems`,
    only of these; `known` results of the others are kept. `stressed` is the dataset with `stress` as its tests."""
    by_problem = dataset.by_problem(problems)
    with_stress = {pair.pair_id: pair for pair in stressed.pairs} if stressed is not None else {}

    def one(problem_id: str) -> tuple[str, ProblemMutants]:
        pairs = by_problem[problem_id]
        pair = next((p for p in pairs if p.pair_id in with_stress), pairs[0])
        inputs = list(stressed.tests(with_stress[pair.pair_id])) if stressed and pair.pair_id in with_stress else []
        mutants, has = _of_pair(pair, dataset.tests(pair), inputs, executor, most)
        progress(len(by_problem))
        return problem_id, ProblemMutants(
            made_from=dataset.sum_of(pairs),
            stress_sha256=stress.sum_of(problem_id) if stress is not None else None,
            environment_id=executor.environment.environment_id,
            pair=pair.pair_id,
            has=has,
            mutants=mutants,
        )

    found = dict(known.problems) if known is not None and problems is not None else {}
    found |= dict(pool.map_unordered(one, by_problem))
    return MutantSet(dataset=dataset.name, split=dataset.split, problems=dict(sorted(found.items())))


def _of_pair(
    pair: Pair, tests: Sequence[TestCase], stress: Sequence[TestCase], executor: Executor, most: int
) -> tuple[tuple[Mutant, ...], tuple[Side, ...]]:
    """Mutants of a pair's human rewrite, and the available kinds of inputs. Guard inputs count only where the slow
    program gives the same output."""
    right, slow = executor.compiled(pair.tgt_code), executor.compiled(pair.src_code)
    if right is None or slow is None:
        return (), ()
    sides: dict[Side, Sequence[TestCase]] = {"tests": tests, "guards": [], "stress": stress}
    guards = []
    for data in inputs_of(pair.pair_id, tests):
        answer = executor.run_binary(right, data)
        other = executor.run_binary(slow, data)
        test = TestCase("guard", data, answer.stdout)
        if answer.exit_code == other.exit_code == 0 and executor.right(pair.problem_id, test, other.stdout):
            guards.append(test)
    sides["guards"] = guards
    # Inputs on which the program itself is wrong say nothing about a mutant.
    for side, inputs in sides.items():
        sides[side] = [test for test in inputs if _is_right(right, test, pair, executor)]
    found: list[Mutant] = []
    seen = {right}
    for mutation in chosen(pair.tgt_code, _TRIES * most, pair.pair_id):
        if len(found) == most:
            break
        binary = executor.compiled(mutation.code)
        if binary is None or binary in seen:
            continue
        seen.add(binary)
        by = tuple(
            side
            for side, inputs in sides.items()
            if any(not _is_right(binary, test, pair, executor) for test in inputs)
        )
        sum_ = sha256(mutation.code.encode(errors="replace"))
        found.append(
            Mutant(kind=mutation.kind, line=mutation.line, change=mutation.change, program_sha256=sum_, found_by=by)
        )
    return tuple(found), tuple(side for side, inputs in sides.items() if inputs)


def _is_right(binary: bytes, test: TestCase, pair: Pair, executor: Executor) -> bool:
    finished = executor.run_binary(binary, test.input, cpu_seconds=_CPU_SECONDS)
    return finished.exit_code == 0 and executor.right(pair.problem_id, test, finished.stdout)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 30 else text[:29] + "…"
