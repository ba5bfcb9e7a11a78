"""Neural encoders: the paper's CodeBERT, and any sentence-transformers model. Both need torch."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.errors import UserError
from pie_bench.hashing import hash_of, sha256
from pie_bench.prompting.encoders import l2_normalised

if TYPE_CHECKING:
    import numpy as np

_INSTEAD = "connect to the Hugging Face hub once, set HF_HOME to a cache that holds them, or use encoder tfidf"


class BatchEncoder:
    """Encodes in batches. Each vector is stored in `folder`, by encoder and content, as soon as its batch is done, so
    an interrupted index build resumes where it stopped, and adding one program to a corpus costs one program.

    """

    def __init__(self, identity: dict[str, Any], folder: Path, batch_size: int) -> None:
        self.identity = identity
        self._vectors = _VectorStore(folder / f"{hash_of(identity)}.sqlite")
        self._batch_size = batch_size

    def _encode_batch(self, sources: list[str]) -> np.ndarray:
        raise NotImplementedError

    def encode(self, sources: Sequence[str]) -> np.ndarray:
        """(n, hidden size) float32, rows of norm 1; shows a progress bar on a terminal for more than one batch."""
        import numpy as np
        from tqdm import tqdm

        known = self._vectors.get({sha256(source.encode(errors="surrogatepass")) for source in sources})
        missing = {
            key: source for source in sources if (key := sha256(source.encode(errors="surrogatepass"))) not in known
        }
        # Programs of similar length per batch minimise padding.
        todo = sorted(missing, key=lambda key: (len(missing[key]), key))
        with tqdm(total=len(todo), desc=self.identity["name"], unit="program", disable=len(todo) < 2 or None) as bar:
            for start in range(0, len(todo), self._batch_size):
                keys = todo[start : start + self._batch_size]
                rows = l2_normalised(self._encode_batch([missing[key] for key in keys]))
                new = dict(zip(keys, rows, strict=True))
                self._vectors.put(new)
                known |= new
                bar.update(len(keys))
        return np.stack([known[sha256(source.encode(errors="surrogatepass"))] for source in sources])


class CodeBertEncoder(BatchEncoder):
    """CodeBERT for C++ (the paper, Section 3.1): the mean of the last hidden states of the first 512 tokens."""

    MAX_TOKENS = 512

    def __init__(self, folder: Path, model: str = "neulab/codebert-cpp", batch_size: int = 16) -> None:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise UserError(
                f"encoder codebert-cpp needs torch and transformers ({error}); "
                "pip install 'pie_bench[codebert]', or use encoder tfidf"
            ) from None
        self._tokenizer, self._model = _loaded(
            "codebert-cpp",
            model,
            lambda: (
                transformers.AutoTokenizer.from_pretrained(model),
                transformers.AutoModel.from_pretrained(model),
            ),
        )
        self._model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        identity: dict[str, Any] = {
            "name": "codebert-cpp",
            "model": model,
            "weights": _weights_hash(self._model),
            "max_tokens": self.MAX_TOKENS,
            "pooling": "mean",
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
        super().__init__(identity, folder, batch_size)

    def _encode_batch(self, sources: list[str]) -> np.ndarray:
        import torch

        batch = self._tokenizer(
            sources, padding=True, truncation=True, max_length=self.MAX_TOKENS, return_tensors="pt"
        ).to(self._model.device)
        with torch.inference_mode():
            hidden = self._model(**batch).last_hidden_state
        return mean_pooled(hidden.float().cpu().numpy(), batch["attention_mask"].cpu().numpy())


class SentenceEncoder(BatchEncoder):
    """Any sentence-transformers model, by its name on the Hugging Face hub or its folder, with the model's own
    pooling."""

    def __init__(self, model: str, folder: Path, batch_size: int = 16) -> None:
        try:
            import sentence_transformers
        except ImportError as error:
            raise UserError(
                f"encoder st:{model} needs sentence-transformers ({error}); "
                "pip install 'pie_bench[sentence-transformers]', or use encoder tfidf"
            ) from None
        self._model = _loaded(f"st:{model}", model, lambda: sentence_transformers.SentenceTransformer(model))
        identity: dict[str, Any] = {
            "name": f"st:{model}",
            "weights": _weights_hash(self._model),
            "max_tokens": self._model.max_seq_length,
            "sentence-transformers": sentence_transformers.__version__,
        }
        super().__init__(identity, folder, batch_size)

    def _encode_batch(self, sources: list[str]) -> np.ndarray:
        return self._model.encode(sources, batch_size=len(sources), show_progress_bar=False, convert_to_numpy=True)


def mean_pooled(hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(n, tokens, d) hidden states and their (n, tokens) 0/1 mask to (n, d): the mean over unmasked tokens."""
    import numpy as np

    weights: np.ndarray = mask[:, :, None].astype(np.float32)
    return (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)


def _loaded(name: str, model: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(f"encoder {name}: the weights {model} cannot be loaded ({said}); {_INSTEAD}") from None


def _weights_hash(model: Any) -> str:
    """Tells model folders of the same name apart: the hash of the parameters' bytes."""
    parameters = sorted(model.state_dict().items())
    return hash_of([[name, sha256(value.float().cpu().numpy().tobytes())] for name, value in parameters])


class _VectorStore:
    """Vectors by the hash of their text, in one SQLite file per encoder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _open(self) -> closing[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=60)
        try:
            connection.execute("CREATE TABLE IF NOT EXISTS vector (source TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
        except sqlite3.DatabaseError as error:
            connection.close()
            raise UserError(f"{self._path}: not a usable store ({error}); delete it to start over") from None
        return closing(connection)

    def get(self, keys: Iterable[str]) -> dict[str, np.ndarray]:
        import numpy as np

        found = {}
        with self._open() as connection:
            for key in keys:
                row = connection.execute("SELECT value FROM vector WHERE source = ?", (key,)).fetchone()
                if row is not None:
                    found[key] = np.frombuffer(row[0], dtype=np.float32)
        return found

    def put(self, vectors: dict[str, np.ndarray]) -> None:
        with self._open() as connection, connection:
            rows = [(key, vector.tobytes()) for key, vector in vectors.items()]
            connection.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", rows)


def codebert_cpp(corpus: Sequence[str], folder: Path) -> CodeBertEncoder:
    """Encoder `codebert-cpp`; it learns nothing from the corpus."""
    return CodeBertEncoder(folder)


def sentence_transformers(corpus: Sequence[str], folder: Path, model: str) -> SentenceEncoder:
    """Encoder `st:MODEL`; it learns nothing from the corpus."""
    return SentenceEncoder(model, folder)
