import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pie_bench.errors import UserError
from pie_bench.prompting.encoders import (
    TfidfEncoder,
    cached_arrays,
    l2_normalised,
    load_encoder,
)
from pie_bench.prompting.neural import BatchEncoder, CodeBertEncoder, mean_pooled

CORPUS = [
    "int main() { int a; std::cin >> a; std::cout << a; }",
    'int main() { for (int i = 0; i < 9; i++) puts("x"); }',
    "int main() { std::vector<int> v; std::sort(v.begin(), v.end()); }",
    "// only a comment",
]


def test_tfidf_rows_have_length_one(tmp_path: Path) -> None:
    rows = TfidfEncoder(CORPUS, tmp_path).encode(CORPUS)
    assert rows.dtype == np.float32
    assert rows.shape == (4, 4)  # no more dimensions than programs
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1, 0], abs=1e-6)


def test_tfidf_sees_tokens_only(tmp_path: Path) -> None:
    encoder = TfidfEncoder(CORPUS, tmp_path)
    spread = CORPUS[0].replace(" ", "\n\t") + "// it's a comment\n/* } */"
    assert np.array_equal(encoder.encode([CORPUS[0]]), encoder.encode([spread]))
    renamed, other = encoder.encode([CORPUS[0].replace("a", "b"), CORPUS[2]]) @ encoder.encode([CORPUS[0]])[0]
    assert renamed > 0.7 > other


def test_tfidf_of_one_term_or_unknown_terms(tmp_path: Path) -> None:
    encoder = TfidfEncoder(["x"], tmp_path)
    assert encoder.encode(["x", "y"]).tolist() == [[1], [0]]


def test_tfidf_reduces_to_256_dimensions(tmp_path: Path) -> None:
    corpus = [f"int main() {{ return v{i} + v{i + 1}; }}" for i in range(300)]
    rows = TfidfEncoder(corpus, tmp_path).encode(corpus[:7])
    assert rows.shape == (7, 256)
    assert np.argmax(rows @ rows.T, axis=1).tolist() == list(range(7))


def test_tfidf_without_a_token_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no training program contains a C\\+\\+ token"):
        TfidfEncoder(["// nothing", " "], tmp_path)


def test_tfidf_loads_what_it_learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = TfidfEncoder(CORPUS, tmp_path).encode(CORPUS)
    monkeypatch.setattr(TfidfEncoder, "_fit", None)  # not needed any more
    assert np.array_equal(TfidfEncoder(CORPUS, tmp_path).encode(CORPUS), first)
    with pytest.raises(TypeError):
        TfidfEncoder(CORPUS[:2], tmp_path)  # another corpus


def test_tfidf_learns_the_same_again(tmp_path: Path) -> None:
    first = TfidfEncoder(CORPUS, tmp_path / "a").encode(CORPUS)
    assert np.array_equal(TfidfEncoder(CORPUS, tmp_path / "b").encode(CORPUS), first)


def test_unknown_encoder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown encoder 'tfdif'; did you mean tfidf\? \(also: st:MODEL"):
        load_encoder("tfdif", CORPUS, tmp_path)


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_codebert_without_its_packages(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if package == "transformers":
        pytest.importorskip("torch", reason="torch is not installed, so transformers is not reached")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        UserError, match=f"needs torch and transformers .*{package}.*pip install 'pie_bench\\[codebert\\]'"
    ):
        load_encoder("codebert-cpp", CORPUS, tmp_path)


def test_codebert_without_its_weights(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed (pip install 'pie_bench[codebert]')")
    pytest.importorskip("transformers", reason="transformers is not installed (pip install 'pie_bench[codebert]')")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"cannot be loaded .*connect to the Hugging Face hub once"):
        CodeBertEncoder(tmp_path, str(tmp_path / "empty"))


@pytest.fixture
def tiny_roberta(tmp_path: Path) -> Path:
    """A random RoBERTa of two layers with its tokenizer, built here."""
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'pie_bench[codebert]')")
    transformers = pytest.importorskip(
        "transformers", reason="transformers is not installed (pip install 'pie_bench[codebert]')"
    )
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers comes with transformers, which is not installed")
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = tokenizers.ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(CORPUS, vocab_size=300, special_tokens=special)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer._tokenizer,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    ).save_pretrained(tmp_path / "roberta")
    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        vocab_size=300,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
    )
    transformers.RobertaModel(config).save_pretrained(tmp_path / "roberta")
    return tmp_path / "roberta"


def test_codebert_pools_a_real_model(tiny_roberta: Path, tmp_path: Path) -> None:
    """Shapes, lengths, truncation, and no effect of padding."""
    encoder = CodeBertEncoder(tmp_path / "vectors", str(tiny_roberta), batch_size=2)
    long = "a + " * 2000
    rows = encoder.encode([*CORPUS[:3], long, long + "b"])
    assert rows.shape == (5, 32)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1] * 5, abs=1e-5)
    fresh = [CodeBertEncoder(tmp_path / f"alone {i}", str(tiny_roberta)) for i in range(3)]
    alone = np.concatenate([one.encode([source]) for one, source in zip(fresh, CORPUS[:3], strict=True)])
    assert rows[:3] == pytest.approx(alone, abs=1e-4)
    assert rows[3] == pytest.approx(rows[4], abs=1e-4)  # they differ only after the 512th token
    assert np.abs(rows[0] - rows[1]).max() > 1e-3


