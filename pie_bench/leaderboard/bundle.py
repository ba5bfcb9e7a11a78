"""A bundle: a run in one file, for others to check. The same run always gives the same bytes.

A zip with exactly these members: the entry, the run's manifest (without the command line and the machine's name),
generations and verdicts (the last for each program, in order), the guards' findings and the verdicts on stress inputs
if the run has any, results, and the checksums of all these.
"""

from __future__ import annotations

import json
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pie_bench.errors import UserError
from pie_bench.execution.sandbox.choose import MECHANISMS
from pie_bench.hashing import file_sha256, sha256
from pie_bench.leaderboard.entry import Entry, entry_of, read_entry, strict_json
from pie_bench.plain import public_model, public_name
from pie_bench.run.generation import Generation
from pie_bench.run.manifest import Manifest
from pie_bench.run.results import Results
from pie_bench.run.run import Run
from pie_bench.stages.plan import Plan, plan_of
from pie_bench.stages.score import judged_on_stress

SUMS = "SHA256SUMS"
# In this order. Bytes: far more than a run of the whole test set needs (978 pairs, 8 samples, 104 tests: 200 MB).
LIMITS = {
    "entry.json": 4 << 20,
    "generations.jsonl": 512 << 20,
    "guards.jsonl": 64 << 20,
    "manifest.json": 4 << 20,
    "results.json": 32 << 20,
    "stress.jsonl": 64 << 20,
    "verdicts.jsonl": 512 << 20,
    SUMS: 4096,
}
GUARDS, STRESS = "guards.jsonl", "stress.jsonl"
_OPTIONAL = (GUARDS, STRESS)  # present if `pie-bench guard` was run, and if the run was judged on stress inputs
_MAX_RATIO = 300  # our text compresses 10 to 30 times; far more indicates a zip bomb
_MAX_LINE = 8 << 20
MANIFEST_MEMBERS = (
    *("schema_version", "settings", "identity", "generation", "execution", "provider", "created", "versions"),
    *("cpu_seconds", "kill_rates", "stress"),
)


@dataclass(frozen=True)
class Bundle:
    """An unpacked bundle whose checksums all match. `run` reads like the run's own folder."""

    path: Path
    sha256: str
    entry: Entry
    run: Run

    @property
    def manifest(self) -> Manifest:
        return self.run.read_manifest()


def pack(run: Run, path: Path | None = None, **provenance: Any) -> Path:
    """Writes the bundle of a finished run to `path` (default: in its folder, named after the entry); returns the path.

    UserError for a run that cannot be submitted: unfinished, with infrastructure errors, without a usable pair, made
    without a sandbox, or with the user's own task.
    """
    plan, results = plan_of(run), run.read_results()
    if results.infra_errors:
        raise UserError(f"{run.path}: {results.infra_errors} executions failed on our side; run the command again")
    if not results.n_pairs:
        raise UserError(f"{run.path}: no usable pair, nothing to submit")
    if results.sandbox not in MECHANISMS:
        raise UserError(f"{run.path}: sandbox: run with {results.sandbox!r}, which proves nothing; run it in a sandbox")
    if results.answered_prompts != "these":
        said = "were given to other prompts" if results.answered_prompts == "other" else "do not say what they answered"
        raise UserError(f"{run.path}: answers {said}: nobody can check them; replay answers with their prompts' hashes")
    if plan.settings.include_path is not None:
        raise UserError(f"{run.path}: task {plan.task.task} is your own; submit the task to the project first")
    manifest = {name: value for name, value in run.read_manifest().to_json().items() if name in MANIFEST_MEMBERS}
    manifest["settings"] = manifest["settings"] | {"model_args": results.model_args}  # the others are private
    if results.stress is None:  # not, or not completely, judged on stress inputs
        manifest.pop("stress", None)
    manifest, results = _public(manifest, results, plan)
    entry = entry_of(results, run.read_manifest(), adapter=plan.model.adapter, **provenance)
    members = {
        "entry.json": _text(entry.model_dump(mode="json")),
        "generations.jsonl": _lines(_wanted(run.read_generations(), plan)),
        **({GUARDS: run.guards_path.read_bytes()} if run.guards_path.exists() else {}),
        "manifest.json": _text(manifest),
        "results.json": _text(results.model_dump(mode="json")),
        **({STRESS: _lines(_on_stress(run))} if results.stress is not None else {}),
        "verdicts.jsonl": _lines(v.to_json() for _, v in sorted(run.read_verdicts().items())),
    }
    path = path or run.path / f"{Path(entry.file_name).stem}.zip"
    write_bundle(path, members)
    return path


