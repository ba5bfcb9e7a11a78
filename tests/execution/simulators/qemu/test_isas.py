"""Other instruction sets: decoded as in gem5, measured like x86-64, with the same limits and refusals."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

from pie_bench.data.load import load_dataset
from pie_bench.data.pair import Pair, TestCase
from pie_bench.errors import UserError
from pie_bench.execution.environment import Environment, load_environment_spec
from pie_bench.execution.executor import Executor, open_environment
from pie_bench.execution.isa import AARCH64, HOST_COMPILER, ISAS, RISCV64, X86_64, Isa, isa_of
from pie_bench.execution.sandbox.sandbox import Command, File, Sandbox
from pie_bench.execution.simulators.qemu import build
from pie_bench.execution.simulators.qemu.simulator import QemuSimulator
from pie_bench.execution.toolchain import Toolchain
from pie_bench.hashing import sha256
from pie_bench.run.verdict import Candidate, Verdict
from pie_bench.store import MeasurementStore

INT, MULT, DIV, FADD, FCMP, FCVT, FMULT, FDIV, FMISC = 1, 2, 3, 4, 5, 6, 7, 8, 10
LOAD, STORE, FMA = "25L", "26S", 27
F, V, FLAGS, MICRO, SP = 32, 40, 32, 33, 31  # RISC-V's f0; AArch64's v0, flags, micro-code's, stack pointer
# What the assembler makes of a line, as decode_test.cpp says it.
DECODED = {
    RISCV64: {
        "add a0, a1, a2": f"{INT} 11 12 > 10",
        "addi a0, a1, 5": f"{INT} 11 > 10",
        "mv zero, a1": f"{INT} 11 >",
        "lui a0, 0x12345": f"{INT} > 10",
        "c.li a0, 3": f"{INT} > 10",
        "c.lui a1, 4": f"{INT} > 11",
        "c.addi16sp sp, 32": f"{INT} 2 > 2",
        "c.addi4spn a0, sp, 16": f"{INT} 2 > 10",
        "c.mv a0, a1": f"{INT} 11 > 10",
        "c.add a0, a1": f"{INT} 10 11 > 10",
        "c.sub s0, s1": f"{INT} 8 9 > 8",
        "c.slli a0, 3": f"{INT} 10 > 10",
        "mul a0, a1, a2": f"{MULT} 11 12 > 10",
        "remw a0, a1, a2": f"{DIV} 11 12 > 10",
        "ld a0, 8(sp)": f"{LOAD} 2 > 10",
        "lbu a0, 0(a1)": f"{LOAD} 11 > 10",
        "fld fa0, 0(a0)": f"{LOAD} 10 > {F + 10}",
        "c.fldsp fa0, 8(sp)": f"{LOAD} 2 > {F + 10}",
        "sd a0, 8(sp)": f"{STORE} 10 2 >",
        "c.sw a0, 4(a1)": f"{STORE} 10 11 >",
        "fsw fa0, 0(a1)": f"{STORE} {F + 10} 11 >",
        "beq a0, a1, .+16": f"{INT} 10 11 > conditional 16",
        "c.bnez a0, .-8": f"{INT} 10 > conditional -8",
        "jal ra, .+2048": f"{INT} > 1 call 2048",
        "c.j .+64": f"{INT} > direct 64",
        "jalr ra, 0(a0)": f"{INT} 10 > 1 indirect call",
        "ret": f"{INT} 1 > return",
        "jr a5": f"{INT} 15 > indirect",
        "c.jalr a5": f"{INT} 15 > 1 indirect call",
        "fadd.d fa0, fa1, fa2": f"{FADD} {F + 11} {F + 12} > {F + 10}",
        "fdiv.s fa0, fa1, fa2": f"{FDIV} {F + 11} {F + 12} > {F + 10}",
        "fmadd.d fa0, fa1, fa2, fa3": f"{FMA} {F + 11} {F + 12} {F + 13} > {F + 10}",
        "flt.d a0, fa1, fa2": f"{FCMP} {F + 11} {F + 12} > 10",
        "fcvt.d.l fa0, a1": f"{FCVT} 11 > {F + 10}",
        "fmv.x.d a0, fa1": f"{FMISC} {F + 11} > 10",
        "amoadd.w a0, a1, (a2)": f"{LOAD} 12 > 10 + {STORE} 11 10 12 >",
        "lr.d a0, (a1)": f"{LOAD} 11 > 10",
        "sc.d a0, a1, (a2)": f"{STORE} 11 12 > 10",
        "fence": "0B >",
        "ecall": f"{INT}! > system call",
        "rdcycle a0": f"{INT}! > 10",
        ".4byte 0x0000007f": "0 > unsupported",
        ".2byte 0": "0 > unsupported",
    },
    AARCH64: {
        "add x0, x1, x2": f"{INT} 1 2 > 0",
        "add sp, sp, #16": f"{INT} {SP} > {SP}",
        "cmp x1, x2": f"{INT} 1 2 > {FLAGS}",
        "cmp x1, #3": f"{INT} 1 > {FLAGS}",
        "mov x0, x1": f"{INT} 1 > 0",
        "movz x0, #1": f"{INT} > 0",
        "movk x0, #1, lsl #16": f"{INT} 0 > 0",
        "adrp x0, .": f"{INT} > 0",
        "csel x0, x1, x2, eq": f"{INT} 1 2 {FLAGS} > 0",
        "ccmp x1, x2, #0, ne": f"{INT} 1 2 {FLAGS} > {FLAGS}",
        "madd x0, x1, x2, x3": f"{MULT} 1 2 3 > 0",
        "sdiv x0, x1, x2": f"{DIV} 1 2 > 0",
        "lsl x0, x1, x2": f"{INT} 1 2 > 0",
        "ldr x0, [x1]": f"{LOAD} 1 > 0",
        "ldr x0, [x1, x2, lsl #3]": f"{LOAD} 1 2 > 0",
        "ldr x0, [x1], #8": f"{LOAD} 1 > 0 + {INT} 1 > 1",
        "ldp x29, x30, [sp], #32": f"{LOAD} {SP} > 29 30 + {INT} {SP} > {SP}",
        "ldp x0, x1, [sp, #16]": f"{INT} {SP} > {MICRO} + {LOAD} {MICRO} > 0 1",
        "ldp q0, q1, [x2]": f"{INT} 2 > {MICRO} + {LOAD} {MICRO} > {V} + {LOAD} {MICRO} > {V + 1}",
        "stp x29, x30, [sp, #-32]!": (
            f"{INT} {SP} > {MICRO} + {STORE} {MICRO} 29 > + {STORE} {MICRO} 30 > + {INT} {MICRO} > {SP}"
        ),
        "stp w0, w1, [x2]": f"{INT} 2 > {MICRO} + {STORE} {MICRO} 0 1 >",
        "stp q0, q1, [x2], #32": " + ".join([*(f"{STORE} 2 {V + k} >" for k in (0, 0, 1, 1)), f"{INT} 2 > 2"]),
        "str xzr, [x1]": f"{STORE} 1 >",
        "ldr d0, [x1]": f"{LOAD} 1 > {V}",
        "str q0, [x1, #16]": f"{STORE} 1 {V} >",
        "prfm pldl1keep, [x0]": "0 >",
        "ldaxr w0, [x1]": f"{LOAD} 1 > 0",
        "stlxr w2, w0, [x1]": f"{STORE} 1 0 > 2",
        "dc zva, x3": f"{STORE} 3 >",
        "b .+64": f"{INT} > direct 64",
        "bl .+64": f"{INT} > 30 call 64",
        "b.ne .-8": f"{INT} {FLAGS} > conditional -8",
        "cbz x3, .+16": f"{INT} 3 > conditional 16",
        "tbnz x3, #5, .+16": f"{INT} 3 > conditional 16",
        "blr x3": f"{INT} 3 > 30 indirect call",
        "br x3": f"{INT} 3 > indirect",
        "ret": f"{INT} 30 > return",
        "fadd d0, d1, d2": f"{FADD} {V + 1} {V + 2} > {V}",
        "fmadd d0, d1, d2, d3": f"{FMA} {V + 1} {V + 2} {V + 3} > {V}",
        "fdiv d0, d1, d2": f"{FDIV} {V + 1} {V + 2} > {V}",
        "fcmp d0, d1": f"{FCMP} {V} {V + 1} > {FLAGS}",
        "scvtf d0, x1": f"{FCVT} 1 > {V}",
        "fmov x0, d1": f"{FMISC} {V + 1} > 0",
        "dmb ish": "0B >",
        "svc #0": f"{INT}! > system call",
        "nop": "0 >",
        ".4byte 0x04200000": "0 > unsupported",  # SVE
    },
}
SUM = """
#include <iostream>
#include <vector>
int main() {
    std::vector<long> all;
    long n, s = 0;
    while (std::cin >> n) all.push_back(n);
    std::vector<char> zeroed(1 << 16);
    for (long each : all) s += each / 3 + zeroed[each];
    std::cout << s << "\\n"; }"""
TESTS = [TestCase("a", b"3 6 9\n", b"6\n"), TestCase("b", b"30\n" * 200, b"2000\n")]
ASKS = {
    RISCV64: {
        "rdcycle": "rdcycle %0",
        "ecall": "li a7, 172\\necall\\nmv %0, a0",
        "gem5 pseudo-instruction": "li %0, 7\\n.insn r 0x7b, 0, 0x40, x0, x0, x0",
    },
    AARCH64: {
        "mrs of a counter": "mrs %0, cntvct_el0",
        "svc": "mov x8, 172\\nsvc 0\\nmov %0, x0",
        "gem5 pseudo-instruction": "mov %0, 7\\n.inst 0xff400110",
    },
}
AS_NUMBERS = {
    RISCV64: {
        "rdcycle": ".4byte 0xc0102573",
        "ecall": ".2byte 0x0073, 0",
        "gem5 pseudo-instruction": ".byte 0x7b, 0, 0, 0x80",
    },
    AARCH64: {
        "mrs of a counter": ".8byte 0xd503201fd53be040",
        "svc": ".2byte 0x0001, 0xd400",
        "gem5 pseudo-instruction": ".4byte 0xff400110",
    },
}


@pytest.fixture
def executor(foreign: Environment, sandbox: Sandbox, tmp_path: Path) -> Executor:
    return Executor(foreign, sandbox, MeasurementStore(tmp_path / "m.sqlite"))


def judged(executor: Executor, code: str, tests: list[TestCase] | None = None, role: str = "source") -> Verdict:
    return executor.execute(Candidate("p", role, 0, code), tests or TESTS[:1])  # type: ignore[arg-type]


def test_each_compiler_compiles_for_one() -> None:
    names = [compiler for isa in ISAS.values() for compiler in isa.compilers]
    assert len(names) == len({*names})
    assert isa_of(HOST_COMPILER) is X86_64
    assert [isa.is_foreign for isa in ISAS.values()] == [False, True, True]


def test_each_has_its_own_sources() -> None:
    sources = {isa.name: {path.name for path in build.source_files(isa)} for isa in ISAS.values()}
    for names in sources.values():
        assert {"arch.h", "arch.cpp", "decode.cpp", "core.cpp", "plugin.cpp"} <= names


@pytest.mark.parametrize("isa", ISAS.values(), ids=lambda isa: isa.name)
def test_sources_that_count_the_same_share_a_hash(isa: Isa, monkeypatch: pytest.MonkeyPatch) -> None:
    file = build._SOURCES / isa.name / "counts_as.json"
    assert not file.exists() or build.counted_as(isa) != build.source_sums(isa), (
        "counts_as.json is of other sources: compare the counts anew, or delete it"
    )
    changed = {**build.source_sums(isa), "core.cpp": "0"}
    monkeypatch.setattr(build, "source_sums", lambda isa: changed)
    assert build.counted_as(isa) == changed, "what was compared are those sources only"


def test_a_foreign_compiler_needs_a_root(tmp_path: Path) -> None:
    path = tmp_path / "rootless.yaml"
    path.write_text("include: boom.yaml\nenvironment: rootless\nroot: null\n")
    with pytest.raises(UserError, match="needs a root"):
        load_environment_spec(str(path))


def test_decoding(foreign: Environment, sandbox: Sandbox, pinned_root: Path) -> None:
    isa, expected = foreign.spec.toolchain.isa, DECODED[foreign.spec.toolchain.isa]
    code = assembled(isa, list(expected), foreign, sandbox)
    sources = {f"/w/{path.name}": File(path.read_bytes()) for path in build.source_files(isa)}
    sources["/w/decode_test.cpp"] = File(Path(__file__).with_name("decode_test.cpp").read_bytes())
    compile_ = f"{HOST_COMPILER} -std=c++17 -O0 -I/w /w/decode.cpp /w/decode_test.cpp -o /tmp/t"
    sizes = " ".join(str(len(each)) for each in code)
    finished = sandbox.run(
        Command(
            ["/bin/sh", "-c", f"{compile_} && /tmp/t {sizes} < /w/code"],
            files={**sources, "/w/code": File(b"".join(code))},
            environment={"PATH": "/usr/bin", "LC_ALL": "C"},
            root=pinned_root,
        ),
        foreign.spec.compile_limits,
        "compile",
    )
    assert finished.exit_code == 0, finished.stderr.decode()
    assert dict(zip(expected, finished.stdout.decode().splitlines(), strict=True)) == expected


def assembled(isa: Isa, lines: list[str], environment: Environment, sandbox: Sandbox) -> list[bytes]:
    """The machine code of each line, from the environment's own assembler."""
    text = "".join(f"{line}\n.globl end{number}\nend{number}:\n" for number, line in enumerate(lines))
    tools, options = isa.binutils, {"riscv64": "-march=rv64gc", "aarch64": "-march=armv8.2-a"}[isa.name]
    script = (
        f"{tools}as {options} /w/code.s -o /tmp/o && {tools}objcopy -O binary -j .text /tmp/o /tmp/b && "
        f"{tools}nm -n /tmp/o && echo && cat /tmp/b"
    )
    if isa is RISCV64:
        text = f".option norelax\n{text}"
    finished = sandbox.run(
        Command(
            ["/bin/sh", "-c", script],
            files={"/w/code.s": File(text.encode())},
            environment={"PATH": "/usr/bin", "LC_ALL": "C"},
            root=environment.root,
        ),
        environment.spec.compile_limits,
        "compile",
    )
    assert finished.exit_code == 0, finished.stderr.decode()
    symbols, _, code = finished.stdout.partition(b"\n\n")
    at = [0, *(int(line.split()[0], 16) for line in symbols.splitlines() if b" end" in line)]
    return [code[begin:end] for begin, end in itertools.pairwise(at)]


