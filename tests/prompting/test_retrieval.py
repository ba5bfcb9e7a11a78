from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_bench.prompting import retrieval
from pie_bench.prompting.retrieval import SourceIndex

LOOP = "int main() { for (int i = 0; i < n; i++) s += a[i]; }"
SORT = "int main() { std::sort(v.begin(), v.end()); }"
READ = "int main() { int a; std::cin >> a; std::cout << a; }"


def anything(row: int) -> bool:
    return True


def nearest(index: SourceIndex, query: str, k: int, eligible: Callable[[int], bool]) -> list[int]:
    return [row for row, _ in index.nearest(query, k, eligible)]


def test_nearest_first(tmp_path: Path) -> None:
    index = SourceIndex("tfidf", [SORT, READ, LOOP], tmp_path)
    assert nearest(index, LOOP.replace("s +=", "t -="), 3, anything)[0] == 2
    assert nearest(index, SORT, 1, anything) == [0]
    assert nearest(index, SORT, 3, lambda row: row != 0)[:1] != [0]
    assert len(nearest(index, SORT, 3, lambda row: row != 0)) == 2
    assert nearest(index, SORT, 3, lambda row: False) == []


def test_equally_near_rows_come_in_corpus_order(tmp_path: Path) -> None:
    """More ties than are fetched at first: the first eligible ones count, not those that happen to be fetched."""
    corpus = [LOOP, *[READ + f"// {i}" for i in range(200)], SORT]
    index = SourceIndex("tfidf", corpus, tmp_path)
    assert nearest(index, READ, 3, anything) == [1, 2, 3]
    assert nearest(index, READ, 2, lambda row: row > 150) == [151, 152]


def test_more_is_fetched_until_enough_are_eligible(tmp_path: Path) -> None:
    corpus = [f"int main() {{ return {'1 + ' * i} x; }}" for i in range(100)]
    index = SourceIndex("tfidf", corpus, tmp_path)
    assert nearest(index, corpus[0], 2, lambda row: row >= 98) == [98, 99]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_agrees_with_a_full_sort(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    words = st.lists(st.sampled_from(["int", "a", "b", "for", "(", ")", "+", ";"]), min_size=1, max_size=6)
    corpus = [" ".join(program) for program in data.draw(st.lists(words, min_size=1, max_size=60))]
    query, k = " ".join(data.draw(words)), data.draw(st.integers(1, 5))
    allowed = data.draw(st.sets(st.integers(0, len(corpus) - 1)))
    index = SourceIndex("tfidf", corpus, tmp_path_factory.mktemp("cache"))
    encoder = index._encoder
    scores = encoder.encode(corpus) @ encoder.encode([query])[0]
    found = nearest(index, query, k, allowed.__contains__)
    assert len(found) == min(k, len(allowed))
    assert set(found) <= allowed
    rest = allowed - set(found)
    assert not rest or min(scores[found]) >= max(scores[list(rest)]) - 2e-6


def test_expensive_results_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = [SORT, READ, LOOP]
    first = nearest(SourceIndex("tfidf", corpus, tmp_path), READ, 3, anything)
    files = sorted((tmp_path / "embeddings").iterdir())
    assert len(files) == 2  # what the encoder learnt, and the corpus' vectors

    def again(*_: object) -> dict[str, np.ndarray]:
        raise AssertionError("computed again")

    with monkeypatch.context() as patch:
        patch.setattr(retrieval.load_encoder("tfidf", corpus, tmp_path).__class__, "_fit", again)
        assert nearest(SourceIndex("tfidf", corpus, tmp_path), READ, 3, anything) == first
    for file in files:
        file.write_bytes(file.read_bytes()[:-30])
        assert nearest(SourceIndex("tfidf", corpus, tmp_path), READ, 3, anything) == first
    assert sorted((tmp_path / "embeddings").iterdir()) == files
