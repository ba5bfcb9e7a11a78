"""The environment `skylake` as in use: pinned roots, the plugin compiled by the pinned compiler, a real sandbox."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import pytest

from pie_bench.execution.environment import Environment
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.qemu.simulator import QemuSimulator
from pie_bench.execution.toolchain import Toolchain
from pie_bench.run.measurement import Measurement

Compiled = Callable[..., bytes]


@pytest.fixture(scope="session")
def ruler(environment: Environment) -> Environment:
    return environment


@pytest.fixture(scope="session")
def compiled(ruler: Environment, sandbox: Sandbox) -> Compiled:
    """A program of a C++ source text, with further flags."""

    @functools.cache
    def compile_(code: str, *flags: str) -> bytes:
        spec = ruler.spec.toolchain.model_copy(update={"flags": (*ruler.spec.toolchain.flags, *flags)})
        made = Toolchain(spec, ruler.spec.compile_limits, sandbox, ruler.root).compile(code)
        assert made.binary is not None, made.log
        return made.binary

    return compile_


@pytest.fixture
def measured(ruler: Environment, sandbox: Sandbox) -> Callable[..., list[Measurement]]:
    """Measurements of a program: forked, or in one process each with `fork=False`."""

    def measure(binary: bytes, inputs: Sequence[bytes] = (b"1\n", b"2\n"), *, fork: bool = True) -> list[Measurement]:
        return list(QemuSimulator(ruler, sandbox, fork).measure(binary, inputs))

    return measure
