"""The ruler's measurements: the same in every run, forked or not, with the limits that a program has natively."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from pie_bench.data.pair import TestCase
from pie_bench.execution.environment import Environment
from pie_bench.execution.executor import Executor
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.qemu.report import parse_report
from pie_bench.execution.simulators.qemu.simulator import QemuSimulator, machine_file, main_offset
from pie_bench.execution.simulators.qemu.spec import period_ps
from pie_bench.hashing import sha256
from pie_bench.run.verdict import Candidate
from pie_bench.store import MeasurementStore

SUM = """
#include <cstdio>
int main(){
    long n, s = 0; while (scanf("%ld", &n) == 1) s += n; printf("%ld", s); }"""
STREAMS = """
#include <iostream>
#include <map>
int main(){
    std::map<int, int> m; int n; while (std::cin >> n) m[n]++; std::cout << m.size(); }"""
MEMORY = """
#include <cstdio>
#include <cstdlib>
#include <vector>
int zeroed[1 << 20];
int main() {
    int n = 0;
    while (scanf("%d", &n) == 1) zeroed[n] = n;
    std::vector<int*> blocks;
    for (int i = 0; i < 40; i++) blocks.push_back((int*)malloc(10000 * (i + 1)));
    for (int i = 0; i < 40; i += 2) free(blocks[i]);
    printf("%d", zeroed[7]);
}"""
BEFORE_MAIN = """
#include <cstdio>
int n;
__attribute__((constructor)) void f() {
    scanf("%d", &n); }
int main() { printf("%d", n); }"""
THREADS = """
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>
std::mutex m; std::condition_variable c; int turn; long total;
int main() {
    for (int round = 0; round < 3; round++) {
        std::vector<std::thread> all;
        turn = 0;
        for (int i = 0; i < 4; i++) all.emplace_back([i] {
            for (int k = 0; k < 10; k++) {
                std::unique_lock<std::mutex> lock(m);
                c.wait(lock, [i] { return turn % 4 == i; });
                total += i * k, turn++;
                c.notify_all();
            }
        });
        for (auto& thread : all) thread.join();
    }
    printf("%ld", total);
}"""
THREAD_BEFORE_MAIN = """
#include <cstdio>
#include <thread>
int a;
std::thread t([] {
    for (int i = 0; i < 1000; i++) a += i; });
