"""Which programs are measured again: always those that decide the score, and others that nobody can predict."""

from types import SimpleNamespace
from typing import Any

from pie_bench.leaderboard.verify import carrying, choose, new_seed
from pie_bench.run.verdict import Candidate, Verdict


def verdict(pair: str, role: Any, index: int, seconds: float | None) -> Verdict:
    outcome: Any = "wrong_output" if seconds is None else "ok"
    startup = None if seconds is None else 0.01
    return Verdict(pair, role, index, "e", outcome, code_sha256="c", runtime_seconds=seconds, startup_seconds=startup)


def made() -> dict[Any, Verdict]:
    """40 pairs, source 1 s, human rewrite 0.25 s; two answers each: pair p20 and beyond faster and faster."""
    verdicts = []
    for number in range(40):
        pair = f"p{number:02d}"
        fast = 1.0 / (number - 10) if number >= 20 else 1.0
        verdicts += [verdict(pair, "source", 0, 1.0), verdict(pair, "target", 0, 0.005 if number >= 20 else 0.25)]
        verdicts += [verdict(pair, "candidate", 0, fast), verdict(pair, "candidate", 1, None)]
    found = {each.key: each for each in verdicts}
    found["p03", "candidate", 1] = verdict("p03", "candidate", 1, 1 / 1.11)  # all but 10 % faster
    found["p04", "candidate", 1] = verdict("p04", "candidate", 1, 0.2503)  # as fast as the human rewrite
    found["p05", "candidate", 1] = verdict("p05", "candidate", 1, 1 / 1.3)  # near nothing
    return found


def test_the_largest_speedups_and_what_is_near_a_threshold_are_always_measured() -> None:
    found = carrying(made())
    largest = {(f"p{n}", role, i) for n in range(30, 40) for role, i in
               (("source", 0), ("target", 0), ("candidate", 0), ("candidate", 1))}  # fmt: skip
    near = {(pair, role, 0) for pair in ("p03", "p04") for role in ("source", "target")}
    assert found == largest | near | {("p03", "candidate", 1), ("p04", "candidate", 1)}


def test_every_seed_draws_the_rest_differently() -> None:
    verdicts = made()
    programs = {key: Candidate(*key, code=None if key == ("p00", "candidate", 1) else "") for key in verdicts}
    bundle = SimpleNamespace(sha256="b")
    checked: Any = SimpleNamespace(bundle=bundle, verdicts=verdicts, on_stress={}, programs=programs)
    draws = [choose(checked, 0.1, new_seed()) for _ in range(5)]
    assert len({tuple(c.key for c in draw.drawn) for draw in draws}) == 5
    for draw in draws:
        assert {c.key for c in draw.carrying} == carrying(verdicts)
        assert len(draw.drawn) == 12, "a tenth of the other 113"
        assert not {c.key for c in draw.drawn} & carrying(verdicts)
        assert all(c.code is not None for c in draw.programs)
    assert choose(checked, 0.1, "7") == choose(checked, 0.1, "7")
    assert len(choose(checked, 1.0, "7").programs) == len(verdicts) - 1


def test_what_carries_the_score_on_stress_inputs_is_always_measured_too() -> None:
    verdicts = made()
    programs = {key: Candidate(*key, code="") for key in verdicts}
    on_stress = {
        each.key: each for each in (verdict("p01", role, 0, s) for role, s in (("source", 2.0), ("candidate", 1.0)))
    }
    bundle = SimpleNamespace(sha256="b")
    checked: Any = SimpleNamespace(bundle=bundle, verdicts=verdicts, on_stress=on_stress, programs=programs)
    found = {program.key for program in choose(checked, 0.01, "7").carrying}
    assert found == carrying(verdicts) | set(on_stress) and not set(on_stress) & carrying(verdicts)
