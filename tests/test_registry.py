"""Names of every kind: the tables lead somewhere, import strings are recognised, mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pie_bench import registry
from pie_bench.errors import UserError
from pie_bench.models.budget import Budget
from pie_bench.models.registry import find_model, load_model
from pie_bench.registry import BUILT_IN, KINDS


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in BUILT_IN[kind]])
def test_every_name_of_the_package_leads_somewhere(kind: registry.Kind, name: str) -> None:
    found = registry.find(kind, name)
    assert found.built_in and found.load() is not None
    assert registry.provenance(kind, name) is None


@pytest.mark.parametrize("name", ["a:B", "a.b:C", "a_1.b:C.d"])
def test_import_strings(name: str) -> None:
    assert registry.is_import_string(name)


@pytest.mark.parametrize("name", ["smollm2", "hf:org/model", "openai:gpt-4o", "a:", ":B", "a.b", "/x.yaml", "1:2"])
def test_invalid_import_strings(name: str) -> None:
    assert not registry.is_import_string(name)


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="unknown sandbox 'bubblwrap'; did you mean bubblewrap"):
        registry.find("sandboxes", "bubblwrap")
    with pytest.raises(UserError, match=r"metric no\.where:M: there is no module no\.where; install it"):
        registry.find("metrics", "no.where:M")
    with pytest.raises(UserError, match=r"metric yaml:Nothing: AttributeError: .*Nothing.*; fix it"):
        registry.load("metrics", "yaml:Nothing")


def test_where_an_import_string_comes_from() -> None:
    found = registry.provenance("models", "yaml:SafeLoader")
    assert found is not None and found["package"] == "PyYAML"


MODULE = """
from __future__ import annotations
import pydantic

class Plain:
    def __init__(self, path: str, times: int = 1, loud: bool = False): self.given = (path, times, loud)
    def generate(self, requests): return iter([])

class WithSettings:
    class Settings(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")
        times: int = pydantic.Field(1, ge=1)
    def __init__(self, settings): self.given = settings.times
    def generate(self, requests): return iter([{"text": "no Completion"}])

class Failing:
    def __init__(self): raise RuntimeError("no GPU")
    def generate(self, requests): ...
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"models_of_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_settings_of_a_class_are_its_constructors_or_its_own(module: str, tmp_path: Path) -> None:
    entry = find_model(f"{module}:Plain", {"path": "x", "times": "3", "loud": "true"})
    model = load_model("mine", entry, {}, tmp_path, Budget())
    assert model._made.given == ("x", 3, True)  # type: ignore[attr-defined]
    assert model.resolved.startswith(f"{module}:Plain {module} sha256:") and model.identity is None
    entry = find_model(f"{module}:WithSettings", {"times": "2"})
    model = load_model("mine", entry, {}, tmp_path, Budget())
    assert model._made.given == 2  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="generate yields dict, expected Completion"):
        list(model.generate([]))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("Plain", {}, "--model-args path: Field required"),
        ("Plain", {"path": "x", "times": "often"}, "--model-args times=often: .*valid integer"),
        ("Plain", {"path": "x", "time": "1"}, "unknown .*argument 'time'; did you mean times"),
        ("WithSettings", {"times": "0"}, "--model-args times=0: .*greater than or equal to 1"),
        ("Failing", {}, "Failing: RuntimeError: no GPU; fix it"),
    ],
)
def test_unknown_settings(module: str, name: str, arguments: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        load_model("mine", find_model(f"{module}:{name}", arguments), {}, tmp_path, Budget())