int main() { t.join(); printf("%d", a); }"""
CLOCK = """
#include <cstdio>
#include <cstdlib>
#include <ctime>
int main() {
    srand(time(0)); printf("%d %ld", rand(), (long)clock()); }"""
# Asks for the sizes of its streams, as the C library does, and for everything else that differs between runs or places.
SIZES = """
#include <cstdio>
#include <sys/stat.h>
int main() {
    struct stat in, out;
    fstat(0, &in);
    fstat(1, &out);
    LOOKS printf("%ld %ld %ld", (long)in.st_size, (long)in.st_blocks, (long)out.st_size); }"""
MAPS_ITS_INPUT = """
#include <cstdio>
#include <sys/mman.h>
#include <sys/stat.h>
int main() {
    struct stat s;
    fstat(0, &s);
    auto text = (const char*)mmap(0, s.st_size + 1, PROT_READ, MAP_PRIVATE, 0, 0);
    printf("%d", s.st_size ? text[s.st_size - 1] : 0); }"""
TABLE_FIRST = """
#include <cstdio>
#include <vector>
int main() {
    std::vector<bool> composite(20000);
    for (int i = 2; i < 20000; i++)
        if (!composite[i]) for (int j = 2 * i; j < 20000; j += i) composite[j] = true;
    for (int n; scanf("%d", &n) == 1;) printf("%d", (int)composite[n]);
}"""
LONG_DOUBLE = (
    '#include <cstdio>\nint main() { long double a = 1; for (int i = 0; i < 63; i++) a /= 2; printf("%d", 1 + a > 1); }'
)


@pytest.mark.parametrize(
    "code",
    [
        *(SUM, STREAMS, MEMORY, THREADS, CLOCK, BEFORE_MAIN, THREAD_BEFORE_MAIN, MAPS_ITS_INPUT, TABLE_FIRST),
        SIZES.replace("LOOKS", ""),
        SIZES.replace("LOOKS", "getchar();"),
        SIZES.replace("LOOKS", "")
        .replace("int main", "int early")
        .replace("; }", "; return 0; }\nint n = early();\nint main() {}"),
        "int main() {}",
    ],
    ids=lambda code: sha256(code.encode())[:6],
)
def test_forked_and_separate_counts_are_equal(code, compiled, measured):
    binary = compiled(code, "-pthread")
    inputs = [b"7 8\n", b"", b"1 " * 2000]
    forked, alone, again = (measured(binary, inputs, fork=fork) for fork in (True, False, False))
    assert [m.outcome for m in forked] == ["ok"] * 3
    assert forked == alone == again
    for m in forked:
        assert m.counters["cycles"] >= m.startup_counters["cycles"] > 0
        assert m.counters["pages"] >= m.startup_counters["pages"] > 0


def test_what_precedes_the_first_look_is_done_once(compiled, measured, caplog):
    """A sieve computed before the first number is read, and the C library's buffers, are the same for every input."""
    caplog.set_level("INFO")
    inputs = [f"{n}\n".encode() for n in range(100, 106)]
    for code in (TABLE_FIRST, BEFORE_MAIN, THREAD_BEFORE_MAIN):
        assert [m.outcome for m in measured(compiled(code, "-pthread"), inputs)] == ["ok"] * 6
    assert "one simulation a process" not in caplog.text
    measured(compiled(MAPS_ITS_INPUT), inputs)
    assert "one simulation a process" in caplog.text


def test_the_input_has_its_true_size(compiled, measured):
    for looks in ("", "getchar();"):
        for m, size in zip(measured(compiled(SIZES.replace("LOOKS", looks)), [b"", b"1" * 700]), (0, 700), strict=True):
            assert m.stdout_sha256 == sha256(f"{size} {(size + 511) // 512} 0".encode())


def test_a_program_sees_the_same_computer_everywhere(compiled, ruler, sandbox):
    code = """
#include <cstdio>
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <thread>
int main() {
    utsname name; uname(&name);
    cpu_set_t set; sched_getaffinity(0, sizeof set, &set);
    struct sysinfo info; sysinfo(&info);
    struct stat s; fstat(0, &s);
    bool hosts = fopen("/proc/stat", "r") || fopen("/proc/meminfo", "r");
    printf("%s %s %s %d %u %lu %lu %ld %d", name.nodename, name.release, name.version, CPU_COUNT(&set),
           std::thread::hardware_concurrency(), info.totalram, (unsigned long)s.st_ino, (long)s.st_mtime, hosts); }"""
    command = QemuSimulator(ruler, sandbox)._command(compiled(code), None, bytes(16), "report={report}")
    said = sandbox.run(command, ruler.spec.simulator_limits, "simulator").stdout
    # the C library assumes two if it cannot find out
    assert said == b"simulated 5.1.0 #1 1 2 0 1 1000000000 0"


def test_nothing_changes_on_a_loaded_machine(compiled, measured):
    binary = compiled(STREAMS)
    idle = measured(binary)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        assert measured(binary) == idle
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_a_static_program_and_one_without_symbols(compiled, measured):
    static, stripped = compiled(SUM, "-static"), compiled(SUM, "-s")
    assert main_offset(stripped) is None
    for binary in (static, stripped):
        forked, alone = measured(binary), measured(binary, fork=False)
        assert forked == alone and [m.outcome for m in forked] == ["ok", "ok"]
        # The C library of a static program looks up the program's path before `main`, and no loader runs before that.
        least = 0 if binary is static else 1
        assert all(m.counters["cycles"] > m.startup_counters["cycles"] >= least for m in forked)


