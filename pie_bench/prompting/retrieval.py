"""Retrieval: the programs of a corpus nearest to a query (the paper, Section 3.1, "dynamic retrieval")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pie_bench.prompting.encoders import cached_arrays, load_encoder


class SourceIndex:
    """An exact inner-product index (FAISS) over a corpus of programs; a row is a position in the corpus.

    `cache_dir`/embeddings caches what is slow to compute: the index, what the encoder learns, single vectors.
    Raises UserError for an unknown encoder, or one that cannot be loaded.
    """

    def __init__(self, encoder: str, corpus: Sequence[str], cache_dir: Path) -> None:
        import faiss
        from threadpoolctl import ThreadpoolController

        folder = cache_dir / "embeddings"
        self._encoder = load_encoder(encoder, corpus, folder)
        key = {"what": "faiss", "encoder": self._encoder.identity, "corpus": list(corpus)}
        stored = cached_arrays(folder, key, lambda: {"index": _serialized(self._encoder.encode(corpus))})
        self._index: Any = faiss.deserialize_index(stored["index"])
        self._threads = ThreadpoolController()

    def nearest(self, query: str, k: int, eligible: Callable[[int], bool]) -> list[tuple[int, float]]:
        """At most `k` eligible rows and their similarity, nearest first; ties (to 1e-6) go to the first in the
        corpus."""
        vector = self._encoder.encode([query])
        total = self._index.ntotal
        fetch = min(total, 4 * k + 16)
        while True:
            # One query is too small for several threads: on busy cores they wait for each other, 32 ms against 0.8.
            with self._threads.limit(limits=1, user_api="openmp"):
                scores, rows = self._index.search(vector, fetch)
            near = [round(float(score), 6) for score in scores[0]]
            found = sorted((-score, int(row)) for score, row in zip(near, rows[0], strict=True) if eligible(int(row)))
            # A row that was not fetched may tie with the last one fetched.
            settled = len(found) >= k and -found[k - 1][0] > near[-1]
            if settled or fetch == total:
                return [(row, -score) for score, row in found[:k]]
            fetch = min(total, 4 * fetch)


def _serialized(vectors: Any) -> Any:
    """A flat inner-product index over (n, d) vectors, as bytes."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return faiss.serialize_index(index)
