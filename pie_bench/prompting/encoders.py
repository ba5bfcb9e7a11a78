"""Encoders map programs to vectors whose inner product measures similarity. This module has the built-in one."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from pie_bench import registry
from pie_bench.cpp import PLAIN_TOKEN, code_tokens
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of, sha256

if TYPE_CHECKING:
    import numpy as np


class Encoder(Protocol):
    """`identity` is all that decides the vectors, apart from the programs: name, parameters, library versions."""

    identity: dict[str, Any]

    def encode(self, sources: Sequence[str]) -> np.ndarray:
        """One row per program: (n, dimensions) float32, each of norm 1 (or 0 if the encoder knows nothing in it)."""
        ...


def load_encoder(name: str, corpus: Sequence[str], folder: Path) -> Encoder:
    """The encoder called `name`: `tfidf`, `codebert-cpp`, `st:MODEL` (any sentence-transformers model), or one from a
    plug-in: a callable that takes corpus and folder (and MODEL, for `NAME:MODEL`) and returns an Encoder.

    `folder` caches what an encoder learns from the corpus, and single vectors of those that learn nothing.
    Raises UserError for an unknown name, and for an encoder that cannot be loaded.
    """
    found, model = find_encoder(name)
    make = found.load()
    encoder: Encoder = make(corpus, folder, model) if model else make(corpus, folder)
    if not (hasattr(encoder, "encode") and isinstance(getattr(encoder, "identity", None), dict)):
        raise found.broken("an encoder has identity, a dict, and encode(sources)")
    return encoder


def find_encoder(name: str) -> tuple[registry.Registered, str]:
    """The registered encoder, not imported yet, and the MODEL in its name (or ""). UserError if there is none."""
    prefix, _, model = name.partition(":")
    found = registry.find_if_there("encoders", prefix)
    if found is not None and bool(model) == (prefix == "st" or (not found.built_in and bool(model))):
        return found, model
    try:
        return registry.find("encoders", name), ""
    except UserError as error:
        raise UserError(f"{error} (also: st:MODEL)") from None


class TfidfEncoder:
    """TF-IDF over C++ token unigrams and bigrams, reduced to dense vectors by a truncated SVD (LSA).

    For a large corpus only the most frequent terms count: rare ones identify single programs, which the reduced vectors
    cannot represent anyway, yet they would dominate the time and memory of the reduction.
    """

    DIMENSIONS = 256
    MAX_TERMS = 50_000

    def __init__(self, corpus: Sequence[str], folder: Path) -> None:
        import sklearn

        self.identity: dict[str, Any] = {
            "name": "tfidf",
            "token_pattern": sha256(PLAIN_TOKEN.pattern.encode()),
            "ngrams": [1, 2],
            "dimensions": self.DIMENSIONS,
            "max_terms": self.MAX_TERMS,
            "scikit-learn": sklearn.__version__,
        }
        self._just_fitted: tuple[list[str], Any] | None = None  # the corpus' tokens: tokenizing again is as slow
        key = {"what": "fitted", "encoder": self.identity, "corpus": list(corpus)}
        fitted = cached_arrays(folder, key, lambda: self._fit(corpus))
        terms = json.loads(fitted["terms"].tobytes())
        self._vectorizer = self._new_vectorizer(vocabulary={term: index for index, term in enumerate(terms)})
        self._vectorizer.idf_ = fitted["idf"]
        self._projection = fitted["projection"]  # (terms, dimensions)

    @classmethod
    def _new_vectorizer(cls, vocabulary: Mapping[str, int] | None = None) -> Any:
        import numpy as np
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            tokenizer=code_tokens,
            token_pattern=None,
            lowercase=False,
            ngram_range=(1, 2),
            sublinear_tf=True,
            dtype=np.float32,
            max_features=cls.MAX_TERMS,
            vocabulary=vocabulary,
        )

    def _fit(self, corpus: Sequence[str]) -> dict[str, np.ndarray]:
        import numpy as np
        from sklearn.utils.extmath import randomized_svd

        if not any(map(code_tokens, corpus)):
            raise UserError(
                "encoder tfidf: no training program contains a C++ token; give a training split with programs"
            )
        vectorizer = self._new_vectorizer()
        fitted = vectorizer.fit_transform(with_progress(corpus, "tfidf: reading"))
        self._just_fitted = list(corpus), fitted
        weights = fitted.astype(np.float64)
        # Does what TruncatedSVD does, which rejects a corpus with a single term.
        _, _, components = randomized_svd(weights, min(self.DIMENSIONS, *weights.shape), n_iter=5, random_state=0)
        terms = json.dumps(list(vectorizer.get_feature_names_out())).encode()
        return {
            "terms": np.frombuffer(terms, dtype=np.uint8),
            "idf": vectorizer.idf_,
            "projection": np.ascontiguousarray(components.T, dtype=np.float32),
        }

    def encode(self, sources: Sequence[str]) -> np.ndarray:
        """(n, at most 256) float32, rows of norm 1 (0 for a program without a known token)."""
        if self._just_fitted is not None and self._just_fitted[0] == list(sources):
            weights, self._just_fitted = self._just_fitted[1], None
        else:
            weights = self._vectorizer.transform(with_progress(sources, "tfidf: encoding"))
        weights.sort_indices()  # fix the summation order, so that results are bit-identical
        return l2_normalised(weights @ self._projection)


def with_progress(programs: Sequence[str], what: str) -> Iterable[str]:
    """The programs, with a progress bar on a terminal if it takes more than two seconds."""
    from tqdm import tqdm

    return tqdm(programs, desc=what, unit="program", delay=2, disable=None)


def l2_normalised(rows: np.ndarray) -> np.ndarray:
    """Scales (n, d) to float32 rows of norm 1; zero rows stay zero."""
    import numpy as np

    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = rows / np.where(largest == 0, 1, largest)  # avoid underflow when squaring tiny numbers
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.ascontiguousarray(scaled / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def cached_arrays(folder: Path, key: Any, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Caches what `make` returns in `folder`, as .npz under the hash of the JSON-like `key`.

    The archive's checksums reveal a damaged file (a bare .npy would not), which is then recomputed.
    """
    import numpy as np

    path = folder / f"{hash_of(key)}.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        path.unlink()
    arrays: dict[str, Any] = make()
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{path.stem}-{uuid4().hex}.tmp"
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return arrays
