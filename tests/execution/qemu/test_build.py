"""The plugin is compiled by the pinned compiler, the same wherever it is compiled."""

from __future__ import annotations

import pytest

from pie_bench.errors import UserError
from pie_bench.execution.environment import Environment
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.qemu import build


def test_compiling_again_gives_the_same_bytes(ruler: Environment, sandbox: Sandbox):
    again = build.compile_plugin(ruler.spec, ruler.found.handle.tools, sandbox)
    assert again == ruler.found.handle.plugin.read_bytes()


def test_another_source_is_another_environment(ruler: Environment, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build, "source_sums", lambda isa: {"plugin.cpp": "0"})
    with pytest.raises(UserError, match="pie-bench environment build skylake"):
        build.find_ruler(ruler.spec, ruler.root)