def test_reading_input_before_main_is_not_startup(compiled, measured):
    """Nor is preparing to read: allocating scanf's buffer is half of a small C program's run."""
    work = "for (volatile int i = 0; i < 100000; i++) {}"
    (early,) = measured(compiled(BEFORE_MAIN.replace("&n);", f"&n); {work}")), [b"1\n"])
    (late,) = measured(compiled(BEFORE_MAIN.replace("main() {", f"main() {{ {work}")), [b"1\n"])
    (usual,) = measured(compiled(BEFORE_MAIN.replace("__attribute__((constructor))", "")), [b"1\n"])
    assert early.startup_counters == late.startup_counters
    assert 0 < early.startup_counters["cycles"] < usual.startup_counters["cycles"]
    assert early.counters["instructions"] > early.startup_counters["instructions"] + 100_000


def test_the_limit_on_instructions_is_exact(compiled, ruler: Environment, sandbox: Sandbox):
    loop = compiled("int main() { for (volatile long i = 0;; i++) {} }")
    limited = dataclasses.replace(ruler, spec=ruler.spec.model_copy(update={"max_instructions": 1_000_003}))
    for fork in (True, False):
        for m in QemuSimulator(limited, sandbox, fork).measure(loop, [b"1", b"2"]):
            assert (m.outcome, m.counters["instructions"]) == ("instruction_limit", 1_000_003)


def test_ends(compiled, measured):
    ends = {
        "int main() { return 3; }": ("runtime_error", 3),
        "#include <unistd.h>\nint main() { _exit(0); }": ("ok", 0),
        "#include <cstdlib>\nint main() { exit(0); }": ("ok", 0),
        "int main() { volatile int* p = 0; *p = 1; }": ("runtime_error", None),
        "#include <cstdlib>\nint main() { abort(); }": ("runtime_error", None),
        "int main() { volatile int zero = 0; return 1 / zero; }": ("runtime_error", None),
    }
    for code, end in ends.items():
        for fork in (True, False):
            assert {(m.outcome, m.exit_code) for m in measured(compiled(code), fork=fork)} == {end}, code


def test_a_fault_is_reported_with_its_address(compiled, measured):
    (m,) = measured(compiled("int main() { volatile char* p = (char*)0x12345678; return *p; }"), [b""])
    assert "0x12345678" in m.detail


def test_long_double_has_80_bits(compiled, measured):
    (m,) = measured(compiled(LONG_DOUBLE), [b""])
    assert m.stdout_sha256 == sha256(b"1")


def test_what_qemu_lacks_is_unsupported_and_named(compiled, measured):
    code = """
#pragma GCC target("avx512f")
#include <immintrin.h>
int main() {
    volatile double x = 2;
    __m512d a = _mm512_set1_pd(x);
    double r[8];
    _mm512_storeu_pd(r, _mm512_add_pd(a, a));
    return r[3] != 4;
}"""
    for m in measured(compiled(code)):
        assert m.outcome == "unsupported" and m.detail.startswith("AVX-512: v")


def test_the_clock_and_random_numbers_are_simulated(compiled, measured):
    code = """
#include <cstdio>
#include <ctime>
#include <sys/random.h>
int main() {
    int r;
    getrandom(&r, 4, 0);
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    printf("%ld %ld %d", (long)time(0), t.tv_nsec, r);
}"""
    assert measured(compiled(code), fork=False) == measured(compiled(code), fork=False)


def test_the_stack_is_as_large_as_natively(ruler: Environment, sandbox: Sandbox, tmp_path):
    deep = """
#include <cstdio>
long f(int n) {
    volatile char a[1000]; a[0] = n; return n ? f(n - 1) + a[0] : 0; }
int main() { printf("%d", f(60000) != 0); }"""
    executor = Executor(ruler, sandbox, MeasurementStore(tmp_path / "m.sqlite"))
    verdict = executor.execute(Candidate("p", "source", 0, deep), [TestCase("1", b"", b"1")])
    assert verdict.outcome == "ok", verdict
    assert verdict.counters["pages"] > 60_000_000 / 4096