def test_a_program_is_measured(executor: Executor, foreign: Environment, sandbox: Sandbox) -> None:
    verdict = judged(executor, SUM, TESTS)
    assert verdict.outcome == "ok", verdict
    assert 0 < verdict.startup_seconds < verdict.runtime_seconds  # type: ignore[operator]
    toolchain = Toolchain(foreign.spec.toolchain, foreign.spec.compile_limits, sandbox, foreign.root)
    binary = toolchain.compile(SUM).binary
    assert binary is not None and sha256(binary) == verdict.binary_sha256
    # forked, separate, and again
    simulators = [QemuSimulator(foreign, sandbox, fork=fork) for fork in (True, False)]
    first, second = (list(each.measure(binary, [test.input for test in TESTS])) for each in simulators)
    assert first == second
    again = sum(simulators[0].seconds(measurement.counters) for measurement in first)
    assert again == verdict.runtime_seconds


def test_an_empty_program_is_the_least(executor: Executor, foreign: Environment) -> None:
    verdict = judged(executor, "int main() {}", [TestCase("a", b"", b"")])
    least = foreign.spec.simulator.least_startup_instructions  # type: ignore[attr-defined]
    assert verdict.outcome == "ok"
    assert 0.75 * verdict.startup_counters["instructions"] < least <= verdict.startup_counters["instructions"]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("int main() { return 3; }", "runtime_error"),
        ("int main() { return *(volatile int*)8; }", "runtime_error"),
        ('#include <cstdio>\nint main() { for (;;) puts("0123456789"); }', "output_limit"),
        ("#include <vector>\nint main() { return std::vector<char>(1500000000, 1)[7] - 1; }", "memory_limit"),
        ('#include <cstdio>\nint main() { puts("7"); }', "wrong_output"),
        ("int main() { nothing }", "compile_error"),
    ],
)
def test_ends(code: str, outcome: str, executor: Executor) -> None:
    assert judged(executor, code).outcome == outcome


