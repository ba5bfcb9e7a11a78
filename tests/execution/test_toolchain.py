"""Compiling untrusted text."""

from pathlib import Path

import pytest

from pie_bench.execution.environment import EnvironmentSpec
from pie_bench.execution.sandbox.sandbox import Sandbox, SandboxError
from pie_bench.execution.toolchain import Toolchain


def test_equal_sources_give_equal_binaries_whatever_their_comments(host_toolchain: Toolchain) -> None:
    code = "#include <iostream>\nint main(){ std::cout << 1; }\n"
    first, second = host_toolchain.compile(code), host_toolchain.compile(code + "// the same program\n")
    assert first.outcome == "ok"
    assert first.binary_sha256 == second.binary_sha256


def test_errors_are_the_compilers_own_words(host_toolchain: Toolchain) -> None:
    compiled = host_toolchain.compile("int main(){ return x; }")
    assert (compiled.binary, compiled.outcome) == (None, "compile_error")
    assert "'x' was not declared" in compiled.log
    assert host_toolchain.compile("").outcome == "compile_error"
    assert host_toolchain.compile("int main(){}\ud800\0").outcome in ("ok", "compile_error")


def test_the_hosts_files_are_out_of_reach(host_toolchain: Toolchain, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the expected output")
    secret.chmod(0o644)
    for code in (f'#include "{secret}"', '#include "/etc/passwd"', f'asm(".incbin \\"{secret}\\"");'):
        compiled = host_toolchain.compile(code + "\nint main(){}")
        assert compiled.outcome == "compile_error", code
        assert "expected output" not in compiled.log
        assert "root:" not in compiled.log


def test_a_compiler_kept_busy_is_a_timeout(
    host_spec: EnvironmentSpec, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = (
        "template<int N, long M> struct A { static const int v = A<N - 1, 2 * M>::v ^ A<N - 1, 2 * M + 1>::v; };\n"
    )
    endless += "template<long M> struct A<0, M> { static const int v = M & 1; };\nint main(){ return A<40, 0>::v; }"
    quick = Toolchain(host_spec.toolchain, host_spec.compile_limits.model_copy(update={"cpu_seconds": 1}), sandbox)
    assert quick.compile(endless).outcome == "compile_timeout"
    slow = Toolchain(host_spec.toolchain, host_spec.compile_limits.model_copy(update={"wall_seconds": 5}), sandbox)
    assert slow.compile(endless).outcome == "compile_timeout", "it is the program's, where another compiles"
    monkeypatch.setattr(slow, "_works", lambda: False)
    with pytest.raises(SandboxError, match="the compiler was stopped after"):
        slow.compile(endless)


def test_the_compiler_does_not_wait_for_a_terminal(host_toolchain: Toolchain) -> None:
    assert host_toolchain.compile('#include "/dev/ptmx"\nint main() {}').outcome in ("ok", "compile_error")


def test_facts_name_what_a_number_rests_on(host_toolchain: Toolchain) -> None:
    facts = host_toolchain.facts()
    assert facts["compiler"].startswith("g++ ")
    assert all(len(facts[library]) == 64 for library in ("libc.so.6", "libstdc++.so.6", "ld-linux-x86-64.so.2"))
