"""Workers on a real cluster of two nodes (two raylets on this machine): what they return, what dies, who is refused."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import pie_bench
from benchmarks.ray_pool import add_node
from pie_bench.cli.main import main
from pie_bench.data.pair import TestCase
from pie_bench.errors import PieBenchError, UserError
from pie_bench.execution.executor import Executor, Job
from pie_bench.execution.ray_pool import RayPool, connected
from pie_bench.paths import PACKAGE_DIR
from pie_bench.run.files import read_jsonl
from pie_bench.run.verdict import Candidate
from pie_bench.store import MeasurementStore

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'pie_bench[ray]'")
pytestmark = pytest.mark.slow

DOUBLE = '#include <cstdio>\nint main(){ int n; scanf("%d", &n); printf("%d\\n", 2 * n); }'


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster with two nodes of one CPU each, `one` (which this process is on) and `two`."""
    from ray.cluster_utils import Cluster

    folder = Path(f"/tmp/pb-ray-{os.getpid()}")  # short: it holds sockets
    # By default raylets wait 17 s for their Python agents, which take longer on a busy machine.
    settings = {
        "RAY_TMPDIR": str(folder),
        "PYTHONPATH": os.pathsep.join([str(PACKAGE_DIR.parent), os.environ.get("PYTHONPATH", "")]),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_agent_register_timeout_ms": "300000",
        "RAY_raylet_start_wait_time_s": "300",
    }
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        found = Cluster(initialize_head=False)
        try:
            for name in ("one", "two"):
                add(found, name)
            # Workers import from their driver's folder at the time it connected, in preference to what their node has.
            patch.chdir(folder)
            connected(found.address)
            patch.chdir(PACKAGE_DIR.parent)
            yield found
        finally:
            ray.shutdown()
            found.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def add(cluster: Any, name: str, **options: Any) -> Any:
    try:
        return add_node(cluster, name, **options)
    except Exception as error:
        pytest.skip(f"this machine is too busy to start a node of a cluster: {error}")


@pytest.fixture
def pool(cluster: Any) -> RayPool:
    return RayPool(cluster.address)


def where(_: object) -> tuple[str, int]:
    time.sleep(0.2)
    return ray.get_runtime_context().get_node_id(), os.getpid()


def times_ten(item: int) -> int:
    if item == 3:
        raise UserError("three")
    return 10 * item


