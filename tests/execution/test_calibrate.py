"""The cycle model's fit: it finds costs that made the data, and says honestly what it is worth on unseen problems."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pie_bench.config import parse_yaml
from pie_bench.errors import UserError
from pie_bench.execution.calibrate import MODEL, Observation, as_yaml, calibrate
from pie_bench.execution.environment import Environment, load_environment_spec

COSTS = {"Ir": 0.1e-9, "ILmr": 60e-9, "DLmr": 60e-9, "DLmw": 50e-9, "Bcm": 4e-9, "Bim": 25e-9}
STARTUP_COSTS = {"Ir": 0.2e-9, "ILmr": 70e-9, "DLmr": 70e-9, "DLmw": 40e-9, "Bcm": 5e-9, "Bim": 20e-9}


def observations(problems: int, per_problem: int, odd_one: float = 1.0) -> list[Observation]:
    """Runs whose times are the costs' exactly, but for the last problem, whose programs take `odd_one` as long."""
    random = np.random.default_rng(0)
    made = []
    for problem in range(problems):
        for number in range(per_problem):
            startup = {event: int(random.integers(1, 1000)) * int(1e-6 / COSTS[event]) for event in COSTS}
            work = {event: int(random.integers(1, 1000)) * int(1e-6 / COSTS[event]) for event in COSTS}
            seconds = sum(STARTUP_COSTS[e] * startup[e] + COSTS[e] * work[e] for e in COSTS)
            counts = {event: startup[event] + work[event] for event in COSTS}
            factor = odd_one if problem == problems - 1 else 1.0
            made.append(Observation(f"p{problem}", f"{problem} {number // 5}", counts, startup, seconds * factor))
    return made


def test_the_costs_that_made_the_data_are_found() -> None:
    fitted = calibrate(observations(5, 40))
    # The prior, up to 40 % off here, pulls a little.
    assert {event: pytest.approx(cost, rel=0.05) for event, cost in COSTS.items()} == fitted.costs
    assert {event: pytest.approx(cost, rel=0.05) for event, cost in STARTUP_COSTS.items()} == fitted.startup_costs
    assert np.abs(fitted.left_out_errors).max() < 0.03
    assert len(fitted.work_errors) > 100
    assert np.median(np.abs(fitted.left_out_work_errors)) < 0.03


def test_a_problem_unlike_the_others_shows_when_it_is_left_out() -> None:
    fitted = calibrate(observations(5, 40, odd_one=1.5))
    odd = np.array(fitted.problems) == "p4"
    assert np.median(fitted.left_out_errors[odd]) == pytest.approx(1 / 1.5 - 1, abs=0.02)
    assert abs(np.median(fitted.left_out_errors[~odd])) < 0.15


def test_what_the_data_cannot_tell_stays_near_the_prior() -> None:
    startup = {event: 1000 for events, _, _ in MODEL for event in events}
    counts = dict.fromkeys(startup, 2000)
    prior = sum((before + after) * 1000 * len(events) for events, before, after in MODEL)
    runs = [Observation(problem, problem, counts, startup, prior * 1.02) for problem in ("a", "b") for _ in range(10)]
    fitted = calibrate(runs)
    assert len(fitted.work_errors) == 0
    for events, before, after in MODEL:
        assert fitted.startup_costs[events[0]] == pytest.approx(before, rel=0.05)
        assert fitted.costs[events[0]] == pytest.approx(after, rel=0.05)


def test_one_problem_cannot_be_left_out() -> None:
    with pytest.raises(UserError, match="at least two problems"):
        calibrate(observations(1, 10))


def test_costs_are_never_negative() -> None:
    backwards = [replace(o, seconds=1e-3 / (o.counts["Bim"] + 1)) for o in observations(3, 20)]
    fitted = calibrate(backwards)
    assert min(*fitted.costs.values(), *fitted.startup_costs.values()) >= 0


def test_the_yaml_can_be_included_by_an_environment(tmp_path: Path) -> None:
    spec = load_environment_spec("cachegrind-host")
    fitted = calibrate(observations(3, 20))
    text = as_yaml(fitted, Environment(spec, {"valgrind": "valgrind-3.19.0"}), "gem5-skylake")
    (tmp_path / "costs.yaml").write_text(text)
    simulator = parse_yaml(tmp_path / "costs.yaml")[0]["simulator"]
    for name, costs in (("seconds_per_event", fitted.costs), ("startup_seconds_per_event", fitted.startup_costs)):
        assert simulator[name] == {event: pytest.approx(cost, rel=1e-3) for event, cost in costs.items()}
    assert "left out" in text
    assert "without p1" in text
