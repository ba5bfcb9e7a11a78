"""What a dataset is: where its rows and tests lie, and what its columns are called. `pie.yaml` is the published one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from pie_bench.config import Located, Strict
from pie_bench.errors import UserError, unknown_name
from pie_bench.paths import PACKAGE_DIR

DATASETS = ("mini", "pie")
SPLITS = ("train", "val", "test")
HUB = "hf:"
DATA_DIR = PACKAGE_DIR / "data"
REQUIRED_COLUMNS = ("problem_id", "src_id", "tgt_id", "src_code", "tgt_code")
_COLUMNS = (
    *REQUIRED_COLUMNS,
    *("tests", "kind", "rationale", "src_seconds", "tgt_seconds", "src_total_seconds", "tgt_total_seconds"),
)


class Place(Strict):
    """Where something published can be had."""

    what: str
    url: str


class Published(Strict):
    """What is known of the published files: rows and problems a split, sums by file name, where they are."""

    pairs: dict[str, int] = Field(default_factory=dict)
    problems: dict[str, int] = Field(default_factory=dict)
    sha256: dict[str, str] = Field(default_factory=dict)
    places: tuple[Place, ...] = ()


class DatasetSpec(Strict):
    """A dataset's YAML.

    `source` is a folder with a JSON Lines file a split, or `hf:OWNER/NAME`. `tests` is a folder of tests or an archive
    of one; a relative path starts from the source's folder, for a hub dataset from PIE_DATA_DIR.
    """

    dataset: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:./_-]*$")
    source: str
    splits: dict[str, tuple[str, ...]]
    tests: str
    columns: dict[str, tuple[str, ...]]
    published: Published = Published()

    @field_validator("splits", "columns")
    @classmethod
    def _known(cls, value: dict[str, Any], info: Any) -> dict[str, Any]:
        known = SPLITS if info.field_name == "splits" else _COLUMNS
        for key in value:
            if key not in known:
                raise ValueError(str(unknown_name("key", key, known)))
        for key in REQUIRED_COLUMNS if info.field_name == "columns" else ():
            if not value.get(key):
                raise ValueError(f"{key} is missing: say which columns hold it")
        return value

    @property
    def hub_name(self) -> str | None:
        """What `datasets.load_dataset` is asked for; None for files."""
        return self.source.removeprefix(HUB) if self.source.startswith(HUB) else None

    def folder(self) -> Path:
        """Where relative paths start. UserError when it does not exist or PIE_DATA_DIR is needed and not set."""
        source = "$PIE_DATA_DIR" if self.hub_name is not None else self.source
        if source == "$PIE_DATA_DIR":
            source = os.environ.get("PIE_DATA_DIR", "")
            if not source:
                raise UserError(
                    f"dataset {self.dataset}: PIE_DATA_DIR is not set; set it to the folder with PIE's test.jsonl and "
                    "merged_test_cases, or use mini (where to get PIE: pie-bench dataset fetch)"
                )
        folder = Path(source).expanduser().resolve()
        if not folder.is_dir():
            name = f"PIE_DATA_DIR={source}" if self.source == "$PIE_DATA_DIR" else source
            raise UserError(f"dataset {self.dataset}: {name} is not a folder")
        return folder


def load_spec(name: str) -> DatasetSpec:
    """The dataset that `--dataset` names: `mini`, `pie`, `hf:OWNER/NAME`, or a YAML file.

    Raises UserError for an unknown name, and for a file that is not as it should be (file, line, what was expected).
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser().resolve()
        if not path.is_file():
            raise UserError(f"dataset {name}: no such file")
        spec = Located(path, DATA_DIR).validate(DatasetSpec)
        if spec.hub_name is None and not spec.source.startswith(("$", "/", "~")):
            spec = spec.model_copy(update={"source": str(path.parent / spec.source)})
        return spec
    spec = Located(DATA_DIR / "pie.yaml").validate(DatasetSpec)
    if name.startswith(HUB):
        return spec.model_copy(update={"dataset": name, "source": name, "published": Published()})
    if name not in DATASETS:
        raise UserError(f"{unknown_name('dataset', name, DATASETS)} (also: {HUB}OWNER/NAME, or a YAML file)")
    if name == "mini":
        return spec.model_copy(update={"dataset": name, "source": str(DATA_DIR / "mini"), "published": Published()})
    return spec
