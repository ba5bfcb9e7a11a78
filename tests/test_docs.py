"""The Python in the documentation runs as it stands."""

import re
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", ["api.md"])
def test_the_examples_of_a_page_run(page: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_the_recipes_for_clusters_are_sound(tmp_path: Path) -> None:
    """As far as that can be seen without a cluster: they parse, and ask for every shard once."""
    import yaml

    text = (DOCS / "scale.md").read_text()
    scripts = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for script in scripts:
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    (tmp_path / "pie-bench").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "pie-bench").chmod(0o755)

    def shard(script: str, **variables: str) -> str:
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **variables}
        done = subprocess.run(["sh"], input=script, text=True, env=environment, capture_output=True, check=True)
        (found,) = re.findall(r"--shard (\S+)", done.stdout)
        return found

    (slurm,) = (script for script in scripts if "#SBATCH" in script)
    (job,) = (yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    wanted = [f"{index}/16" for index in range(1, 17)]
    assert "--array=1-16" in slurm
    assert job["spec"]["completions"] == 16
    assert [shard(slurm, SLURM_ARRAY_TASK_ID=str(i), SLURM_ARRAY_TASK_MAX="16") for i in range(1, 17)] == wanted
    assert [shard(container["args"][0], JOB_COMPLETION_INDEX=str(i)) for i in range(16)] == wanted
