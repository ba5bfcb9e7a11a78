"""The ruler's fit: it recovers the numbers behind the data, and reports its error on unseen problems honestly."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pie_bench.config import parse_yaml
from pie_bench.errors import UserError
from pie_bench.execution.calibrate import STEPS, Observation, as_yaml, calibrate, steps_of
from pie_bench.execution.environment import load_environment_spec

NUMBERS = {"memory_cycles": 7, "cycles_per_1000_instructions": 90}


def observations(problems: int, per_problem: int, odd_one: float = 1.0) -> list[Observation]:
    """Runs whose times follow exactly from the numbers; the last problem's programs take `odd_one` times as long."""
    random = np.random.default_rng(0)
    made = []
    for problem in range(problems):
        for number in range(per_problem):
            plain = 1e-3 + 1e-4 * float(random.random())
            slopes = {name: float(random.random()) * 1e-6 for name in STEPS}
            seconds = plain + sum(NUMBERS[name] * slopes[name] for name in STEPS)
            factor = odd_one if problem == problems - 1 else 1.0
            made.append(Observation(f"p{problem}", f"{problem} {number // 5}", seconds * factor, plain, slopes))
    return made


def test_the_numbers_that_made_the_data_are_found() -> None:
    fitted = calibrate(observations(5, 40))
    assert fitted.numbers == NUMBERS
    assert np.abs(fitted.fitted_errors).max() < 1e-9
    assert np.abs(fitted.left_out_errors).max() < 1e-9
    assert np.abs(fitted.plain_errors).max() > 0.01
    assert len(fitted.left_out_work_errors) > 20
    assert np.abs(fitted.left_out_work_errors).max() < 1e-6


def test_a_problem_unlike_the_others_shows_when_it_is_left_out() -> None:
    fitted = calibrate(observations(5, 40, odd_one=1.5))
    odd = np.array(fitted.problems) == "p4"
    assert np.median(fitted.left_out_errors[odd]) == pytest.approx(1 / 1.5 - 1, abs=0.02)
    assert np.abs(fitted.left_out_errors[~odd]).max() > 1e-3


def test_one_problem_cannot_be_left_out() -> None:
    with pytest.raises(UserError, match="at least two problems"):
        calibrate(observations(1, 10))


def test_a_number_is_never_negative() -> None:
    too_slow = [replace(o, seconds=o.plain - sum(o.slopes.values())) for o in observations(3, 20)]
    assert set(calibrate(too_slow).numbers.values()) == {0}


def test_the_ruler_is_tried_without_its_numbers_and_with_one_at_a_time() -> None:
    specs = steps_of(load_environment_spec("skylake"))
    fitted = {name: spec.simulator.model_dump()["fitted"] for name, spec in specs.items()}
    assert fitted == {None: {}, **{name: {name: step} for name, step in STEPS.items()}}
    with pytest.raises(UserError, match="environment gem5-skylake: its simulator has no fitted numbers"):
        steps_of(load_environment_spec("gem5-skylake"))


def test_the_yaml_is_what_an_environment_has(tmp_path: Path) -> None:
    (tmp_path / "fitted.yaml").write_text(as_yaml(calibrate(observations(3, 20)), "skylake", "recorded"))
    assert parse_yaml(tmp_path / "fitted.yaml")[0]["simulator"] == {"fitted": NUMBERS}
    assert set(load_environment_spec("skylake").simulator.model_dump()["fitted"]) == set(NUMBERS)