def test_memory_beyond_the_native_limit_is_refused_alike(compiled, measured, ruler: Environment):
    size = ruler.spec.native_limits.memory_bytes + (1 << 20)
    code = f"""
#include <cstdio>
#include <cstdlib>
int main() {{ volatile auto p = malloc({size}ul); printf("%d", p == nullptr); }}"""
    (m,) = measured(compiled(code), [b""])
    assert (m.outcome, m.stdout_sha256) == ("ok", sha256(b"1"))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("long f(int n) { volatile char a[1000]; a[0] = n; return n ? f(n - 1) + a[0] : 0; }", "the stack is used up"),
        ("long f(int n) { volatile char a[69000000]; a[0] = n; return a[0]; }", "the stack is used up"),
        ("long f(int n) { volatile auto p = new char[n * 20000l]; return p != nullptr; }", "memory was refused"),
        (
            "#include <cstdlib>\nlong f(int n) { volatile auto p = malloc(n * 20000l); exit(p == 0); }",
            "memory was refused",
        ),
        (
            "#include <cstdlib>\nlong f(int n) { volatile auto p = (char*)malloc(n * 20000l); return *p; }",
            "memory was refused",
        ),
    ],
)
def test_a_crash_for_lack_of_memory_is_not_different_behaviour(code, said, compiled, measured):
    (m,) = measured(compiled(f"{code}\nint main() {{ volatile int n = 70000; return f(n) != 0; }}"), [b""])
    assert m.outcome == "memory_limit" and said in m.detail


def test_pages_are_counted(compiled, measured):
    code = "#include <vector>\nint main() { std::vector<char> a(%d); volatile char c = a[0]; return c; }"
    small, large = (measured(compiled(code % size), [b""])[0].counters["pages"] for size in (1 << 22, 1 << 24))
    assert large - small == (1 << 24) // 4096 - (1 << 22) // 4096


def test_seconds_are_cycles_of_whole_picoseconds(ruler: Environment, sandbox: Sandbox):
    assert period_ps("3.5GHz") == 286
    assert QemuSimulator(ruler, sandbox).seconds({"cycles": 1000}) == pytest.approx(286e-9)


def test_the_machine_is_told_by_name():
    text = machine_file({"clock": "3.5GHz", "core": {"ports": [{"IntAlu": 1}], "width": 4}}, {"depth": 2.5})
    assert text == b"clock 3.5GHz\ncore.ports.0.IntAlu 1\ncore.width 4\nfitted.depth 2.5\n"


# An instruction at the end of a page, so that it ends QEMU's block; the program prints its rax, rbx and rcx.
AT_THE_END = """
#include <cstdio>
extern "C" void asked(unsigned long* answer);
asm(".text\\n.p2align 12\\nasked: push %rbx\\n xor %eax, %eax\\n mov $77, %ecx\\n .byte 0xe9\\n .long 1f - . - 4\\n"
    ".skip 4096 - (. - asked) - {size}, 0x90\\n1: {instruction}\\n"
    "mov %rax, (%rdi)\\n mov %rbx, 8(%rdi)\\n mov %rcx, 16(%rdi)\\n pop %rbx\\n ret");
int main() {{
    unsigned long answer[3];
    asked(answer);
    printf("%lu %lu %lu", answer[0], answer[1] & 0xffffffff, answer[2]);
}}"""


