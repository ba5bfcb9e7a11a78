"""Generators: the language, mistakes reported in one line, and the same bytes everywhere."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_bench.data.generator import (
    MOST_BYTES,
    PROFILES,
    Generator,
    Profile,
    TooLarge,
    evaluate,
    generate,
    load_generator,
)
from pie_bench.data.stress import GENERATORS
from pie_bench.errors import UserError
from pie_bench.hashing import sha256

QUERIES = Generator.model_validate(
    {
        "problem": "p1",
        "input": [
            {"line": [{"name": "n", "size": {"low": 2, "high": 1000}}, {"name": "q", "size": {"low": 1, "high": 500}}]},
            {"line": [{"number": [-5, 5], "count": "n"}]},
            {"line": [{"name": "a", "number": [1, "n-1"]}, {"number": ["a+1", "n"]}], "repeat": "q"},
        ],
    }
)


@settings(max_examples=30)
@given(st.sampled_from((1.0, 0.5, 0.01, 1e-9)), st.integers(0, 2**40), st.sampled_from(PROFILES))
def test_inputs_follow_the_generator(factor: float, seed: int, profile: Profile) -> None:
    data = generate(QUERIES, factor, seed, profile)
    first, values, *rows = [[int(token) for token in line.split()] for line in data.decode().splitlines()]
    assert first == [max(2, round(1000 * factor)), max(1, round(500 * factor))]
    assert len(values) == first[0] and all(-5 <= value <= 5 for value in values)
    assert len(rows) == first[1] and all(1 <= a < b <= first[0] for a, b in rows)
    assert data == generate(QUERIES, factor, seed, profile)
    if profile == "ascending":
        assert values == sorted(values)


def test_the_bytes_are_these_on_every_machine() -> None:
    made = b"".join(generate(QUERIES, 0.3, seed, profile) for seed in (0, 1) for profile in PROFILES)
    assert sha256(made)[:16] == "a6f5d97be1cacd9c"


@pytest.mark.parametrize("profile", PROFILES)
def test_trees_are_trees(profile: Profile) -> None:
    spec = {"problem": "t", "input": [{"line": [{"name": "n", "size": {"low": 2, "high": 50}}]}, {"tree": "n"}]}
    lines = generate(Generator.model_validate(spec), 1.0, 3, profile).decode().splitlines()
    seen = {1}
    edges = [tuple(map(int, line.split())) for line in lines[1:]]
    assert len(edges) == 49
    for _ in edges:
        seen |= {b for edge in edges for a, b in (edge, edge[::-1]) if a in seen}
    assert seen == set(range(1, 51))


def test_orders() -> None:
    def numbers(order: str, low: int, high: int) -> list[int]:
        part = {"number": [low, high], "count": {"low": 1, "high": 200}, "order": order}
        spec = {"problem": "o", "input": [{"line": [part]}]}
        return [*map(int, generate(Generator.model_validate(spec), 1.0, 5).split())]

    assert sorted(numbers("permutation", 1, 1)) == list(range(1, 201))
    distinct = numbers("distinct", 0, 10**9)
    assert len(set(distinct)) == 200
    ascending = numbers("ascending", 0, 9)
    assert ascending == sorted(ascending)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ([{"line": [{"number": [1, 5]}]}], "nothing grows"),
        ([{"line": [{"number": [1, "m"]}, {"size": {"low": 1, "high": 2}}]}], "m is not an earlier field"),
        ([{"line": [{"size": {"low": 3, "high": 2}}]}], "low 3 is above high 2"),
        ([{"line": [{"word": "ab", "number": [1, 2]}]}], "found number and word"),
        ([{"line": [{"word": "a b", "length": {"low": 1, "high": 2}}]}], "no space"),
        ([{"line": [{"number": ["__import__('os')", 2]}]}], "only min and max"),
        ([{"line": [{"number": ["n.real", 2]}]}], "expected integers"),
        ([{"line": [{"number": ["1.5", 2]}]}], "not an integer"),
        ([{"line": [{"number": ["(", 2]}]}], "not an expression"),
        ([{"repeat": 2}], "a line or a tree"),
        ([{"line": [{"size": {"low": 1, "high": 9}, "name": "n"}, {"number": [1, 2], "name": "n"}]}], "named twice"),
        ([{"lines": []}], "did you mean line"),
    ],
)
def test_mistakes_are_reported(spec: object, said: str, tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "p1.yaml"
    path.write_text(yaml.safe_dump({"problem": "p1", "input": spec}))
    with pytest.raises(UserError, match=said.replace("(", r"\(")) as caught:
        load_generator(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_empty_ranges_and_other_names_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "p1.yaml"
    path.write_text("problem: p1\ninput:\n  - line: [{name: n, size: {low: 1, high: 9}}, {number: [n+9, n]}]\n")
    with pytest.raises(UserError, match="an empty range"):
        load_generator(path)
    path.rename(tmp_path / "p2.yaml")
    with pytest.raises(UserError, match="the file name says 'p2'"):
        load_generator(tmp_path / "p2.yaml")


def test_nothing_larger_than_the_limit_is_made() -> None:
    spec = {"problem": "x", "input": [{"line": [{"word": "ab", "length": {"low": 1, "high": 10**9}}]}]}
    with pytest.raises(TooLarge):
        generate(Generator.model_validate(spec), 1.0, 0)
    assert len(generate(Generator.model_validate(spec), MOST_BYTES / 2 / 10**9, 0)) == MOST_BYTES // 2 + 1
    lines = {"problem": "x", "input": [{"line": [{"number": [1, 2]}], "repeat": {"low": 1, "high": 10**9}}]}
    with pytest.raises(TooLarge):
        generate(Generator.model_validate(lines), 1.0, 0)
    for expression in ("10^70", "2^62*9"):
        with pytest.raises(TooLarge):
            evaluate(expression, {})


def test_expressions() -> None:
    assert evaluate("max(2^n-1, n*m)/2", {"n": 3, "m": 5}) == 7
    assert evaluate("-n+min(1,2)", {"n": 3}) == -2
    with pytest.raises(UserError, match="divides by zero"):
        evaluate("1/n", {"n": 0})


@pytest.mark.parametrize("path", sorted(GENERATORS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_generators_make_inputs(path: Path) -> None:
    generator = load_generator(path)
    assert generate(generator, 1.0, 0), "the largest is within the limits"
    assert generate(generator, 0.25, 0) != generate(generator, 0.25, 1) or generator.is_of_values
