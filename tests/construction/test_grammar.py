"""Generators from tests: what the inputs have in common is found, and holds for everything made from it."""

import random
from collections.abc import Callable

import pytest

from pie_bench.construction.grammar import generator_of
from pie_bench.data.generator import PROFILES, generate

Draw = random.Random


def array(draw: Draw) -> str:
    n = draw.randint(2, 40)
    return f"{n} {draw.randint(1, 9)}\n{' '.join(str(draw.randint(1, 1000)) for _ in range(n))}\n"


def powers(draw: Draw) -> str:
    n = draw.randint(1, 3)
    return f"{n}\n{' '.join(str(draw.randint(0, 99)) for _ in range(2**n))}\n"


def grid(draw: Draw) -> str:
    h, w = draw.randint(2, 12), draw.randint(2, 12)
    return f"{h} {w}\n" + "".join("".join(draw.choices("#.", k=w)) + "\n" for _ in range(h))


def ranges(draw: Draw) -> str:
    n, q = draw.randint(5, 60), draw.randint(2, 30)
    rows = [sorted(draw.sample(range(1, n + 1), 2)) for _ in range(q)]
    values = " ".join(str(draw.randint(1, 9)) for _ in range(n))
    return f"{n}\n{values}\n{q}\n" + "".join(f"{a} {b}\n" for a, b in rows)


def tree(draw: Draw) -> str:
    n = draw.randint(2, 30)
    return f"{n}\n" + "".join(f"{draw.randint(1, v - 1)} {v}\n" for v in range(2, n + 1))


def permutation(draw: Draw) -> str:
    n = draw.randint(3, 30)
    numbers = list(range(1, n + 1))
    draw.shuffle(numbers)
    return f"{n}\n{' '.join(map(str, numbers))}\n"


def text(draw: Draw) -> str:
    return "".join(draw.choices("01B", k=draw.randint(1, 10))) + "\n"


def number(draw: Draw) -> str:
    return f"{draw.randint(1, 5000)}\n"


def holds(kind: Callable[[Draw], str], data: bytes) -> bool:
    rows = [line.split() for line in data.decode().splitlines()]
    if kind is array:
        return len(rows) == 2 and len(rows[1]) == int(rows[0][0])
    if kind is powers:
        return len(rows) == 2 and len(rows[1]) == 2 ** int(rows[0][0])
    if kind is grid:
        h, w = map(int, rows[0])
        return len(rows) == h + 1 and all(len(row) == 1 and len(row[0]) == w for row in rows[1:])
    if kind is ranges:
        n, q = int(rows[0][0]), int(rows[2][0])
        queries = [(int(a), int(b)) for a, b in rows[3:]]
        return len(rows[1]) == n and len(queries) == q and all(1 <= a <= b <= n for a, b in queries)
    if kind is tree:
        n = int(rows[0][0])
        return len(rows) == n and sorted({int(v) for row in rows[1:] for v in row} | {1}) == list(range(1, n + 1))
    if kind is permutation:
        return sorted(map(int, rows[1])) == list(range(1, int(rows[0][0]) + 1))
    return len(rows) == 1 and len(rows[0]) == 1


KINDS = (array, powers, grid, ranges, tree, permutation, text, number)


@pytest.mark.parametrize("odd", [0, 4], ids=["clean", "mutated"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_tests_have_in_common_is_kept_as_they_grow(kind: Callable[[Draw], str], odd: int) -> None:
    draw = Draw(7)
    inputs = [kind(draw).encode() for _ in range(40)] + [b"-3 x\n1 2 3\n" * (i + 1) for i in range(odd)]
    generator = generator_of("p1", inputs)
    assert generator is not None
    sizes = []
    for factor in (1.0, 2.0, 4.0):
        for profile in PROFILES:
            assert holds(kind, generate(generator, factor, 1, profile)), (factor, profile)
        sizes.append(generator.size_of(generate(generator, factor, 1), factor))
    assert sizes == sorted(set(sizes)), "it grows"


def test_a_round_largest_count_is_a_limit() -> None:
    inputs = [f"{n}\n{' '.join(['7'] * n)}\n".encode() for n in (3, 5, 8, 1000, 999)]
    generator = generator_of("p1", inputs)
    assert generator is not None and generate(generator, 64.0, 0).startswith(b"1000\n")


@pytest.mark.parametrize("inputs", [[b"1\n"], [b"\xff\n"] * 9, [b"5 5\n", b"5 5\n", b"5 5\n"], [b"", b"\n", b" \n"]])
def test_no_generator_where_there_is_no_grammar(inputs: list[bytes]) -> None:
    assert generator_of("p1", inputs) is None