def dies(folder: Path, item: int) -> int:
    """Kills its worker: 1 the first time, 3 every time."""
    if item == 3 or (item == 1 and not (folder / "died").exists()):
        if item == 1:
            (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def waits(folder: Path, item: int) -> int:
    (folder / f"began-{item}-{ray.get_runtime_context().get_node_id()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.05)
    return item


def test_calls_run_on_all_nodes_and_start_while_items_are_produced(pool: RayPool) -> None:
    first_done = threading.Event()
    produced = finished = ahead = 0

    def items() -> Iterator[int]:
        nonlocal produced, ahead
        for item in range(40):
            produced += 1
            ahead = max(ahead, produced - finished)
            yield item
            assert first_done.wait(timeout=300), "the first call waits for the second item"

    found = []
    for each in pool.map_unordered(where, items()):
        finished += 1
        first_done.set()
        found.append(each)
    assert produced == finished == 40
    assert ahead <= 2 * 2 + 1, "not produced far ahead of the work"
    assert len({node for node, _ in found}) == 2
    until(lambda: not any("ray::Worker" in command_of(pid) for _, pid in found))  # all end


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_an_error_of_a_call_or_of_the_items_is_raised_as_it_is(pool: RayPool) -> None:
    with pytest.raises(UserError, match="^three$"):
        list(pool.map_unordered(times_ten, range(1000)))

    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no second item")

    with pytest.raises(ValueError, match="no second item"):
        list(pool.map_unordered(times_ten, items()))


def test_a_call_whose_worker_dies_is_repeated_but_not_forever(pool: RayPool, tmp_path: Path) -> None:
    said = []

    def lost(item: int, why: str) -> int:
        said.append(why)
        return -item

    assert sorted(pool.map_unordered(partial(dies, tmp_path), range(5), lost=lost)) == [-3, 0, 1, 2, 4]
    assert len(list(tmp_path.iterdir())) == 1, "another has died once"
    assert said[0].startswith("its worker died 3 times (")
    assert "one (" in said[0] or "two (" in said[0], "the nodes are named"
    with pytest.raises(PieBenchError, match="its worker died 3 times"):
        list(pool.map_unordered(partial(dies, tmp_path), [3]))


def test_a_node_that_dies_and_one_that_joins(pool: RayPool, cluster: Any, tmp_path: Path) -> None:
    three = add(cluster, "three")
    results = pool.map_unordered(partial(waits, tmp_path), range(12), in_flight=12)
    found = []
    thread = threading.Thread(target=lambda: found.extend(results))
    thread.start()
    until(lambda: any(name.name.endswith(three.node_id) for name in tmp_path.iterdir()))
    cluster.remove_node(three, allow_graceful=False)
    four = add(cluster, "four")
    try:
        until(lambda: any(name.name.endswith(four.node_id) for name in tmp_path.iterdir()))
        (tmp_path / "go").touch()
        thread.join(timeout=300)
        assert sorted(found) == list(range(12))
    finally:
        (tmp_path / "go").touch()
        cluster.remove_node(four)


def until(true: Any) -> None:
    end = time.monotonic() + 300
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_nodes_that_would_judge_differently_are_excluded_and_named(
    pool: RayPool, cluster: Any, executor: Executor, tmp_path: Path, capfd: pytest.CaptureFixture[str], cache: Path
) -> None:
    package = tmp_path / "old" / "pie_bench"
    shutil.copytree(PACKAGE_DIR, package, ignore=shutil.ignore_patterns("__pycache__", "mini"))
    init = package / "__init__.py"
    init.write_text(init.read_text().replace(f'"{pie_bench.__version__}"', '"0.0.1"'))
    no_roots = {"PIE_BENCH_ROOTS": str(tmp_path)}
    odd = [
        add(cluster, "old", env_vars={"PYTHONPATH": str(package.parent)}),
        add(cluster, "rootless", env_vars=no_roots),
    ]
    tests = (TestCase("0", b"2\n", b"4\n"), TestCase("1", b"5\n", b"10\n"))
    jobs = [
        Job(Candidate("p", "candidate", index, code), lambda: tests)
        for index, code in enumerate((DOUBLE, "int main(){}"))
    ]
    try:
        there = sorted(pool.map_unordered(executor, jobs), key=lambda verdict: verdict.sample_index)
        said = capfd.readouterr().err
        assert "node old (" in said
        assert f"it has pie_bench 0.0.1, not {pie_bench.__version__}" in said
        assert "node rootless (" in said
        assert "the root file system is not built yet; build it: pie-bench environment build" in said
        assert main(["doctor", "--ray", cluster.address]) == 1
        said = capfd.readouterr().out
        # by pattern: Ray's own library may write to the same descriptor
        labels = {name: label for label, name in re.findall(r"^(ok|odd) +node (\w+) \(", said, re.MULTILINE)}
        for name in ("three", "four"):  # of the test before: the cluster may still be taking leave of them
            labels.pop(name, None)
        assert labels == {"one": "ok", "two": "ok", "old": "odd", "rootless": "odd"}
    finally:
        for node in odd:
            cluster.remove_node(node)
    assert [verdict.outcome for verdict in there] == ["ok", "wrong_output"]
    sums = [verdict.binary_sha256 for verdict in there if verdict.outcome == "ok"]
    assert pool.cpu_seconds() > 0
    store = MeasurementStore(tmp_path / "measurements.sqlite")
    kept = executor._workshop.store
    assert kept.path == store.path, "the driver's"
    assert there == [executor(job) for job in jobs], "as here, and nothing is measured again"
    assert sums


def test_no_usable_node_is_an_error(pool: RayPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pie_bench, "__version__", "99.0")
    with pytest.raises(UserError, match=r"no node of the cluster can be used: one \(.*it has pie_bench 0.* two \("):
        list(pool.map_unordered(abs, [1]))


def test_a_killed_driver_resumes_where_it_was(
    cluster: Any, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--task", "pie_instruct", "--model", "reference", "--limit", "1", "--samples", "1"]
    assert main(["run", *options, "--run-dir", str(tmp_path / "local")]) == 0
    there = tmp_path / "ray"
    command = [sys.executable, "-m", "pie_bench.cli", "run", *options, "--run-dir", str(there)]
    command += ["--pool", "ray", "--ray-address", cluster.address, "--workers", "1"]
    environment = os.environ | {"PIE_BENCH_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as driver:
        until(lambda: driver.poll() is not None or (there / "verdicts.jsonl").exists())
        driver.kill()
    before = len(read_jsonl(there / "verdicts.jsonl"))
    assert before < 3
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert (there / "results.json").read_bytes() == (tmp_path / "local" / "results.json").read_bytes()
    assert json.loads((there / "manifest.json").read_text())["cpu_seconds"] > 1
    assert len(read_jsonl(there / "verdicts.jsonl")) == 3


def test_wrong_options_are_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["run", "--task", "pie_instruct", "--model", "reference", "--limit", "1", "--dry-run"]
    assert main([*options, "--ray-address", "127.0.0.1:1"]) == 2
    assert "--ray-address 127.0.0.1:1: is for --pool ray" in capsys.readouterr().err
    assert main([*options, "--pool", "ray", "--ray-address", "ray://127.0.0.1:1"]) == 2
    assert "Ray's client is not enough; run this on a node of the cluster" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*options, "--pool", "ray"]) == 2
    assert "Ray is not installed; pip install 'pie_bench[ray]'" in capsys.readouterr().err
