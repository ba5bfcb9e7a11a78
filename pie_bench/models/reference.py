"""Models that answer with a program of the pair itself: the best and the least that can be asked of the harness."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from pie_bench.data.pair import Pair
from pie_bench.models.model import Completion, Request


class ReferenceModel:
    """Every sample is the pair's `tgt_code` (or `src_code`), fenced as C++."""

    def __init__(self, name: str, pairs: Mapping[str, Pair], answer: Literal["src_code", "tgt_code"]):
        self.name = name
        self.resolved = name
        self.identity = None
        self.notes: Mapping[str, str] = {}
        self._code = {pair_id: getattr(pair, answer) for pair_id, pair in pairs.items()}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            text = f"```cpp\n{self._code[request.pair_id]}\n```\n"
            for index in request.sample_indices:
                yield Completion(request.pair_id, index, text, "stop")

    def close(self) -> None:
        pass
