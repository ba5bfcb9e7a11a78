"""In every sandbox: the same environment, the same binaries, the same counts."""

from __future__ import annotations

from pathlib import Path

from pie_bench.data.pair import TestCase
from pie_bench.execution.environment import Environment
from pie_bench.execution.executor import Executor, open_environment
from pie_bench.execution.rootfs import _library_cache
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.qemu import build
from pie_bench.execution.toolchain import Toolchain
from pie_bench.run.verdict import Candidate
from pie_bench.store import MeasurementStore

CODE = """
#include <cassert>
#include <iostream>
#include <map>
int main() {
    std::map<int, int> m;
    int n;
    while (std::cin >> n) m[n]++;
    assert(m.size() < 1000);
    std::cout << m.size() << std::endl;
}"""
TESTS = [TestCase("a", b"1 2 3 1\n", b"3\n"), TestCase("b", b"5\n", b"1\n")]


def test_counts_are_those_of_the_first_sandbox(
    mechanism: Sandbox, ruler: Environment, sandbox: Sandbox, tmp_path: Path
) -> None:
    there = open_environment(ruler.spec, mechanism)
    assert there.environment_id == ruler.environment_id
    both = ((ruler, sandbox), (there, mechanism))
    toolchains = [Toolchain(e.spec.toolchain, e.spec.compile_limits, box, e.root) for e, box in both]
    for code, flags in ((CODE, ()), (CODE, ("-g",)), (CODE.replace("m[n]++", "m[n] = std::cin"), ())):
        first, second = (toolchain.compile(code, *flags) for toolchain in toolchains)
        assert first == second
    verdicts = []
    for number, (environment, box) in enumerate(both):
        executor = Executor(environment, box, MeasurementStore(tmp_path / f"{number}.sqlite"))
        verdicts.append(executor.execute(Candidate("p", "candidate", 0, CODE), TESTS))
    assert verdicts[0].outcome == "ok"
    assert verdicts[0] == verdicts[1]


def test_builds_are_identical(mechanism: Sandbox, ruler: Environment) -> None:
    assert ruler.root is not None
    assert _library_cache(ruler.root, mechanism) == (ruler.root / "etc" / "ld.so.cache").read_bytes()
    made = build.compile_plugin(ruler.spec, ruler.found.handle.tools, mechanism)
    assert made == ruler.found.handle.plugin.read_bytes()
