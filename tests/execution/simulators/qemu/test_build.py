"""The plugin is identified by its sources. (test_sandboxes.py: it is the same wherever it is compiled.)"""

from __future__ import annotations

import pytest

from pie_bench.errors import UserError
from pie_bench.execution.environment import Environment
from pie_bench.execution.simulators.qemu import build


def test_a_changed_source_is_another_environment(ruler: Environment, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build, "source_sums", lambda isa: {"plugin.cpp": "0"})
    with pytest.raises(UserError, match="pie-bench environment build skylake"):
        build.find_ruler(ruler.spec, ruler.root)
