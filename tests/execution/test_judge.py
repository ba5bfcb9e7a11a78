"""`Judge`: programs judged without a run."""

import re
from pathlib import Path

import pytest

from pie_bench.data.pair import TestCase
from pie_bench.errors import UserError
from pie_bench.execution.judge import Judge, load_pair, read_tests
from pie_bench.run.verdict import Verdict
from pie_bench.store import MeasurementStore
from tests.tiny import PAIRS

FAST = '#include <cstdio>\nint main(){ int n; scanf("%d", &n); printf("%d\\n", 2 * n); }'
SLOW = "#include <iostream>\nint main(){ int n; std::cin >> n; volatile int s = 0; for (int i = 0; i < 2 * n; i++) s = s + 1; std::cout << s << '\\n'; }"  # noqa: E501
WRONG = FAST.replace("2 * n", "n < 100 ? 2 * n : 1")
TESTS = [("2\n", "4\n"), (b"500\n", b"1000\n")]
HOST = "skylake"


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIE_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_one_program_on_your_own_tests(own_cache: Path) -> None:
    with Judge(HOST) as judge:
        verdict = judge(FAST, source=SLOW, tests=TESTS)
        assert (verdict.outcome, verdict.failed) == ("ok", None)
        assert verdict.source is not None
        assert verdict.source.outcome == "ok"
        assert verdict.speedup == pytest.approx(verdict.source.runtime_seconds / verdict.runtime_seconds)
        assert verdict.speedup > 1.5
        alone = judge(FAST, tests=TESTS)
        assert (alone.source, alone.speedup) == (None, None)
        assert alone.runtime_seconds == verdict.runtime_seconds
        wrong = judge(WRONG, source=SLOW, tests=TESTS)
        assert (wrong.outcome, wrong.speedup, wrong.failed and wrong.failed.test_id) == ("wrong_output", None, "1")
        assert judge.explain(WRONG, wrong, TESTS) == "line 1: '1', expected '1000'"
        assert judge.explain(FAST, verdict, TESTS) == ""
        crash = "#include <cstdlib>\nint main(){ abort(); }"
        assert judge.explain(crash, judge(crash, tests=TESTS), TESTS).startswith("signal 6")
        assert judge(FAST, source=SLOW, tests=TESTS, measured=False).runtime_seconds is None
    store = MeasurementStore(own_cache / "measurements.sqlite")
    assert verdict.binary_sha256 is not None
    row = store._connection.execute("SELECT count(*) FROM measurement WHERE binary_sha256=?", [verdict.binary_sha256])
    assert row.fetchone() == (2,)


def test_many_at_once_as_they_finish(own_cache: Path, tiny: Path) -> None:
    with Judge(HOST, workers=2) as judge:
        pair = load_pair(tiny, PAIRS[0])
        programs = [pair.pair.tgt_code, pair.pair.src_code, "int main() { return x; }"]
        verdicts = {verdict.sample_index: verdict for verdict in judge.map((code, pair) for code in programs)}
    assert [verdicts[index].outcome for index in range(3)] == ["ok", "ok", "compile_error"]
    assert verdicts[1].speedup == 1.0
    assert verdicts[0].speedup is not None
    assert verdicts[0].speedup > 1
    assert all(isinstance(verdict, Verdict) and verdict.pair_id == pair.pair.pair_id for verdict in verdicts.values())


def test_the_checks_for_cheating_hold_here_too(own_cache: Path) -> None:
    tests = [(f"{n}\n", f"{n * n * 7919}\n") for n in range(1000, 1012)]
    table = ", ".join(f"{{{n}, {n * n * 7919}LL}}" for n in range(1000, 1012))
    code = (
        "#include <cstdio>\n"
        f"long long t[][2] = {{{table}}};\n"
        'int main(){ int n; scanf("%d", &n); for (auto& r : t) if (r[0] == n) printf("%lld\\n", r[1]); }'
    )
    with Judge(HOST) as judge:
        assert judge(code, tests=tests, measured=False).outcome == "forbidden"


def test_missing_and_wrong_arguments_are_reported(own_cache: Path) -> None:
    judge = Judge(HOST)
    pair = load_pair("mini", "m001_slow-m001_fast")
    with pytest.raises(UserError, match="there are no tests"):
        judge(FAST)
    with pytest.raises(UserError, match="give a pair, or source and tests"):
        judge(FAST, pair, tests=TESTS)
    alone = re.escape("m001_slow-m001_fast is given without its tests; give pie_bench.load_pair(DATASET, 'm001_slow-")
    for without in (pair.pair, pair.pair.pair_id):
        with pytest.raises(UserError, match=alone):
            judge(FAST, without)  # type: ignore[arg-type]
        with pytest.raises(UserError, match=alone):
            list(judge.map([(FAST, without)]))  # type: ignore[list-item]
    with pytest.raises(UserError, match=r"not dict; give pie_bench.load_pair\(DATASET, 'PAIR_ID'\)"):
        judge(FAST, {})  # type: ignore[arg-type]
    with pytest.raises(UserError, match="unknown pair 'm001'"):
        load_pair("mini", "m001")
    with pytest.raises(UserError, match="unknown environment"):
        Judge("nowhere")(FAST, tests=TESTS)


def test_tests_of_a_folder(tmp_path: Path) -> None:
    for name, text in {"input.2.txt": "2", "output.2.txt": "4", "input.10.txt": "5", "output.10.txt": "10"}.items():
        (tmp_path / name).write_text(text)
    assert read_tests(tmp_path) == (TestCase("2", b"2", b"4"), TestCase("10", b"5", b"10"))
    (tmp_path / "output.2.txt").unlink()
    with pytest.raises(UserError, match=r"input\.2\.txt: output\.2\.txt is missing"):
        read_tests(tmp_path)
    contest = tmp_path / "contest"
    contest.mkdir()
    with pytest.raises(UserError, match="no tests"):
        read_tests(contest)
    (contest / "a.in").write_text("1")
    (contest / "a.ans").write_text("2")
    assert read_tests(contest) == (TestCase("a", b"1", b"2"),)
    with pytest.raises(UserError, match="no such folder"):
        read_tests(tmp_path / "nowhere")
