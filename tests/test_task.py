"""Task files: merged, validated, hashed; for broken ones, file, line and what was expected are reported."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.config import deep_merge
from pie_bench.errors import UserError
from pie_bench.paths import TASKS_DIR
from pie_bench.task import group_names, load_task, select_tasks, task_names

GOOD = """\
task: t
version: 1
description: a task
dataset: mini
prompt:
  template: "Improve: {{ src_code }}"
fewshot:
  strategy: none
sampling: {n: 2, temperature: 0.7, top_p: 1.0, max_tokens: 100, seed: 0}
metrics: [speedup]
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_the_shipped_tasks_load() -> None:
    tasks = {name: load_task(name) for name in task_names()}
    assert {name: task.fewshot.k for name, task in tasks.items()} == {
        "pie_cot_k2": 2,
        "pie_fewshot_k2": 2,
        "pie_finetuned": 0,
        "pie_finetuned_chat": 0,
        "pie_instruct": 0,
        "pie_perf_cond": 0,
        "pie_perf_cond_mixed": 0,
        "pie_retrieval_k1": 1,
        "pie_retrieval_k2": 2,
        "pie_retrieval_k4": 4,
    }
    assert {task.sampling.temperature for task in tasks.values()} == {0.7}
    assert {name: task.sampling.n for name, task in tasks.items() if task.sampling.n != 8} == {"pie_perf_cond_mixed": 6}
    assert {name: task.prompt.tags for name, task in tasks.items() if task.prompt.tags} == {
        "pie_perf_cond": (10,),
        "pie_perf_cond_mixed": (10, 9, 8),
    }
    assert len({task.task_hash for task in tasks.values()}) == len(tasks)


def test_the_hashes_of_published_results_hold() -> None:
    """An option that came later changes no hash of a task without it."""
    assert load_task("pie_instruct").task_hash.startswith("6562db")
    assert load_task("pie_retrieval_k2").task_hash.startswith("bcffac")


def test_names_groups_and_globs_are_expanded_once_each_in_order() -> None:
    assert select_tasks(["pie_retrieval_*", "pie_prompting"]) == [
        *("pie_retrieval_k1", "pie_retrieval_k2", "pie_retrieval_k4"),
        *("pie_instruct", "pie_fewshot_k2", "pie_cot_k2"),
    ]
    assert sorted(select_tasks(["pie_all"])) == task_names()
    assert select_tasks(["pie_instruct", "pie_instruct"]) == ["pie_instruct"]
    assert group_names() == ["pie_all", "pie_prompting"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("pie_promting", r"unknown task 'pie_promting'; did you mean pie_prompting"),
        ("zzz_*", r"unknown task 'zzz_\*'"),
        ("wrong", r"group wrong: unknown task 'pie_nothing'"),
        ("a", r"group a contains itself: a → b → a"),
        ("bad", r"bad\.yaml:3: tasks\.0: .*string"),
    ],
)
def test_wrong_groups_and_names(tmp_path: Path, wanted: str, message: str) -> None:
    write(
        tmp_path,
        wrong="group: wrong\ndescription: x\ntasks: [pie_nothing]\n",
        a="group: a\ndescription: x\ntasks: [b]\n",
        b="group: b\ndescription: x\ntasks: [a]\n",
        bad="group: bad\ndescription: x\ntasks: [3]\n",
    )
    with pytest.raises(UserError, match=message):
        select_tasks([wanted], TASKS_DIR, tmp_path)


