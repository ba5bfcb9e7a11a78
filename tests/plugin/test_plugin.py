"""Plug-ins from an installed package: one of each kind runs; broken and clashing ones are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugin.conftest import Command, install

OWN = {"package": "pie-bench-example", "version": "1.2"}


@pytest.mark.slow
def test_a_run_with_one_of_each(pie_bench: Command, tmp_path: Path) -> None:
    done = pie_bench(
        *("run", "--task", "example_sums", "--model", "copy", "--model-args", "what=example"),
        *("--environment", "skylake", "--run-dir", "run"),
        PIE_BENCH_CACHE=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["metrics"]["percent_twice_as_fast"]["best@1"] == 100.0, "the example's answer is right here too"
    assert results["model_resolved"] == "pie_bench_example.models:Copy pie-bench-example 1.2"
    assert results["examples"]["encoder"] == "letters"
    assert results["dataset"] == "sums"
    assert results["versions"]["pie-bench-example"] == "1.2"
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["plugins"] == [
        {"kind": "datasets", "name": "sums"} | OWN,
        {"kind": "encoders", "name": "letters"} | OWN,
        {"kind": "metrics", "name": "percent_twice_as_fast"} | OWN,
        {"kind": "models", "name": "copy"} | OWN,
    ]
    again = pie_bench("report", "run")
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_an_environment_a_simulator_and_a_sandbox_of_another_package(
    pie_bench: Command, tiny: Path, tmp_path: Path
) -> None:
    done = pie_bench(
        *("run", "--task", "pie_instruct", "--model", "reference", "--dataset", str(tiny), "--samples", "1"),
        *("--environment", "skylake-o1", "--sandbox", "first-that-works", "--run-dir", "run"),
        PIE_BENCH_CACHE=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["environment"] == "skylake-o1"
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["plugins"] == [
        {"kind": "environments", "name": "skylake-o1"} | OWN,
        {"kind": "simulators", "name": "patient"} | OWN,
        {"kind": "sandboxes", "name": "first-that-works"} | OWN,
    ]


def test_lists_name_them(pie_bench: Command) -> None:
    tasks = json.loads(pie_bench("tasks", "--json").stdout)["tasks"]
    (own,) = (task for task in tasks if task["name"] == "example_sums")
    assert (own["strategy"], own["k"], own["encoder"]) == ("retrieval", 1, "letters")
    assert Path(own["folder"]).name == "tasks" and "pie_bench_example" in own["folder"]
    models = json.loads(pie_bench("models", "--json").stdout)["models"]
    (own,) = (model for model in models if model["name"] == "copy")
    assert own["plugin"] == {"kind": "models", "name": "copy"} | OWN


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "copi"), "unknown model 'copi'; did you mean copy"),
        (("--model", "copy", "--model-args", "wat=x"), "unknown copy argument 'wat'; did you mean what"),
        (("--model", "pie_bench_example.models:Paste"), "has no attribute 'Paste'"),
        (("--model", "pie_bench_example.metrics:PERCENT_TWICE_AS_FAST"), "expected a class with generate(requests)"),
        (
            ("--model", "nowhere.models:Model"),
            "there is no module nowhere.models; install it, or run in the folder with it",
        ),
        (("--model", "copy", "--encoder", "leters"), "unknown encoder 'leters'; did you mean letters"),
        (("--model", "copy", "--dataset", "sum"), "unknown dataset 'sum'; did you mean sums"),
    ],
)
def test_mistakes_are_reported_before_a_model_is_asked(
    pie_bench: Command, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = pie_bench("run", "--task", "example_sums", "--environment", "skylake", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert message in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_model_by_import_string_from_the_current_folder(pie_bench: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import pie_bench\n"
        "class Silent:\n"
        "    def generate(self, requests):\n"
        "        for request in requests:\n"
        "            for index in request.sample_indices:\n"
        "                yield pie_bench.Completion(request.pair_id, index, '', 'stop')\n"
    )
    done = pie_bench(
        *("generate", "--task", "pie_instruct", "--model", "mine:Silent", "--limit", "1", "--samples", "1"),
        *("--environment", "skylake", "--run-dir", "run"),
        PIE_BENCH_CACHE=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    (plugin,) = manifest["plugins"]
    assert plugin["package"] == "mine" and plugin["version"].startswith("sha256:")
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text() + "# changed\n")
    done = pie_bench(
        *("generate", "--task", "pie_instruct", "--model", "mine:Silent", "--limit", "1", "--samples", "1"),
        *("--environment", "skylake", "--run-dir", "run"),
        PIE_BENCH_CACHE=str(tmp_path / "cache"),
    )
    assert done.returncode == 2 and "its answers came from mine:Silent mine sha256:" in done.stderr


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A package whose model cannot be imported, and whose encoder has the same name as the example's."""
    package = tmp_path / "source" / "broken"
    package.mkdir(parents=True)
    (package / "broken_plugin.py").write_text("import a_package_that_is_not_there\n")
    (package / "pyproject.toml").write_text(
        "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n"
        "[project]\nname = 'broken'\nversion = '0.3'\n[tool.setuptools]\npy-modules = ['broken_plugin']\n"
        "[project.entry-points.'pie_bench.models']\nfragile = 'broken_plugin:Model'\n"
        "[project.entry-points.'pie_bench.encoders']\nletters = 'broken_plugin:Letters'\n"
    )
    return install(package, tmp_path / "build", tmp_path / "broken-installed")


def test_a_broken_plugin_is_named_with_its_package_and_so_are_two_of_one_name(pie_bench: Command, broken: Path) -> None:
    run = ("run", "--environment", "skylake")
    done = pie_bench(*run, "--task", "pie_instruct", "--model", "fragile", also=(broken,))
    assert done.returncode == 2
    assert (
        "model fragile of package broken 0.3: ModuleNotFoundError: No module named 'a_package_that_is_not_there'; "
        "update it, or uninstall it: pip uninstall broken" in done.stderr
    )
    done = pie_bench(*run, "--task", "example_sums", "--model", "copy", also=(broken,))
    assert done.returncode == 2
    assert "encoder letters: packages " in done.stderr and "both register this name" in done.stderr
    assert "pie-bench-example 1.2" in done.stderr and "broken 0.3" in done.stderr
    assert (
        pie_bench(*run, "--task", "pie_instruct", "--model", "reference", "--dry-run", also=(broken,)).returncode == 0
    )
