"""Guards: programs that are right on the tests for the wrong reason are found; honest rewrites are left alone."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.data.pair import Pair, TestCase
from pie_bench.execution.environment import Environment
from pie_bench.execution.executor import Executor
from pie_bench.execution.integrity import guards as module
from pie_bench.execution.integrity.guard_inputs import _text, grammar_of, guard_inputs, past, rows_of
from pie_bench.execution.integrity.guards import PairGuard
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.run.guard import GuardFinding
from pie_bench.store import MeasurementStore

_READ = "#include <cstdio>\n#include <cstdlib>\n#include <vector>\n"
SLOW = (
    _READ
    + """int main() {
    int n; scanf("%d", &n); std::vector<long long> a(n); for (auto& x : a) scanf("%lld", &x);
    long long s = 0; for (int i = 0; i < n; i++) for (int j = 0; j < n; j++) if (j <= i) s += j == i ? a[j] : 0;
    printf("%lld\\n", s); }"""
)
FAST = (
    _READ
    + """int main() {
    int n; scanf("%d", &n); long long s = 0, x; while (scanf("%lld", &x) == 1) s += x; printf("%lld\\n", s); }"""
)
VALUES = [[(i * 7919 + j * 104729) % 9973 for j in range(5 + 3 * i)] for i in range(8)]
TESTS = tuple(
    TestCase(str(i), f"{len(row)}\n{' '.join(map(str, row))}\n".encode(), f"{sum(row)}\n".encode())
    for i, row in enumerate(VALUES)
)
SUMS = ",".join(str(sum(row)) for row in VALUES)

FLAGGED = {
    "an array as large as the largest test": ("guard_input", _READ + "long long a[26], s[1]; int main() { int n; scanf(\"%d\", &n); if (n > 26) abort(); for (int i = 0; i < n; i++) { scanf(\"%lld\", a + i); s[0] += a[i]; } printf(\"%lld\\n\", s[0]); }"),
    "a write past the end": ("sanitizer", _READ + 'int main() { int n; scanf("%d", &n); long long* a = new long long[n]; long long s = 0; for (int i = 0; i < n; i++) scanf("%lld", a + i); a[n] = 0; for (int i = 0; i <= n; i++) s += a[i]; printf("%lld\\n", s); }'),
    "a signed overflow": ("sanitizer", _READ + 'int main() { int n, k = 2147483647; scanf("%d", &n); k += n; long long s = 0, x; while (scanf("%lld", &x) == 1) s += x; printf("%lld\\n", k ? s : 0); }'),
    "an index out of a vector": ("sanitizer", _READ + 'int main() { int n; scanf("%d", &n); std::vector<long long> a(n); long long s = 0; for (int i = 0; i < n; i++) { scanf("%lld", &a[i]); s += a[i]; } if (a[n] == 12345) s++; printf("%lld\\n", s); }'),
    "the known tests only": ("guard_input", _READ + f"static const long long t[] = {{{SUMS}}};" + ' int main() { int n; scanf("%d", &n); printf("%lld\\n", t[(n - 5) / 3 & 7]); }'),
    "an array as large as the largest test, and room behind it": ("guard_input", _READ + "struct { long long a[26], rest[26]; } static s; int main() { int n; scanf(\"%d\", &n); long long r = 0; for (int i = 0; i < n; i++) { scanf(\"%lld\", s.a + i); } for (int i = 0; i < n; i++) r += s.a[i]; printf(\"%lld\\n\", r); }"),
    "sixteen bits are enough": ("guard_input", _READ + 'int main() { int n; scanf("%d", &n); unsigned s = 0; int x; while (scanf("%d", &x) == 1) s += x; printf("%u\\n", s % 140000); }'),
}  # fmt: skip


PAIR = Pair("p", "p", SLOW, FAST, ())


@pytest.fixture(scope="module")
def guards(environment: Environment, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> PairGuard:
    store = MeasurementStore(tmp_path_factory.mktemp("guards") / "measurements.sqlite")
    return Executor(environment, sandbox, store).guards_of(PAIR, TESTS, measured=False).prepared()


def test_there_are_guard_inputs_past_the_largest_test(guards: PairGuard) -> None:
    assert len(guards.answers) >= 15
    sizes = [int(data.split()[0]) for data, _ in guards.answers]
    assert max(sizes) > 26
    for data, answer in guards.answers:
        count, *values = map(int, data.split())
        assert count == len(values)
        assert sum(values) == int(answer)
        assert data not in {test.input for test in TESTS}


@pytest.mark.parametrize("name", FLAGGED)
def test_right_for_the_wrong_reason(guards: PairGuard, name: str) -> None:
    by, code = FLAGGED[name]
    finding = guards.check(code, 3)
    assert finding.flagged
    assert getattr(finding, by) is not None, finding
    assert guards.check(code, 3) == finding, "the same words in every run"


LARGE = [[(i * 7919 + j * 104729) % 9973 for j in range(1000 + 40 * i)] for i in range(8)]
LARGE_TESTS = tuple(
    TestCase(str(i), f"{len(row)}\n{' '.join(map(str, row))}\n".encode(), f"{sum(row)}\n".encode())
    for i, row in enumerate(LARGE)
)
KNOWN = ", ".join(f"{{{row[0]}, {row[1]}, {row[-1]}}}" for row in LARGE)
FALLBACK = (
    _READ
    + f"""const int known[][3] = {{{KNOWN}}};