def _public(manifest: dict[str, Any], results: Results, plan: Plan) -> tuple[dict[str, Any], Results]:
    """Both, with local paths removed from names."""
    local = plan.model.adapter == "replay" or results.model_resolved.startswith("sha256:")
    model = public_model(results.model, results.model_resolved, is_path=local and ":" in results.model)
    arguments = {name: public_name(value) for name, value in results.model_args.items()}
    identity = manifest["identity"] | {"model": model} | ({"model_args": arguments} if arguments else {})
    settings = manifest["settings"] | {"model": model, "model_args": arguments}
    named = results.model_copy(update={"model": model, "model_args": arguments})
    return manifest | {"identity": identity, "settings": settings}, named


def write_bundle(path: Path, members: Mapping[str, bytes]) -> None:
    """Writes members and their checksums, in order, without dates. UserError if the file cannot be written."""
    sums = "".join(f"{sha256(data)}  {name}\n" for name, data in members.items())
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, data in {**members, SUMS: sums.encode()}.items():
                info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
                archive.writestr(info, data, compresslevel=9)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); give another --out") from None


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """The bundle unpacked into a temporary folder.

    UserError, naming the member, for anything that `pack` does not write: nothing is unpacked before the names, types
    and sizes of all members are checked, and nothing is read past a limit.
    """
    with TemporaryDirectory(prefix="pie_bench-bundle-") as folder:
        _unpack(path, Path(folder))
        entry = read_entry((Path(folder) / "entry.json").read_bytes(), f"{path}: entry.json")
        yield Bundle(path, file_sha256(path), entry, Run(folder))


def records(bundle: Bundle, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A JSONL member's records, each with its file and line for messages. UserError for anything else."""
    with (bundle.run.path / name).open("rb") as file:
        number = 0
        while line := file.readline(_MAX_LINE):
            number += 1
            where = f"{bundle.path}: {name}:{number}"
            if len(line) == _MAX_LINE and not line.endswith(b"\n"):
                raise UserError(f"{where}: longer than any record ({_MAX_LINE >> 20} MB)")
            if not line.endswith(b"\n"):
                raise UserError(f"{where}: the line has no end")
            record = strict_json(line, where)
            if not isinstance(record, dict):
                raise UserError(f"{where}: not a record")
            yield where, record


def _unpack(path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(path, members)
            for member in members:
                with archive.open(member) as source, (folder / member.filename).open("wb") as target:
                    left = LIMITS[member.filename]
                    while data := source.read(1 << 20):
                        left -= len(data)
                        if left < 0:
                            raise UserError(f"{path}: {member.filename}: larger than its header says")
                        target.write(data)
    except FileNotFoundError:
        raise UserError(f"{path}: no such bundle; make one: pie-bench leaderboard submit RUN_DIR") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise UserError(f"{path}: not a usable zip file: {error}") from None
    names = [name for name in LIMITS if name != SUMS and (folder / name).exists()]
    sums = "".join(f"{file_sha256(folder / name)}  {name}\n" for name in names)
    found = (folder / SUMS).read_bytes()
    if found != sums.encode():
        wrong = [line.split()[-1] for line in sums.splitlines() if line.encode() not in found.splitlines()]
        raise UserError(f"{path}: {SUMS}: the checksum of {wrong[0] if wrong else 'something else'} is wrong")


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for member in members[: len(LIMITS) + 1]:
        name = member.filename
        if name not in LIMITS:
            raise UserError(f"{path}: {name!r}: not a file of a bundle")
        if name in seen:
            raise UserError(f"{path}: {name}: appears twice")
        seen.add(name)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or member.flag_bits & 1:
            raise UserError(f"{path}: {name}: not a plain file")
        if member.file_size > LIMITS[name]:
            raise UserError(f"{path}: {name}: {member.file_size} bytes, more than any run needs ({LIMITS[name]})")
        if member.file_size > _MAX_RATIO * max(member.compress_size, 1 << 12):
            raise UserError(f"{path}: {name}: {member.compress_size} bytes that become {member.file_size}: a bomb")
    for name in LIMITS:
        if name not in seen and name not in _OPTIONAL:
            raise UserError(f"{path}: {name}: is missing")


def _wanted(generations: Mapping[tuple[str, int], Generation], plan: Plan) -> Iterable[Mapping[str, Any]]:
    wanted = {(pair.pair_id, index) for pair in plan.pairs for index in range(plan.task.sampling.n)}
    return (record.to_json() for key, record in sorted(generations.items()) if key in wanted)


def _on_stress(run: Run) -> Iterable[Mapping[str, Any]]:
    wanted = set(judged_on_stress(run.read_manifest().stress, run.read_verdicts(with_tests=False)))
    found = sorted(run.read_verdicts(stress=True).items())
    return (verdict.to_json() for key, verdict in found if key in wanted)


def _text(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def _lines(values: Iterable[Mapping[str, Any]]) -> bytes:
    # ASCII: an answer may hold a lone surrogate, which UTF-8 cannot encode.
    return b"".join(json.dumps(value, sort_keys=True, allow_nan=False).encode() + b"\n" for value in values)
