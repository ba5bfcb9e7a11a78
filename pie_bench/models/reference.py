"""Models that answer with one of the pair's own programs: upper and lower bounds of what the harness can report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from pie_bench.data.pair import Pair
from pie_bench.models.budget import Budget
from pie_bench.models.entry import ModelEntry
from pie_bench.models.model import Completion, Model, Request


class ReferenceEntry(ModelEntry):
    """Answers with one of the pair's own programs."""

    FIXED = ModelEntry.FIXED | {"answer", "reasoning"}
    RECORDED = True

    adapter: Literal["reference"]
    answer: Literal["src_code", "tgt_code"]

    @property
    def label(self) -> str:
        return self.answer

    def open(self, name: str, pairs: Mapping[str, Pair], cache_dir: Path, budget: Budget) -> ReferenceModel:
        return ReferenceModel(name, pairs, self.answer)


class ReferenceModel(Model):
    """Every sample is the pair's `tgt_code` (or `src_code`), fenced as C++."""

    def __init__(self, name: str, pairs: Mapping[str, Pair], answer: Literal["src_code", "tgt_code"]):
        self.name = name
        self.resolved = name
        self._code = {pair_id: getattr(pair, answer) for pair_id, pair in pairs.items()}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            text = f"```cpp\n{self._code[request.pair_id]}\n```\n"
            for index in request.sample_indices:
                yield Completion(request.pair_id, index, text, "stop")