int main() {{ int n; scanf("%d", &n); std::vector<long long> a(n); for (auto& x : a) scanf("%lld", &x);
    for (auto& k : known) if (a[0] == k[0] && a[1] == k[1] && a[n - 1] == k[2]) {{
        long long s = 0; for (auto x : a) s += x; printf("%lld\\n", s); return 0; }}
"""
    + SLOW.partition("&x);\n")[2]
)


def test_a_speedup_that_exists_on_the_tests_only_is_flagged_with_both_figures(
    executor: Executor,
) -> None:
    measured = executor.guards_of(PAIR, LARGE_TESTS)
    finding = measured.check(FALLBACK, 0)
    assert finding.guard_input is None, "it is right everywhere"
    assert finding.flagged
    assert re.search(r"^input '.*': [01]\.\d\d× there, \d+\.\d\d× or more on tests", finding.slower or "")
    for honest in (FAST, SLOW):
        assert measured.check(honest, 0).slower is None


LOOPS = (
    _READ
    + f"""const int known[][3] = {{{KNOWN}}};
int main() {{ int n; scanf("%d", &n); std::vector<long long> a(n); for (auto& x : a) scanf("%lld", &x);
    bool is_known = false; long long s = 0;
    for (auto& k : known) is_known |= a[0] == k[0] && a[1] == k[1] && a[n - 1] == k[2];
    for (int i = 0; i < n; i++) {{ for (int j = 0; j < STEPS; j++) asm volatile(""); s += a[i]; }}
    printf("%lld\\n", s); }}"""
)


def test_a_table_where_there_is_little_to_gain(executor: Executor) -> None:
    """Over three times as fast on the tests, half of that elsewhere; another answer is no faster on the tests either."""
    slow, honest = LOOPS.replace("STEPS", "n"), LOOPS.replace("STEPS", "n / 2")
    measured = executor.guards_of(replace(PAIR, src_code=slow, tgt_code=honest), LARGE_TESTS)
    finding = measured.check(LOOPS.replace("STEPS", "(is_known ? n / 16 : n / 2)"), 0)
    assert re.search(r"^input '.*': 1\.\d\d× there, 3\.\d\d× or more on tests", finding.slower or "")
    assert measured.check(honest, 0).slower is None


def test_where_the_human_rewrite_is_no_faster_either_there_is_no_finding(executor: Executor) -> None:
    """In that case the guard inputs differ from the tests."""
    measured = executor.guards_of(replace(PAIR, tgt_code=FALLBACK), LARGE_TESTS)
    assert measured.check(FALLBACK, 0).slower is None


@pytest.mark.parametrize("code", [FAST, SLOW])
def test_honest_programs_are_left_alone(guards: PairGuard, code: str) -> None:
    finding = guards.check(code, 0)
    assert finding == GuardFinding("p", 0, finding.code_sha256, len(guards.answers), finding.environment_id)


def test_what_the_slow_program_does_too_is_no_finding(executor: Executor) -> None:
    code = FLAGGED["a signed overflow"][1]
    guards = executor.guards_of(replace(PAIR, src_code=code), TESTS, measured=False)
    assert guards.check(code, 0).sanitizer is None


def test_a_sanitizer_names_the_test_and_the_fault(executor: Executor) -> None:
    finding = executor.guards_of(PAIR, TESTS, n=2, measured=False).check(FLAGGED["a write past the end"][1], 0)
    assert finding.sanitizer == "test 0: heap-buffer-overflow"


def test_what_was_found_is_not_looked_for_again(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    code = FLAGGED["a write past the end"][1]
    finding = executor.guards_of(PAIR, TESTS, n=2, measured=False).check(code, 0)
    monkeypatch.setattr(module, "PairGuard", lambda *_, **__: None)  # a pair is not prepared any more
    again = executor.guards_of(PAIR, TESTS, n=2, measured=False)
    assert again.check(code, 5) == replace(finding, sample_index=5)
    for other in (
        executor.guards_of(PAIR, TESTS[1:], n=2, measured=False),
        executor.guards_of(replace(PAIR, tgt_code=SLOW), TESTS, n=2, measured=False),
        executor.guards_of(PAIR, TESTS, n=2, seed="1", measured=False),
        executor.guards_of(PAIR, TESTS, n=2),
    ):
        with pytest.raises(AttributeError):
            other.check(code, 0)
    with pytest.raises(AttributeError):
        again.check(code + "\n", 0)


rows = st.lists(st.lists(st.integers(-1000, 99999), min_size=3, max_size=9), min_size=3, max_size=8)


@given(rows, st.integers(0, 5))
def test_counts_stay_counts_and_the_same_seed_gives_the_same(tests: list[list[int]], seed: int) -> None:
    inputs = [f"{len(row)}\n{' '.join(map(str, row))}\n".encode() for row in tests]
    made = guard_inputs(inputs, 10, seed)
    assert made == guard_inputs(inputs, 10, seed)
    assert not set(made) & set(inputs)
    parsed = [rows_of(data) for data in inputs]
    grammar = grammar_of([rows for rows in parsed if rows])
    assert bool(grammar.counts) == (len({len(row) for row in tests}) > 1), "a number that never varies counts nothing"
    low, high = min(min(row) for row in tests), max(max(row) for row in tests)
    # Where all tests are equally long, each column has a largest value of its own.
    most = past(high) if grammar.header == 1 else max(past(value) for row in tests for value in row)
    for data in made:
        head, values = data.decode().splitlines()
        if grammar.counts:
            assert int(head) == len(values.split())
        if grammar.ascending:
            assert values.split() == sorted(values.split(), key=int)
        if grammar.distinct:
            assert len(set(values.split())) == len(values.split())
        assert all(low <= int(value) <= most for value in values.split())


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_are_an_input(inputs: list[bytes]) -> None:
    guard_inputs(inputs, 3, 0)


@pytest.mark.parametrize(
    ("high", "expected"),
    [(100000, 100000), (99999, 99999), (200000, 200000), (73412, 80753), (96000, 100000), (7, 7), (26, 28), (1000000007, 1000000007)],
)  # fmt: skip
def test_past_the_largest_but_not_past_a_limit(high: int, expected: int) -> None:
    assert past(high) == expected


def test_a_count_below_0_is_a_count() -> None:
    """PIE's own tests have some, where a program's loop is simply not entered."""
    tests = [[["9", str(size)], *[["1", "2"]] * size] for size in (0, 3, 5, 2)] + [[["9", "-2"]], [["4", "-1"]]]
    assert grammar_of(tests).counts == {(0, 1): -1}
    for data in guard_inputs([_text(rows) for rows in tests], 20, 1):
        (_, size), *rows = rows_of(data) or []
        assert max(int(size), 0) == len(rows)


def test_words_are_replaced_by_others_of_their_lengths_and_characters() -> None:
    tests = [f"{word}\n".encode() for word in ("BB10", "101B", "10", "1BB1", "B01B", "0", "BBBBB", "1B2B")]
    made = guard_inputs(tests, 20, 1)
    assert len(made) == 20
    assert not {*made} & {*tests}
    for data in made:
        word = data.decode().strip()
        assert set(word) <= set("B012")
        assert 1 <= len(word) <= 5
    assert guard_inputs(tests, 20, 1) == made


def test_if_only_a_few_words_occur_no_others_are_made_up() -> None:
    tests = [f"{'Yes' if n % 2 else 'No'} {n * 37}\n".encode() for n in range(20)]
    assert {data.split()[0] for data in guard_inputs(tests, 20, 1)} <= {b"Yes", b"No"}


def test_a_few_odd_inputs_do_not_prevent_guard_inputs() -> None:
    tests = [*(f"{n}\n".encode() for n in range(1000, 1090, 10)), b"\xff\n"]
    assert len(guard_inputs(tests, 5, 1)) == 5
    assert guard_inputs([b"\xff\n"] * 5 + tests, 5, 1) == []
