import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.prompting.build import PromptBuilder
from pie_bench.prompting.prompt import Message
from pie_bench.task import Task, load_task


def pair(name: str, problem: str, src: str, tgt: str, seconds: float | None = None) -> Pair:
    times = None if seconds is None else {"0": seconds, "1": 0.001}
    return Pair(f"{name}_src+{name}_tgt", problem, src, tgt, ("0", "1"), None, times, times)


COUNT_UP = "#include <iostream>\nusing namespace std;\nint main() {\n    int n, s = 0;\n    cin >> n;\n"
TRAIN = [
    pair(
        "sum",
        "p01",
        COUNT_UP + "    for (int i = 1; i <= n; i++) s += i;\n    cout << s << endl;\n}\n",
        '#include <cstdio>\nint main() {\n    int n;\n    scanf("%d", &n);\n    printf("%d\\n", n * (n + 1) / 2);\n}\n',
    ),
    pair(
        "squares",
        "p02",
        COUNT_UP + "    for (int i = 1; i <= n; i++) s += i * i;\n    cout << s << endl;\n}",
        "#include <cstdio>\nint main() {\n    int n;\n"
        '    scanf("%d", &n);\n    printf("%d\\n", n * (n + 1) * (2 * n + 1) / 6);\n}',
    ),
    pair(
        "sorted",
        "p03",
        "\n#include <bits/stdc++.h>\n\nint main() {\n    std::multiset<int> v;\n    int a;\n"
        "    while (std::cin >> a) v.insert(a);\n    for (int b : v) std::cout << b << std::endl;\n}\n\n",
        "\n#include <bits/stdc++.h>\n\nint main() {\n    std::vector<int> v;\n    int a;\n"
        '    while (scanf("%d", &a) > 0) v.push_back(a);\n    std::sort(v.begin(), v.end());\n'
        '    for (int b : v) printf("%d\\n", b);\n}\n\n',
    ),
    pair(
        "echo",
        "p04",
        'int main() {\n    std::cout << "<a> & \\"b\\"" << std::endl;\n}',
        'int main() { puts("<a> & \\"b\\""); }',
    ),
    pair("noop", "p05", "int main() {\n    return 0 + 0;\n}\n", "int main() {}\n"),
]
QUERY = pair(
    "cubes", "p01", COUNT_UP + "    for (int i = 1; i <= n; i++) s += i * i * i;\n    cout << s << endl;\n}\n", ""
)


def task(**fewshot: object) -> Task:
    """pie_fewshot_k2 with another few-shot setting."""
    data = load_task("pie_fewshot_k2").model_dump()
    return Task.model_validate(data | {"fewshot": fewshot})


def shown_for(built: Task, train: Sequence[Pair], query: Pair, cache: Path) -> list[Pair]:
    return [chosen.pair for chosen in PromptBuilder(built, train, cache).examples(query)]


def random_task(k: int, seed: int = 0) -> Task:
    return task(strategy="random", k=k, seed=seed)


def retrieval_task(k: int) -> Task:
    return task(strategy="retrieval", k=k, encoder="tfidf")


def test_chat_models_get_the_same_content(tmp_path: Path) -> None:
    prompt = PromptBuilder(random_task(2), TRAIN, tmp_path).build(QUERY)
    assert prompt.messages == (Message("user", prompt.text),)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_blocks_are_tidy(k: int, tmp_path: Path) -> None:
    built = task(strategy="none") if k == 0 else random_task(k)
    text = PromptBuilder(built, TRAIN, tmp_path).build(QUERY).text
    blocks = text.split("\n\n\n\n")
    assert len(blocks) == k + 1
    for block in blocks:
        assert block.startswith("# slower version:\n\n")
        assert block.count("\n\n# optimized version of the same code:\n") == 1
    assert text.endswith(QUERY.src_code.strip() + "\n\n# optimized version of the same code:\n")