class LetterCounts(BatchEncoder):
    """Needs no torch: counts letters. Stops, as on Ctrl-C, after a given number of batches."""

    def __init__(self, folder: Path, batches: int = 1000, name: str = "letters") -> None:
        super().__init__({"name": name}, folder, batch_size=2)
        self.batches, self.asked = batches, list[str]()

    def _encode_batch(self, sources: list[str]) -> np.ndarray:
        if self.batches == 0:
            raise KeyboardInterrupt
        self.batches -= 1
        self.asked += sources
        return np.array([[source.count(letter) for letter in "abcdefin"] for source in sources], np.float32)


def test_an_interrupted_index_goes_on_where_it_was(tmp_path: Path) -> None:
    programs = [*CORPUS, "int main() {}", "a", "b"]
    first = LetterCounts(tmp_path, batches=2)
    with pytest.raises(KeyboardInterrupt):
        first.encode(programs)
    again = LetterCounts(tmp_path)
    rows = again.encode([*programs, programs[0]])
    assert sorted(first.asked + again.asked) == sorted(programs), "each program once"
    assert np.array_equal(rows[0], rows[-1])
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1] * len(rows))
    assert np.array_equal(LetterCounts(tmp_path, batches=0).encode(programs), rows[:-1])
    assert np.array_equal(LetterCounts(tmp_path / "new").encode(programs), rows[:-1]), "the batches do not matter"
    with pytest.raises(KeyboardInterrupt):
        LetterCounts(tmp_path, batches=0, name="another encoder").encode(programs[:1])


def test_a_damaged_store_of_vectors_is_named(tmp_path: Path) -> None:
    LetterCounts(tmp_path).encode(["a"])
    [path] = tmp_path.glob("*.sqlite")
    path.write_text("no database, but long enough to be read as one" * 10)
    with pytest.raises(UserError, match=r"\.sqlite: not a usable store .*delete it to start over"):
        LetterCounts(tmp_path).encode(["a"])


def test_a_sentence_transformers_model(tiny_roberta: Path, tmp_path: Path) -> None:
    pytest.importorskip(
        "sentence_transformers",
        reason="sentence-transformers is not installed (pip install 'pie_bench[sentence-transformers]')",
    )
    encoder = load_encoder(f"st:{tiny_roberta}", CORPUS, tmp_path / "vectors")
    rows = encoder.encode(CORPUS)
    assert rows.shape == (4, 32)
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1] * 4, abs=1e-5)
    pooled = CodeBertEncoder(tmp_path / "pooled", str(tiny_roberta)).encode(CORPUS)
    assert rows == pytest.approx(pooled, abs=1e-4), "its default is the mean over the tokens, too"
    with pytest.raises(UserError, match=r"encoder st:/no/such: the weights /no/such cannot be loaded"):
        load_encoder("st:/no/such", CORPUS, tmp_path)


def test_a_sentence_transformers_model_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UserError, match=r"encoder st:x needs sentence-transformers .*pip install 'pie_bench\[sent"):
        load_encoder("st:x", CORPUS, tmp_path)


def test_mean_pooled_ignores_padding() -> None:
    hidden = np.array([[[1, 2], [3, 4], [99, 99]], [[5, 6], [99, 99], [99, 99]], [[9, 9], [9, 9], [9, 9]]], np.float32)
    mask = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert mean_pooled(hidden, mask).tolist() == [[2, 3], [5, 6], [0, 0]]


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1))
@example([[0.0, 0.0, 9.693677355746626e-161]])
def test_l2_normalised_rows_have_length_one_or_zero(rows: list[list[float]]) -> None:
    lengths = np.linalg.norm(l2_normalised(np.array(rows)), axis=1)
    for row, length in zip(rows, lengths, strict=True):
        assert length == pytest.approx(1 if any(row) else 0, abs=1e-5)


def test_cached_arrays_are_made_once(tmp_path: Path) -> None:
    calls = []

    def make() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"a": np.arange(1000.0)}

    for _ in range(2):
        assert cached_arrays(tmp_path / "new", {"k": 1}, make)["a"].tolist() == list(range(1000))
    assert len(calls) == 1
    cached_arrays(tmp_path / "new", {"k": 2}, make)
    assert len(calls) == 2
    assert len(list((tmp_path / "new").iterdir())) == 2  # nothing else is left behind


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "one bit"])
def test_a_damaged_cache_file_is_made_again(damage: str, tmp_path: Path) -> None:
    def make() -> dict[str, np.ndarray]:
        return {"a": np.arange(1000.0)}

    cached_arrays(tmp_path, {}, make)
    [path] = tmp_path.iterdir()
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[4000] ^= 1
    path.write_bytes({"empty": b"", "cut": whole[:3000], "text": b"not an archive", "one bit": bytes(flipped)}[damage])
    assert cached_arrays(tmp_path, {}, make)["a"].tolist() == list(range(1000))
    assert np.load(path)["a"].tolist() == list(range(1000))


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*args: object, **arrays: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        cached_arrays(tmp_path, {}, lambda: {"a": np.zeros(1)})
    assert list(tmp_path.iterdir()) == []