@pytest.mark.parametrize(
    ("instruction", "size"),
    [("cpuid", 2), (".byte 0x48, 0x0f, 0xa2", 3), ("rdtsc", 2), ("rdtscp", 3), ("cpuid", 64), ("rdtscp", 64)],
)
def test_cpuid_and_clocks_are_simulated_wherever_they_occur(instruction, size, compiled, ruler, sandbox):
    binary = compiled(AT_THE_END.format(instruction=instruction, size=size))
    simulator = QemuSimulator(ruler, sandbox)
    command = simulator._command(binary, None, bytes(16), "report={report}")
    finished = sandbox.run(command, ruler.spec.simulator_limits, "simulator")
    report = parse_report(finished.report, bytes(16))
    assert report is not None and report.outcome == "exited", finished
    rax, rbx, rcx = map(int, finished.stdout.split())
    if "rdtsc" in instruction:
        assert 0 < rax < report.counters["cycles"]
        assert rcx == (0 if instruction == "rdtscp" else 77)
    else:
        assert rbx == int.from_bytes(b"Hygo", "little") and rax == 13


def test_cycles_are_reported_by_line(ruler: Environment, sandbox: Sandbox, tmp_path):
    """A line pays for what it calls in libraries and templates, but not for calls to the program's own functions."""
    code = """
#include <algorithm>
#include <cstdio>
#include <vector>
static int volatile key = 1000;
static bool less(int a, int b) { return a % key < b % key; }
int main() {
    std::vector<int> v(3000);
    for (unsigned i = 0; i < v.size(); i++) v[i] = i * 7919u % 10007;
    std::sort(v.begin(), v.end(), less);
    for (int i = 0; i < 50; i++)
        printf("%d\\n", v[i]);
}"""
    executor = Executor(ruler, sandbox, MeasurementStore(tmp_path / "m.sqlite"))
    output = executor.run(code, TestCase("1", b"", b"")).stdout
    verdict = executor.execute(Candidate("p", "source", 0, code), [TestCase("1", b"", output)])
    found = executor.profile(code, TestCase("1", b"", output))
    assert found is not None and found == executor.profile(code, TestCase("1", b"", output))  # kept
    assert found.cycles == verdict.counters["cycles"]
    lines = dict(found.lines)
    assert set(lines) <= set(range(1, code.count("\n") + 2)) and sum(lines.values()) < found.cycles
    ordered = sorted(lines, key=lambda line: -lines[line])
    assert set(ordered[:3]) == {6, 10, 12} and min(lines[line] for line in ordered[:3]) > 3 * lines.get(8, 0)
    assert sum(lines.values()) > 0.9 * (found.cycles - verdict.startup_counters["cycles"])


@pytest.mark.parametrize(
    ("bytes_", "outcome", "said"),
    [
        ("0x0f, 0xc7, 0xf0", "unsupported", "rdrand"),
        ("0x48, 0x0f, 0xc7, 0xf8", "unsupported", "rdseed"),
        ("0xf3, 0x0f, 0xc7, 0xf8", "unsupported", "rdpid"),
        ("0xcd, 0x80", "forbidden", "int 0x80"),
    ],
)
def test_instructions_that_only_the_host_could_answer_end_the_run(bytes_, outcome, said, compiled, measured):
    for m in measured(compiled(f'int main() {{ asm volatile(".byte {bytes_}" ::: "rax", "rbx", "rcx", "rdx"); }}')):
        assert m.outcome == outcome and said in m.detail


def test_bytes_that_look_like_rdtsc_are_not(compiled, measured):
    """An immediate operand 0x31 after an address that ends in 0x0f, right before a jump target."""
    code = """
int main() {
    char place[16];
    long kept;
    asm volatile("mov $7, %%rax; xor %%ecx, %%ecx; mov %1, %%rdi; 1: movb $0x31, (%%rdi, %%rcx, 1); "
                 "2: nop; inc %%ecx; cmp $3, %%ecx; jl 2b; mov %%rax, %0"
                 : "=r"(kept) : "r"(place) : "rax", "rcx", "rdi", "memory");
    return kept != 7;
}"""
    assert {m.outcome for m in measured(compiled(code))} == {"ok"}