def test_instructions_are_limited(foreign: Environment, sandbox: Sandbox, tmp_path: Path) -> None:
    small = dataclasses.replace(foreign, spec=foreign.spec.model_copy(update={"max_instructions": 5_000_000}))
    code = '#include <cstdio>\nint main() { volatile long s = 0; while (s < 3000000) s = s + 1; puts("6"); }'
    executor = Executor(small, sandbox, MeasurementStore(tmp_path / "s.sqlite"))
    assert judged(executor, code).outcome == "instruction_limit"


def test_probing_is_forbidden(executor: Executor, foreign: Environment) -> None:
    for said, asks in ASKS[foreign.spec.toolchain.isa].items():
        code = f'#include <cstdio>\nint main() {{ long n; asm volatile("{asks}" : "=r"(n)); return n == 7; }}'
        verdict = judged(executor, code, role="candidate")
        assert (verdict.outcome, verdict.detail) == ("forbidden", f"{said} in main")
    for said, bytes_ in AS_NUMBERS[foreign.spec.toolchain.isa].items():
        code = f'int main(int n, char**) {{ if (n == 7) asm volatile("{bytes_}"); }}'
        verdict = judged(executor, code, role="candidate")
        assert (verdict.outcome, verdict.detail) == ("forbidden", f"{said} in main")
    code = "#include <sys/socket.h>\nint main() { return socket(1, 1, 0) < 0 ? 0 : 1; }"
    verdict = judged(executor, code, [TestCase("a", b"", b"")])
    assert (verdict.outcome, "system call 198" in verdict.detail) == ("forbidden", True), verdict


