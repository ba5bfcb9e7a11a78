"""The task for Inspect gives the same numbers as `pie-bench run` on the same answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import pie_bench
from pie_bench.run.results import HEADLINE

PACKAGE = Path(__file__).parents[2] / "integrations" / "inspect_ai"


@pytest.mark.slow
def test_the_same_answers_get_the_same_numbers(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inspect_ai = pytest.importorskip("inspect_ai", reason="inspect_ai is not installed")
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    monkeypatch.syspath_prepend(str(PACKAGE))
    monkeypatch.setenv("INSPECT_LOG_DIR", str(tmp_path / "logs"))
    from pie_bench_inspect import pie

    limit, samples = 2, 2
    pairs = pie_bench.load_dataset("mini").pairs[:limit]
    texts = {
        (pair.pair_id, index): f"```cpp\n{code}\n```" if code else "I would rather not."
        for number, pair in enumerate(pairs)
        for index, code in enumerate((pair.tgt_code, pair.src_code if number else None))
    }
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        "".join(
            json.dumps({"pair_id": pair_id, "sample_index": index, "text": text, "finish_reason": "stop"}) + "\n"
            for (pair_id, index), text in texts.items()
        )
    )
    run = pie_bench.evaluate(
        task="pie_instruct", model=f"replay:{answers}", limit=limit, samples=samples, run_dir=tmp_path / "run"
    )

    def answer(messages: list[Any], tools: Any, choice: Any, config: Any) -> Any:
        (pair,) = (pair for pair in pairs if pair.src_code.strip() in messages[-1].text)
        assert config.temperature == run.plan.task.sampling.temperature
        output = ModelOutput.from_content("mockllm/model", texts[pair.pair_id, config.seed])
        output.usage = ModelUsage()  # otherwise Inspect downloads a tokenizer to count
        return output

    (log,) = inspect_ai.eval(
        pie(limit=limit, samples=samples), model=get_model("mockllm/model", custom_outputs=answer), display="none"
    )
    assert log.status == "success", log.error
    (scored,) = log.results.scores
    found = {name: metric.value for name, metric in scored.metrics.items()}
    expected = {f"{name}/{key}": value for name in HEADLINE for key, value in run.results.metrics[name].items()}
    assert found == expected
    outcomes = {sample.id: sample.scores["verdicts"].explanation for sample in log.samples}
    assert outcomes[f"{pairs[0].pair_id}#1"].startswith("no_code")
    sys.modules.pop("pie_bench_inspect")