def test_code_is_not_escaped(tmp_path: Path) -> None:
    text = PromptBuilder(load_task("pie_instruct"), [], tmp_path).build(TRAIN[3]).text
    assert TRAIN[3].src_code in text
    braces = dataclasses.replace(QUERY, src_code="int a[] = {{1}}; {% x %} {# y #}")
    assert braces.src_code in PromptBuilder(load_task("pie_instruct"), [], tmp_path).build(braces).text


def test_a_system_message_comes_first(tmp_path: Path) -> None:
    data = load_task("pie_instruct").model_dump()
    data["prompt"]["system"] = "You write fast C++.\n"
    prompt = PromptBuilder(Task.model_validate(data), [], tmp_path).build(QUERY)
    assert prompt.messages == (Message("system", "You write fast C++.\n"), Message("user", prompt.text))
    assert "You write" not in prompt.text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ examples[0].srccode }}", "no attribute 'srccode'"),
        ("{{ src_code | nosuchfilter }}", "nosuchfilter"),
        ("{{ examples[7].src_code }}", "7"),
    ],
)
def test_a_template_that_cannot_be_rendered(template: str, said: str, tmp_path: Path) -> None:
    data = random_task(2).model_dump()
    data["prompt"]["template"] = template
    with pytest.raises(UserError, match=f"task pie_fewshot_k2: prompt.template cannot be rendered: .*{said}"):
        PromptBuilder(Task.model_validate(data), TRAIN, tmp_path)


def test_no_examples_for_strategy_none(tmp_path: Path) -> None:
    builder = PromptBuilder(load_task("pie_instruct"), TRAIN, tmp_path)
    assert builder.examples(QUERY) == ()
    assert builder.describe() == {
        "strategy": "none",
        "k": 0,
        "encoder": None,
        "corpus_size": 0,
        "corpus_hash": None,
    }


def test_the_nearest_comes_last(tmp_path: Path) -> None:
    builder = PromptBuilder(retrieval_task(4), TRAIN, tmp_path)
    names = [chosen.pair.pair_id for chosen in builder.examples(QUERY)]
    assert names[-1] == "squares_src+squares_tgt"  # p01 is the query's own problem
    assert len(set(names)) == 4
    fewer = PromptBuilder(retrieval_task(2), TRAIN, tmp_path)
    assert [chosen.pair.pair_id for chosen in fewer.examples(QUERY)] == names[-2:]
    text = builder.build(QUERY).text
    assert (
        sorted(names, key=lambda name: text.index(next(p for p in TRAIN if p.pair_id == name).src_code.strip()))
        == names
    )