def test_a_users_own_folder_includes_the_shipped_files_and_hides_none(tmp_path: Path) -> None:
    write(tmp_path, mine="include: _examples.yaml\ntask: mine\nversion: 1\ndescription: x\nfewshot: {strategy: none}\n")
    assert load_task("mine", TASKS_DIR, tmp_path).sampling.n == 8
    assert "mine" in task_names(TASKS_DIR, tmp_path)
    write(tmp_path, pie_instruct="task: pie_instruct\n")
    with pytest.raises(UserError, match=r"pie_instruct\.yaml: there is already a task pie_instruct: .*give it another"):
        load_task("mine", TASKS_DIR, tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        task_names(tmp_path / "missing")


def test_includes_are_merged_key_by_key_and_lists_replaced(tmp_path: Path) -> None:
    write(
        tmp_path,
        _base=GOOD.replace("task: t\n", ""),
        t="include: _base.yaml\ntask: t\nsampling:\n  n: 5\n  stop: [x]\nmetrics: [percent_correct]\n",
    )
    task = load_task("t", tmp_path)
    assert (task.sampling.n, task.sampling.temperature, task.sampling.stop) == (5, 0.7, ("x",))
    assert task.metrics == ("percent_correct",)


@pytest.mark.parametrize(
    ("replace", "by", "expected"),
    [
        ("version: 1", "version: one", r"t\.yaml:2: version: Input should be a valid integer.*'one'"),
        ("version: 1\n", "", r"t\.yaml:1: version: Field required"),
        ("metrics:", "metrcis:", r"t\.yaml:10: metrcis: unknown key 'metrcis'; did you mean metrics"),
        ("n: 2", "n: 0", r"t\.yaml:9: sampling\.n: .*greater than or equal to 1.*found 0"),
        ("seed: 0", "sed: 0, seed: 0", r"t\.yaml:9: sampling\.sed: unknown key 'sed'; did you mean seed"),
        ("strategy: none", "strategy: nearest", r"t\.yaml:8: fewshot\.strategy: .*'none', 'random' or 'retrieval'"),
        ("strategy: none", "{strategy: none, k: 2}", r"t\.yaml:\d+: .*"),
        ("strategy: none", "strategy: none\n  k: 2", r"t\.yaml:7: fewshot: strategy none cannot have k = 2"),
        ("strategy: none", "strategy: retrieval\n  k: 2", r"t\.yaml:7: fewshot: an encoder is required for"),
        ("{{ src_code }}", "{{ source }}", r"t\.yaml:6: prompt\.template: unknown variable 'source'; expected one of"),
        (
            "{{ src_code }}",
            "{{ src_code }} {{ tag }}",
            r"t\.yaml:6: prompt\.template: unknown variable 'tag'; expected",
        ),
        ("prompt:", "prompt:\n  tags: [10]", r"t\.yaml:7: prompt\.template: there are prompt\.tags, but the template"),
        ("prompt:", "prompt:\n  max_source_chars: 0", r"t\.yaml:6: prompt\.max_source_chars: .*greater than or equal"),
        ("{{ src_code }}", "{% if %}", r"t\.yaml:6: prompt\.template: line 1 of the template: "),
        ("dataset: mini", "dataset: mini\ndataset: pie", r"t\.yaml:5: duplicate key 'dataset'"),
        ("dataset: mini", "dataset: [mini", r"t\.yaml:\d+: broken YAML: "),
        ("task: t", "task: other", r"t\.yaml:1: task: expected 't', the name of the file"),
        ("task: t", "include: missing.yaml\ntask: t", r"t\.yaml:1: include: no such file: missing\.yaml"),
        ("task: t", "include: 3\ntask: t", r"t\.yaml:1: include: expected a file name"),
    ],
)
def test_a_broken_task_says_where_and_what(tmp_path: Path, replace: str, by: str, expected: str) -> None:
    assert replace in GOOD
    write(tmp_path, t=GOOD.replace(replace, by))
    with pytest.raises(UserError, match=expected) as error:
        load_task("t", tmp_path)
    assert "\n" not in str(error.value)


def test_an_error_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    write(tmp_path, _base=GOOD.replace("task: t\n", "").replace("n: 2", "n: many"), t="include: _base.yaml\ntask: t\n")
    with pytest.raises(UserError, match=r"_base\.yaml:8: sampling\.n: "):
        load_task("t", tmp_path)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just text\n"])
def test_a_file_that_is_not_a_mapping_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, t=text)
    with pytest.raises(UserError, match=r"t\.yaml:1: expected a mapping"):
        load_task("t", tmp_path)


def test_invalid_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"t\.yaml: broken YAML: "):
        load_task("t", tmp_path)


def test_circular_includes_are_named(tmp_path: Path) -> None:
    write(tmp_path, t="include: _a.yaml\n" + GOOD, _a="include: _b.yaml\n", _b="include: _a.yaml\n")
    with pytest.raises(UserError, match=r"circular include: _a\.yaml → _b\.yaml → _a\.yaml"):
        load_task("t", tmp_path)


def test_unknown_names_answer_with_the_closest() -> None:
    with pytest.raises(UserError, match="did you mean pie_retrieval_k2"):
        load_task("pie_retrieval_2")
    with pytest.raises(UserError, match="known: pie_cot_k2"):
        load_task("zzz")


@pytest.mark.parametrize(
    ("replace", "by", "changes"),
    [
        ("Improve", "Speed up", True),
        ("temperature: 0.7", "temperature: 0.8", True),
        ("version: 1", "version: 2", True),
        ("n: 2", "n: 3", False),
        ("a task", "the task", False),
        ("[speedup]", "[percent_correct]", False),
    ],
)
def test_the_hash_covers_what_decides_prompts_and_answers(tmp_path: Path, replace: str, by: str, changes: bool) -> None:
    before = load_task("t", write(tmp_path, t=GOOD)).task_hash
    after = load_task("t", write(tmp_path, t=GOOD.replace(replace, by))).task_hash
    assert (before != after) == changes


mappings = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.integers()),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.integers() | inner),
    max_leaves=8,
)


@given(mappings, mappings, mappings)
def test_deep_merge_is_associative_and_keeps_the_upper_value(a: dict, b: dict, c: dict) -> None:
    assert deep_merge({}, a) == a == deep_merge(a, {}) == deep_merge(a, a)
    for key, value in b.items():
        if not isinstance(value, dict):
            assert deep_merge(a, b)[key] == value
    same_kind = all(isinstance(a[k], dict) == isinstance(b[k], dict) for k in a.keys() & b.keys())
    if same_kind and all(not isinstance(v, dict) for m in (a, b, c) for v in m.values()):
        assert deep_merge(deep_merge(a, b), c) == deep_merge(a, deep_merge(b, c))