def test_guards_and_checkers_are_this_machines(foreign: Environment, sandbox: Sandbox, tmp_path: Path) -> None:
    checker = tmp_path / "checker.cpp"
    checker.write_text("int main() { return 0; }")
    spec = foreign.spec.model_copy(update={"comparator": f"checker:{checker}"})
    with_checker = dataclasses.replace(foreign, spec=spec)
    executor = Executor(with_checker, sandbox, MeasurementStore(tmp_path / "c.sqlite"))
    assert judged(executor, "int main() {}").outcome == "ok"
    pair = Pair("m-n", "m", SUM, SUM, ())
    overflow = SUM.replace("zeroed[each]", "zeroed.data()[each + (1 << 16)]")
    guard = executor.guards_of(pair, TESTS, n=1, measured=False)
    assert guard.check(SUM, 0).sanitizer is None
    assert "overflow" in (guard.check(overflow, 0).sanitizer or "")


def test_counts_are_the_same_in_every_sandbox(
    mechanism: Sandbox, foreign: Environment, executor: Executor, tmp_path: Path
) -> None:
    there = open_environment(foreign.spec, mechanism)
    assert there.environment_id == foreign.environment_id
    elsewhere = Executor(there, mechanism, MeasurementStore(tmp_path / "elsewhere.sqlite"))
    assert judged(elsewhere, SUM, TESTS) == judged(executor, SUM, TESTS)