def test_random_examples_are_the_same_for_every_prompt(tmp_path: Path) -> None:
    builder = PromptBuilder(random_task(2), TRAIN, tmp_path)
    drawn = builder.examples(dataclasses.replace(QUERY, problem_id="p99"))
    assert (
        PromptBuilder(random_task(2), TRAIN[::-1], tmp_path).examples(dataclasses.replace(QUERY, problem_id="p98"))
        == drawn
    )
    draws = {PromptBuilder(random_task(2, seed), TRAIN, tmp_path).examples(QUERY) for seed in range(10)}
    assert len(draws) > 3
    four = PromptBuilder(random_task(4), TRAIN, tmp_path)
    order = four.examples(dataclasses.replace(QUERY, problem_id="p99"))
    replaced = builder.examples(dataclasses.replace(QUERY, problem_id=order[0].pair.problem_id))
    assert order[:2] == drawn
    assert replaced == order[1:3]  # the next drawn fills the gap


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_invariants(tmp_path: Path, data: st.DataObject) -> None:
    code = st.sampled_from(["int a;", "int b;", "int a; \n", "b += 1;", "for (;;) b++;", "x", "// x"])
    problem = st.sampled_from(["p1", "p2", "p3"])
    seconds = st.none() | st.floats(0, 1)
    rows = st.tuples(problem, code, seconds)
    train = [
        pair(f"s{index:02}", *row[:2], f"int t{index};", row[2])
        for index, row in enumerate(data.draw(st.lists(rows, max_size=12)))
    ]
    k = data.draw(st.integers(1, 3))
    built = data.draw(st.sampled_from([random_task(k, data.draw(st.integers(0, 3))), retrieval_task(k)]))
    query = pair("query", data.draw(problem), data.draw(code), "")
    by_source: dict[str, list[Pair]] = {}
    for row in train:
        by_source.setdefault(row.src_code.strip(), []).append(row)
    eligible = [same for same in by_source.values() if all(p.problem_id != query.problem_id for p in same)]
    try:
        shown = shown_for(built, train, query, tmp_path)
    except UserError as error:
        assert len(eligible) < k or set(by_source) == {"// x"}
        assert "\n" not in str(error)
        return
    assert len(shown) == k <= len(eligible)
    assert len({p.src_code.strip() for p in shown}) == k
    assert all(p.problem_id != query.problem_id for p in shown)
    shuffled = data.draw(st.permutations(train))
    assert shown_for(built, shuffled, query, tmp_path) == shown
    for example in shown:
        times = [sum(p.tgt_seconds.values()) for p in by_source[example.src_code.strip()] if p.tgt_seconds]
        assert not times or sum((example.tgt_seconds or {}).values()) == min(times)
        assert times or example == by_source[example.src_code.strip()][0]


def test_the_fastest_target_is_shown(tmp_path: Path) -> None:
    source = "int main() {}"
    several = [
        pair("a", "p1", source, "int main() { return 1; }"),
        pair("b", "p1", source + "\n", "int main() { return 2; }", 0.5),
        pair("c", "p1", source, "int main() { return 3; }", 0.25),
        pair("d", "p1", source, "int main() { return 4; }", 0.25),
    ]

    def shown(train: list[Pair]) -> list[str]:
        return [p.pair_id[0] for p in shown_for(random_task(1), train, QUERY, tmp_path)]

    assert shown(several) == ["c"]
    assert shown([dataclasses.replace(p, tgt_seconds=None) for p in several[::-1]]) == ["a"]
    assert shown([dataclasses.replace(p, tgt_seconds={}) for p in several]) == ["a"]


def test_a_source_written_for_the_querys_problem_too_is_never_shown(tmp_path: Path) -> None:
    same = [pair("a", "p2", "int x;", "int y;", 0.1), pair("b", QUERY.problem_id, "int x;", "int z;", 0.2)]
    with pytest.raises(UserError, match="has only 0 different sources of another problem than p01"):
        PromptBuilder(random_task(1), same, tmp_path).examples(QUERY)


@pytest.mark.parametrize("strategy", [random_task, retrieval_task])
def test_too_few_training_pairs(strategy: object, tmp_path: Path) -> None:
    assert callable(strategy)
    with pytest.raises(UserError, match=r"fewshot\.k is 3, but split 'train' has only 2 different sources; give"):
        PromptBuilder(strategy(3), TRAIN[:2], tmp_path)
    builder = PromptBuilder(strategy(2), TRAIN[:2], tmp_path)
    with pytest.raises(UserError, match="has only 1 different sources of another problem than p01"):
        builder.build(QUERY)


def test_describe_says_what_decides_the_examples(tmp_path: Path) -> None:
    described = PromptBuilder(retrieval_task(2), TRAIN, tmp_path).describe()
    assert {key: described[key] for key in ("strategy", "k", "encoder", "corpus_size")} == {
        "strategy": "retrieval",
        "k": 2,
        "encoder": "tfidf",
        "corpus_size": 5,
    }
    assert len(described["corpus_hash"]) == 64
    assert PromptBuilder(retrieval_task(2), TRAIN[::-1], tmp_path).describe() == described
    assert PromptBuilder(retrieval_task(2), TRAIN[1:], tmp_path).describe() != described
