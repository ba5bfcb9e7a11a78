"""Everything that can be chosen by name, of every kind: built in or from plug-ins.

A name maps to an import string, `package.module:Object`; nothing is imported before it is used. Plug-in packages add
names by entry points, in one group per kind (`pie_bench.models`, `pie_bench.metrics`, …); docs/plugins.md shows how.
Wherever a name is expected, an import string works too.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

from pie_bench.errors import UserError, unknown_name
from pie_bench.hashing import file_sha256

Kind = Literal["models", "metrics", "encoders", "simulators", "environments", "sandboxes", "tasks", "datasets"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PACKAGE = "pie_bench"

# Adding a built-in takes one file and one line here.
BUILT_IN: Mapping[Kind, Mapping[str, str]] = {
    "models": {  # adapters: subclasses of ModelEntry
        "hf": "pie_bench.models.hf:HfEntry",
        "llama_cpp": "pie_bench.models.llama_cpp:LlamaCppEntry",
        "openai": "pie_bench.models.openai:OpenAIEntry",
        "reference": "pie_bench.models.reference:ReferenceEntry",
        "replay": "pie_bench.models.replay:ReplayEntry",
        "vllm": "pie_bench.models.vllm:VllmEntry",
    },
    "metrics": dict.fromkeys(
        (
            *("percent_optimized", "speedup", "percent_correct", "speedup_geometric", "speedup_harmonic"),
            *("speedup_unfloored", "speedup_unfloored_geometric", "speedup_unfloored_harmonic"),
            *(f"percent_optimized_{threshold}" for threshold in ("1.25", "1.5", "2", "3", "5", "10")),
            *("fastest_over_human", "percent_faster_than_human"),
        ),
        "pie_bench.metrics.best_at_k:METRICS",  # a mapping of all metrics by name
    ),
    "encoders": {  # called with corpus and folder; `NAME:MODEL` also with the model
        "codebert-cpp": "pie_bench.prompting.neural:codebert_cpp",
        "st": "pie_bench.prompting.neural:sentence_transformers",
        "tfidf": "pie_bench.prompting.encoders:TfidfEncoder",
    },
    "simulators": {
        "gem5": "pie_bench.execution.simulators.gem5.kind:Gem5Kind",
        "qemu": "pie_bench.execution.simulators.qemu.kind:QemuKind",
    },
    "environments": {},
    "sandboxes": {  # in order of preference
        "bubblewrap": "pie_bench.execution.sandbox.bubblewrap:BubblewrapSandbox",
        "landlock": "pie_bench.execution.sandbox.landlock:LandlockSandbox",
        "container": "pie_bench.execution.sandbox.container:ContainerSandbox",
    },
    "tasks": {},
    "datasets": {},
}

_WORD = r"[^\W\d]\w*"
_IMPORT_STRING = re.compile(rf"({_WORD}(?:\.{_WORD})*):({_WORD}(?:\.{_WORD})*)")


@dataclass(frozen=True)
class Registered:
    """A named object of some kind, not imported yet. `package` is its distribution, by pip's name (for an import string
    outside any installed package: its top-level module)."""

    kind: Kind
    name: str
    target: str
    package: str
    version: str

    @property
    def built_in(self) -> bool:
        return self.package == PACKAGE

    def load(self) -> Any:
        """Imports the object. Raises UserError, naming the package, if that fails."""
        module_name, _, attribute = self.target.partition(":")
        try:
            value: Any = importlib.import_module(module_name)
            for part in filter(None, attribute.split(".")):
                value = getattr(value, part)
        except Exception as error:
            if self.built_in:
                raise
            raise self.broken(f"{type(error).__name__}: {error}") from error
        return value

    def broken(self, what: str) -> UserError:
        """An error that says `what` is wrong with it, and whose it is."""
        whose = f"of package {self.package} {self.version}".rstrip() if self.name != self.target else ""
        remedy = f"update it, or uninstall it: pip uninstall {self.package}" if whose else "fix it"
        return UserError(f"{_one(self.kind)} {' '.join(filter(None, (self.name, whose)))}: {_line(what)}; {remedy}")


def registered(kind: Kind) -> dict[str, Registered]:
    """All named objects, sorted by name. UserError, naming both packages, if two register the same name."""
    found = {name: _own(kind, name) for name in BUILT_IN[kind]}
    for added in _from_other_packages(kind):
        if added.name in found:
            raise _clash(found[added.name], added)
        found[added.name] = added
    return dict(sorted(found.items()))


def find(kind: Kind, name: str, *, also: Mapping[str, object] | None = None) -> Registered:
    """Resolves a name or an import string. Plug-ins are only looked up if the name is not built in.

    `also` has further valid names, for suggestions in the error. Raises UserError for an unknown name, one that two
    packages register, or an import string whose module does not exist.
    """
    found = find_if_there(kind, name)
    module_name = name.partition(":")[0]
    if found is None and is_import_string(name) and "." in module_name:
        raise UserError(
            f"{_one(kind)} {name}: there is no module {module_name}; install it, or run in the folder with it"
        )
    if found is None:
        raise unknown_name(_one(kind), name, {*registered(kind), *(also or ())})
    return found


def find_if_there(kind: Kind, name: str) -> Registered | None:
    """Like `find`, but None for an unknown name or an import string whose module does not exist."""
    if name in BUILT_IN[kind]:
        return _own(kind, name)
    added = [each for each in _from_other_packages(kind) if each.name == name]
    if len(added) > 1:
        raise _clash(*added[:2])
    if added:
        return added[0]
    return _imported(kind, name) if is_import_string(name) else None


def load(kind: Kind, name: str) -> Any:
    """`find` followed by `Registered.load`."""
    return find(kind, name).load()


def is_import_string(name: str) -> bool:
    """Whether it has the form `package.module:Object`; only `find` tells whether the object exists."""
    return _IMPORT_STRING.fullmatch(name) is not None


def folders(kind: Kind) -> dict[Path, Registered]:
    """The folders added by plug-ins: their entry points name a package (meaning its folder), or a path.

    Raises UserError for one that cannot be imported, or is not a folder.
    """
    found: dict[Path, Registered] = {}
    for added in registered(kind).values():
        if not added.built_in:
            path = path_of(added)
            if not path.is_dir():
                raise added.broken(f"{path} is no folder")
            found[path] = added
    return found


def path_of(added: Registered, value: Any = None) -> Path:
    """The file or folder that it stands for; UserError if it is neither a path nor a package."""
    value = added.load() if value is None else value
    if isinstance(value, ModuleType) and getattr(value, "__path__", None):
        return Path(next(iter(value.__path__)))
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    raise added.broken(f"expected a path or a package, found {type(value).__name__}")


def provenance(kind: Kind, name: str) -> dict[str, str] | None:
    """The entry in results for a plug-in that was used: kind, name, package and version. None for built-ins.

    Without an installed package, `version` is "sha256:…", the hash of the file that defines it.
    """
    found = find_if_there(kind, name)
    if found is None or found.built_in:
        return None
    return {"kind": kind, "name": name, "package": found.package, "version": found.version}


def _own(kind: Kind, name: str) -> Registered:
    return Registered(kind, name, BUILT_IN[kind][name], PACKAGE, "")


def _from_other_packages(kind: Kind) -> Sequence[Registered]:
    return _declared(kind, tuple((folder, _changed(folder)) for folder in sys.path))


def _changed(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


@functools.lru_cache(maxsize=32)
def _declared(kind: Kind, installed: tuple[tuple[str, int], ...]) -> Sequence[Registered]:
    """What the packages in these folders (with when they changed) declare: one command asks again and again."""
    from importlib import metadata

    found = []
    for point in sorted(metadata.entry_points(group=f"{PACKAGE}.{kind}"), key=lambda point: (point.name, point.value)):
        distribution = point.dist
        package = distribution.metadata["Name"] if distribution is not None else point.value.split(".")[0]
        version = distribution.version if distribution is not None else ""
        found.append(Registered(kind, point.name, point.value.split("[")[0].strip(), package, version))
    return tuple(found)


def _imported(kind: Kind, name: str) -> Registered | None:
    """Resolves an import string: looks for its module among installed packages, then in the current folder."""
    from importlib import metadata

    module_name = name.partition(":")[0]
    top = module_name.partition(".")[0]
    here = str(Path.cwd())
    if importlib.util.find_spec(top) is None and here not in sys.path:
        sys.path.append(here)  # and leave it there: the module may import its neighbours later, when used
        importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(module_name)
    except ImportError:
        spec = None
    except Exception as error:
        raise UserError(f"{_one(kind)} {name}: {_line(f'{type(error).__name__}: {error}')}; fix it") from error
    if spec is None:
        return None
    for package in metadata.packages_distributions().get(top, []):
        site = Path(str(metadata.distribution(package).locate_file("")))
        if spec.origin is not None and Path(spec.origin).is_relative_to(site):
            return Registered(kind, name, name, package, metadata.version(package))
    path = Path(spec.origin or "")
    return Registered(kind, name, name, top, f"sha256:{file_sha256(path)}" if path.is_file() else "")


def _clash(one: Registered, other: Registered) -> UserError:
    whose = " and ".join(f"{each.package} {each.version}".rstrip() for each in (one, other))
    remedy = f"uninstall one: pip uninstall {other.package}"
    return UserError(f"{_one(one.kind)} {one.name}: packages {whose} both register this name; {remedy}")


def _one(kind: Kind) -> str:
    return {"sandboxes": "sandbox", "tasks": "task"}.get(kind, kind.removesuffix("s"))


def _line(text: str) -> str:
    return " ".join(text.split())