def test_the_human_rewrites_of_mini_are_faster(executor: Executor) -> None:
    dataset = load_dataset("mini", with_tests=True)
    pair = dataset.pairs[0]
    tests = sorted(dataset.tests(pair), key=lambda test: len(test.input))[-1:]
    slow, fast = (judged(executor, code, tests) for code in (pair.src_code, pair.tgt_code))
    assert (slow.outcome, fast.outcome) == ("ok", "ok")
    assert slow.runtime_seconds > fast.runtime_seconds  # type: ignore[operator]


def test_callbacks_on_an_arm64_host(foreign: Environment, sandbox: Sandbox) -> None:
    """Each is itself, not the first of its file."""
    isa = foreign.spec.toolchain.isa
    if isa is not AARCH64:
        pytest.skip("a host that no plugin is compiled for")
    library = """
        #include "qemu.h"
        QEMU_CALLBACK_WITH_REGISTERS(one)
        QEMU_CALLBACK_WITH_REGISTERS(two)
        extern "C" void one_with_registers(unsigned, void* said, CPUArchState*) { *static_cast<int*>(said) = 1; }
        extern "C" void two_with_registers(unsigned, void* said, CPUArchState*) { *static_cast<int*>(said) = 2; }
        __attribute__((noinline)) int of(qemu_plugin_vcpu_udata_cb_t callback) {
            int said = 0;
            callback(0, &said);
            return said;
        }
        __attribute__((visibility("default"))) int told() { return 10 * of(one) + of(two); }
    """
    compiler = foreign.spec.toolchain.compiler
    script = (
        f"cd /tmp && {compiler} -O3 -fPIC -fvisibility=hidden -shared /w/library.cpp -o library.so && "
        f"{compiler} /w/program.cpp ./library.so -o program && {isa.qemu} -L /{isa.sysroot} ./program"
    )
    finished = sandbox.run(
        Command(
            ["/bin/sh", "-c", script],
            files={
                "/w/qemu.h": File((build._SOURCES / "qemu.h").read_bytes()),
                "/w/library.cpp": File(library.encode()),
                "/w/program.cpp": File(b"int told();\nint main() { return told(); }\n"),
            },
            environment={"PATH": "/usr/bin", "LC_ALL": "C"},
            root=foreign.root,
        ),
        foreign.spec.compile_limits,
        "compile",
    )
    assert finished.exit_code == 12, finished.stderr.decode()
