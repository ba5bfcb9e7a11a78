"""A model: a class with `generate`. Its constructor's parameters are what `--model-args` takes."""

from collections.abc import Iterable, Iterator

import pie_bench


class Copy(pie_bench.Model):
    """Returns the program in question, or the fast program of the example that the prompt shows."""

    def __init__(self, what: str = "example"):
        self._part = {"question": -2, "example": -3}[what]

    def generate(self, requests: Iterable[pie_bench.Request]) -> Iterator[pie_bench.Completion]:
        for request in requests:
            programs = request.prompt.text.replace("# optimized version of the same code:", "# slower version:")
            answer = programs.split("# slower version:")[self._part]
            for index in request.sample_indices:
                yield pie_bench.Completion(request.pair_id, index, answer, "stop")
