"""Environments: stable ids, your own files, simulators and environments of other packages."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pie_bench.data.pair import TestCase
from pie_bench.errors import UserError
from pie_bench.execution.environment import Environment, environment_names, load_environment_spec
from pie_bench.execution.executor import open_executor
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.run.verdict import Candidate

FACTS = {"compiler": "c", "gem5": "g"}
IDS = {  # ids of measurements and entries: they must not change unless what is measured or judged does
    "gem5-pie": ("ec167be2fb47f21f", "d80b94cc2eea3cce"),
    "gem5-skylake": ("0dc91f4757ff8956", "d80b94cc2eea3cce"),
}
TOY = '''
from pie_bench.execution.simulators.simulator import Found
from pie_bench.execution.simulators.spec import SimulatorSpec
from pie_bench.hashing import sha256
from pie_bench.run.measurement import Measurement


class ToySpec(SimulatorSpec):
    labels = {"steps": "steps of the toy"}
    instructions = "steps"
    seconds_a_step: float


class Toy:
    spec = ToySpec

    def find(self, spec, sandbox, root):
        return Found({"toy": "1.0"}, "the toy")

    def open(self, environment, sandbox):
        return ToySimulator(environment)

    def examine(self, spec, sandbox):
        return iter(())

    def version(self, facts):
        return f"toy {facts['toy']}"


class ToySimulator:
    """Counts the bytes of the input. The programs of its tests print nothing."""

    def __init__(self, environment):
        self.simulation_id = environment.simulation_id
        self._ruler = environment.spec.simulator

    def measure(self, binary, inputs):
        for data in inputs:
            counts = {"steps": len(data)}, {"steps": 1}
            yield Measurement(sha256(binary), sha256(data), self.simulation_id, "ok", 0, sha256(b""), *counts)

    def seconds(self, counters):
        return counters["steps"] * self._ruler.seconds_a_step


class NoSimulator:
    spec = int
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "toy_ruler.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield own(tmp_path, "toy", "simulator: {kind: 'toy_ruler:Toy', seconds_a_step: 0.5}", include="_limits.yaml")
    sys.modules.pop("toy_ruler", None)


def own(folder: Path, name: str, *lines: str, include: str = "skylake.yaml") -> Path:
    path = folder / f"{name}.yaml"
    head = [f"include: {include}", f"environment: {name}", "description: of a test"]
    if include == "_limits.yaml":
        head += ["toolchain: {compiler: g++, flags: [-O1]}", "comparator: strict", "program_environment: {}"]
    path.write_text("\n".join([*head, *lines, ""]))
    return path


def test_ids_are_those_of_earlier_versions() -> None:
    new = {"skylake", "boom", "neoverse", "gem5-boom", "gem5-neoverse"}  # have no earlier version
    assert {*IDS} | new == {*environment_names()}
    for name, expected in IDS.items():
        environment = Environment(load_environment_spec(name), FACTS)
        assert (environment.environment_id[:16], environment.simulation_id[:16]) == expected, name


def test_identities() -> None:
    standard, strict = map(load_environment_spec, ("skylake", "skylake+strict"))
    facts = {"compiler": "g++ 9", "plugin": "1"}
    one, other = Environment(standard, facts), Environment(strict, facts)
    assert (standard.comparator, strict.comparator) == ("standard", "strict")
    assert one.environment_id != other.environment_id
    assert one.simulation_id == other.simulation_id, "another comparator needs no new simulation"
    newer = Environment(standard, {**facts, "plugin": "2"})
    assert newer.simulation_id != one.simulation_id
    assert newer.environment_id != one.environment_id
    recompiled = Environment(standard, {**facts, "compiler": "g++ 13"})
    assert recompiled.environment_id != one.environment_id
    assert recompiled.simulation_id == one.simulation_id, "a binary's own sum says how it was compiled"


def test_your_own_environment_is_a_file_that_may_include_the_packages(tmp_path: Path) -> None:
    own(tmp_path, "_mine", "max_instructions: 7")
    path = tmp_path / "own.yaml"
    path.write_text("include: [skylake.yaml, _mine.yaml]\nenvironment: own\ndescription: mine\n")
    spec = load_environment_spec(str(path))
    assert (spec.environment, spec.max_instructions, spec.simulator.kind) == ("own", 7, "qemu")
    changed = own(tmp_path, "changed", "simulator: {fitted: {memory_cycles: 6}}")
    ids = [Environment(load_environment_spec(str(name)), FACTS) for name in (changed, "skylake")]
    assert ids[0].simulation_id != ids[1].simulation_id
    assert ids[0].environment_id != ids[1].environment_id


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("simulator: {kind: quemu}", "own.yaml:4: simulator.kind: unknown simulator 'quemu'; did you mean qemu"),
        ("simulator: {least_startup_instructions: x}", "own.yaml:4: simulator.least_startup_instructions: "),
        (
            "simulator: {paramters: 3}",
            "own.yaml:4: simulator.paramters: unknown key 'paramters'; did you mean parameters",
        ),
        ("simulator: {xyz: 3}", "own.yaml:4: simulator.xyz: unknown key 'xyz'; known: "),
        ("native_limits: {xyz: 3}", "own.yaml:4: native_limits.xyz: unknown key 'xyz'; known: "),
        ("simulator: 3", "own.yaml:4: simulator: "),
        ("simulator: {kind: 'nowhere.at:All'}", "simulator.kind: simulator nowhere.at:All: there is no module"),
        ("max_instructions: 0", "own.yaml:4: max_instructions: "),
        ("comparator: loose", "own.yaml:4: comparator: "),
    ],
)
def test_mistakes_in_a_file_are_reported_with_their_line(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(UserError) as error:
        load_environment_spec(str(own(tmp_path, "own", line)))
    assert says in str(error.value)


@pytest.mark.parametrize("name", ["cachegrind", "cachegrind-host", "cachegrind-host-strict", "cachegrind+paper"])
def test_removed_environments_name_their_successor(name: str) -> None:
    with pytest.raises(UserError, match=f"^environment {name.partition('+')[0]} is gone; use its successor: skylake$"):
        load_environment_spec(name)


def test_a_file_may_bear_the_name_of_a_removed_environment(tmp_path: Path) -> None:
    path = str(own(tmp_path, "cachegrind-like"))
    assert load_environment_spec(path).environment == "cachegrind-like"


def test_missing_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown environment 'skylak'; did you mean .*skylake"):
        load_environment_spec("skylak")
    with pytest.raises(UserError, match=r"nowhere\.yaml: no such file"):
        load_environment_spec(str(tmp_path / "nowhere.yaml"))
    path = own(tmp_path, "one")
    path.rename(tmp_path / "two.yaml")
    with pytest.raises(UserError, match=r"two\.yaml:2: environment: expected 'two', the name of the file"):
        load_environment_spec(str(tmp_path / "two.yaml"))


def test_a_simulator_of_another_package_measures(toy: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    executor = open_executor(str(toy), tmp_path, sandbox)
    assert executor.environment.facts["toy"] == "1.0"
    assert executor.environment.found.description == "the toy"
    tests = (TestCase("0", b"12\n", b""), TestCase("1", b"1\n", b""))
    verdict = executor.execute(Candidate("p", "source", 0, "int main() {}"), tests)
    assert (verdict.outcome, verdict.runtime_seconds, verdict.startup_seconds) == ("ok", 2.5, 1.0)
    assert [test.instructions for test in verdict.tests] == [3, 2]
    assert json.loads(json.dumps(verdict.to_json()))["counters"] == {"steps": 5}
    assert executor.environment.spec.simulator.labels == {"steps": "steps of the toy"}


def test_a_plug_in_that_is_not_a_simulator_is_named(toy: Path) -> None:
    toy.write_text(toy.read_text().replace("toy_ruler:Toy", "toy_ruler:NoSimulator"))
    with pytest.raises(UserError, match="toy_ruler:NoSimulator: its `spec` is not a subclass of SimulatorSpec"):
        load_environment_spec(str(toy))


def test_a_sandbox_of_another_package_is_used_by_its_import_string(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "boxes.py").write_text(
        "from pie_bench.execution.sandbox.unsafe import UnsafeSandbox\n"
        "from pie_bench.execution.sandbox.sandbox import SandboxError\n"
        "class Box(UnsafeSandbox):\n    name = 'box'\n"
        "class Broken:\n    remedy = 'buy one'\n    def __init__(self): raise SandboxError('no box here')\n"
        "class NoBox: ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert choose_sandbox("boxes:Box").name == "box"
    with pytest.raises(UserError, match=r"no usable sandbox: boxes:Broken: no box here \(buy one\)"):
        choose_sandbox("boxes:Broken")
    with pytest.raises(UserError, match="sandbox boxes:NoBox: no sandbox: "):
        choose_sandbox("boxes:NoBox")
    with pytest.raises(UserError, match="unknown sandbox 'bubblewarp'; did you mean bubblewrap"):
        choose_sandbox("bubblewarp")
    sys.modules.pop("boxes", None)
