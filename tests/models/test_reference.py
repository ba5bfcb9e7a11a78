from __future__ import annotations

import dataclasses

from pie_bench.data.pair import Pair
from pie_bench.models.model import Request
from pie_bench.models.reference import ReferenceModel
from pie_bench.prompting.extract import extract_code
from pie_bench.prompting.prompt import Prompt
from pie_bench.task import Sampling

SAMPLING = Sampling(n=2, temperature=0.7, top_p=1.0, max_tokens=8, seed=0)
PAIR = Pair("a-b", "p1", "int main() { return 0 + 0; }\n", "int main() {}", ())
OTHER = dataclasses.replace(PAIR, pair_id="c-d", tgt_code='#include <cstdio>\nint main() { puts("1"); }\n')


def request(pair_id: str, *indices: int) -> Request:
    return Request(pair_id, Prompt("", ()), SAMPLING, 0, indices)


def test_every_sample_is_the_human_rewrite():
    model = ReferenceModel("reference", {"a-b": PAIR, "c-d": OTHER}, "tgt_code")
    completions = list(model.generate([request("c-d", 1, 4), request("a-b", 0)]))
    assert [(c.pair_id, c.sample_index, c.finish_reason) for c in completions] == [
        ("c-d", 1, "stop"),
        ("c-d", 4, "stop"),
        ("a-b", 0, "stop"),
    ]
    codes = [extract_code(c.text, c.finish_reason).code for c in completions]
    assert codes == [OTHER.tgt_code, OTHER.tgt_code, PAIR.tgt_code + "\n"]
    assert (model.name, model.resolved) == ("reference", "reference")
    model.close()


def test_identity_is_the_program_itself():
    (completion,) = ReferenceModel("identity", {"a-b": PAIR}, "src_code").generate([request("a-b", 0)])
    assert completion.text == "```cpp\nint main() { return 0 + 0; }\n\n```\n"
    assert extract_code(completion.text, "stop", src_code=PAIR.src_code).code == PAIR.src_code
