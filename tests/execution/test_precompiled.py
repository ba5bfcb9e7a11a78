"""A precompiled header saves time and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pie_bench.execution.environment import Environment
from pie_bench.execution.precompiled import begins_with_it, find_or_make
from pie_bench.execution.sandbox.sandbox import Sandbox, SandboxError
from pie_bench.execution.toolchain import Toolchain

INCLUDE = "#include <bits/stdc++.h>"


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (f"{INCLUDE}\nint main() {{}}", True),
        ("// a comment\n/* and\nanother */\n\n  # include<bits/stdc++.h> // all of it\r\nint main() {}", True),
        (INCLUDE, True),
        (f"#define int long long\n{INCLUDE}", False),
        (f"#pragma GCC optimize(\"Ofast\")\n{INCLUDE}", False),
        (f"#include <cmath>\n{INCLUDE}", False),
        (f"using namespace std;\n{INCLUDE}", False),
        (f"int x; {INCLUDE}", False),
        ('#include "bits/stdc++.h"\n', False),
        (f"{INCLUDE} \\\n\n", False),
        (f"\ufeff{INCLUDE}", False),
        ("", False),
    ],
)  # fmt: skip
def test_only_a_program_that_begins_with_it(code: str, answer: bool) -> None:
    assert begins_with_it(code) == answer


PROGRAMS = [
    "using namespace std; int main() { map<int, string> m; cin >> m[1]; cout << m[1].substr(1) << endl; }",
    """#pragma GCC optimize("Ofast,unroll-loops")
int main() { double s = 0; for (int i = 0; i < 99; i++) s += std::sqrt(i); printf("%f", s); }""",
    """#include <vector>
#include <iostream>
int main() { std::vector<int> v(3); std::cout << v.size() << __FILE__ << __LINE__ << __COUNTER__; }""",
    """static int n = [] { return rand(); }();
struct A { virtual ~A() {} };
int main() { std::shared_ptr<A> a(new A); assert(a); std::regex r("a*"); return n; }""",
]


@pytest.fixture
def compiles(toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each call of the compiler had the header, as calls are made."""
    calls: list[bool] = []
    compile_ = Toolchain._compile

    def compile_and_tell(self: Toolchain, sources: object, flags: object, header: Path | None = None) -> object:
        calls.append(header is not None)
        return compile_(self, sources, flags, header)  # type: ignore[arg-type]

    monkeypatch.setattr(Toolchain, "_compile", compile_and_tell)
    assert toolchain.compile(f"{INCLUDE}\nint main() {{}}").binary
    calls.clear()
    return calls


@pytest.mark.parametrize("code", PROGRAMS)
def test_programs_are_the_same_with_it(toolchain: Toolchain, compiles: list[bool], code: str) -> None:
    code = f"{INCLUDE}\n{code}"
    with_it, without = toolchain.compile(code), toolchain.compile(code, "-DUNUSED")
    assert compiles == [True, False]
    assert with_it.binary is not None
    assert with_it == without


def test_messages_are_the_ordinary_ones(toolchain: Toolchain, compiles: list[bool]) -> None:
    for code, outcome in (
        ("int main() { std::vector<int> v; v.push_back(v); }", "compile_error"),
        ("#warning careful\nint main() {}", "ok"),
    ):
        found = toolchain.compile(f"{INCLUDE}\n{code}")
        assert compiles[-2:] == [True, False]
        assert found.outcome == outcome
        assert found == toolchain.compile(f"{INCLUDE}\n{code}", "-DUNUSED")


def test_it_is_made_once_and_what_does_not_work_is_remembered(tmp_path: Path) -> None:
    made: list[str] = []

    def make() -> bytes:
        made.append("header")
        return b"header"

    folder = tmp_path / "deeper" / "header"
    assert find_or_make(folder, make, lambda _: True) == folder
    assert find_or_make(folder, make, lambda _: True) == folder
    assert made == ["header"]
    useless = tmp_path / "useless"
    assert find_or_make(useless, make, lambda _: False) is None
    assert find_or_make(useless, make, lambda _: True) is None
    assert made == ["header"] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deeper", "useless"]

    def fail() -> bytes:
        raise SandboxError("no compiler")

    assert find_or_make(tmp_path / "failed", fail, lambda _: True) is None
    assert not (tmp_path / "failed").exists()
    (tmp_path / "file").touch()
    assert find_or_make(tmp_path / "file" / "header", make, lambda _: True) is None


def test_without_a_root_there_is_none(host_toolchain: Toolchain) -> None:
    assert host_toolchain._header() is None


def test_every_sandbox_makes_the_same_programs(
    mechanism: Sandbox, environment: Environment, toolchain: Toolchain
) -> None:
    spec = environment.spec
    there = Toolchain(spec.toolchain, spec.compile_limits, mechanism, environment.root)
    code = f"{INCLUDE}\n{PROGRAMS[0]}"
    assert there.compile(code) == toolchain.compile(code)
