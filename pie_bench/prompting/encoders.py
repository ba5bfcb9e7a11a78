"""Encoders: what turns programs into vectors whose inner product says how alike the programs are."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from pie_bench.errors import UserError, unknown_name
from pie_bench.hashing import hash_of, sha256
from pie_bench.prompting.cpp import PLAIN_TOKEN, code_tokens

if TYPE_CHECKING:
    import numpy as np


class Encoder(Protocol):
    """`identity` is all that decides the vectors, apart from the texts: name, parameters, library versions."""

    identity: dict[str, Any]

    def encode(self, sources: Sequence[str]) -> np.ndarray:
        """One row a program: (n, dimensions) float32, each of length 1 (or 0: nothing known in it)."""
        ...


def load_encoder(name: str, corpus: Sequence[str], folder: Path) -> Encoder:
    """The encoder called `name`; one that learns from the corpus keeps what it learnt in `folder`.

    Raises UserError for an unknown name, and for an encoder that cannot be loaded here.
    """
    if name not in ENCODERS:
        raise unknown_name("encoder", name, ENCODERS)
    return ENCODERS[name](corpus, folder)


class TfidfEncoder:
    """TF-IDF over C++ tokens, single and in twos, reduced to dense vectors by a truncated SVD (LSA)."""

    DIMENSIONS = 256

    def __init__(self, corpus: Sequence[str], folder: Path) -> None:
        import sklearn

        self.identity: dict[str, Any] = {
            "name": "tfidf",
            "token_pattern": sha256(PLAIN_TOKEN.pattern.encode()),
            "ngrams": [1, 2],
            "dimensions": self.DIMENSIONS,
            "scikit-learn": sklearn.__version__,
        }
        key = {"what": "fitted", "encoder": self.identity, "corpus": list(corpus)}
        fitted = cached_arrays(folder, key, lambda: self._fit(corpus))
        terms = json.loads(fitted["terms"].tobytes())
        self._vectorizer = self._new_vectorizer(vocabulary={term: index for index, term in enumerate(terms)})
        self._vectorizer.idf_ = fitted["idf"]
        self._projection = fitted["projection"]  # (terms, dimensions)

    @staticmethod
    def _new_vectorizer(vocabulary: Mapping[str, int] | None = None) -> Any:
        import numpy as np
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            tokenizer=code_tokens,
            token_pattern=None,
            lowercase=False,
            ngram_range=(1, 2),
            sublinear_tf=True,
            dtype=np.float32,
            vocabulary=vocabulary,
        )

    def _fit(self, corpus: Sequence[str]) -> dict[str, np.ndarray]:
        import numpy as np
        from sklearn.utils.extmath import randomized_svd

        if not any(map(code_tokens, corpus)):
            raise UserError("encoder tfidf: no training program holds a C++ token; give a training split with programs")
        vectorizer = self._new_vectorizer()
        weights = vectorizer.fit_transform(corpus).astype(np.float64)
        # What TruncatedSVD does, which refuses a corpus of a single term.
        _, _, components = randomized_svd(weights, min(self.DIMENSIONS, *weights.shape), n_iter=5, random_state=0)
        terms = json.dumps(list(vectorizer.get_feature_names_out())).encode()
        return {
            "terms": np.frombuffer(terms, dtype=np.uint8),
            "idf": vectorizer.idf_,
            "projection": np.ascontiguousarray(components.T, dtype=np.float32),
        }

    def encode(self, sources: Sequence[str]) -> np.ndarray:
        """(n, at most 256) float32, rows of length 1 (0 for a program without a known token)."""
        return l2_normalised(self._vectorizer.transform(sources) @ self._projection)


class CodeBertEncoder:
    """CodeBERT for C++ (the paper, Section 3.1): the mean of the last hidden states of the first 512 tokens."""

    MAX_TOKENS = 512

    def __init__(self, model: str = "neulab/codebert-cpp", batch_size: int = 16) -> None:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise UserError(
                f"encoder codebert-cpp needs torch and transformers ({error}); "
                "pip install 'pie_bench[codebert]', or take encoder tfidf"
            ) from None
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(model)
            self._model = transformers.AutoModel.from_pretrained(model)
        except (OSError, ValueError) as error:
            raise UserError(
                f"encoder codebert-cpp: the weights {model} cannot be loaded ({' '.join(str(error).split())[:200]}); "
                "connect to the Hugging Face hub once, set HF_HOME to a cache that holds them, or take encoder tfidf"
            ) from None
        self._model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self._batch_size = batch_size
        self.identity: dict[str, Any] = {
            "name": "codebert-cpp",
            "model": model,
            "revision": getattr(self._model.config, "_commit_hash", None),
            "max_tokens": self.MAX_TOKENS,
            "pooling": "mean",
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    def encode(self, sources: Sequence[str]) -> np.ndarray:
        """(n, hidden size) float32, rows of length 1; a progress bar on a terminal when there are several batches."""
        import numpy as np
        import torch
        from tqdm import tqdm

        starts = range(0, len(sources), self._batch_size)
        rows = []
        for start in tqdm(starts, desc="codebert-cpp", unit="batch", disable=len(starts) < 2 or None):
            batch = self._tokenizer(
                list(sources[start : start + self._batch_size]),
                padding=True,
                truncation=True,
                max_length=self.MAX_TOKENS,
                return_tensors="pt",
            ).to(self._model.device)
            with torch.inference_mode():
                hidden = self._model(**batch).last_hidden_state
            rows.append(mean_pooled(hidden.float().cpu().numpy(), batch["attention_mask"].cpu().numpy()))
        return l2_normalised(np.concatenate(rows))


ENCODERS: Mapping[str, Callable[[Sequence[str], Path], Encoder]] = {
    "tfidf": TfidfEncoder,
    "codebert-cpp": lambda corpus, folder: CodeBertEncoder(),
}


def mean_pooled(hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(n, tokens, d) hidden states and their (n, tokens) 0/1 mask to (n, d): the mean over the tokens that count."""
    import numpy as np

    weights: np.ndarray = mask[:, :, None].astype(np.float32)
    return (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)


def l2_normalised(rows: np.ndarray) -> np.ndarray:
    """(n, d) to float32 rows of length 1; a row of zeros stays one."""
    import numpy as np

    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = rows / np.where(largest == 0, 1, largest)  # squares of tiny numbers would vanish
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.ascontiguousarray(scaled / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def cached_arrays(folder: Path, key: Any, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What `make` returns, kept in `folder` as .npz under the hash of the JSON-like `key`.

    The archive's checksums find a damaged file (a bare .npy would not notice); it is made again.
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
