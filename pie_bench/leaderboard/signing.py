"""Who may mark an entry `verified`: reviewers, whose Ed25519 keys are in the leaderboard's `reviewers.json`."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from pie_bench.errors import UserError
from pie_bench.hashing import canonical_json, hash_of
from pie_bench.leaderboard.entry import Entry, Line, Verification, strict_json
from pie_bench.plain import same_name
from pie_bench.run.files import first_problem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILE = "reviewers.json"
_SIGNED = b"pie_bench verification 1\n"  # domain separation: the signature is valid for nothing else


class Reviewer(BaseModel):
    """An entry of `reviewers.json`: `key` is the public key, 32 bytes in base64."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reviewers: tuple[Reviewer, ...]


@dataclass(frozen=True)
class Signer:
    """A reviewer with the private key."""

    reviewer: Reviewer
    key: Ed25519PrivateKey


def read_reviewers(leaderboard: Path) -> dict[str, Reviewer]:
    """The reviewers by public key; none if there is no file. UserError, naming file and field."""
    path = leaderboard / FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    strict_json(data, str(path))
    try:
        reviewers = _File.model_validate_json(data).reviewers
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}") from None
    found = {reviewer.key: reviewer for reviewer in reviewers}
    if len(found) != len(reviewers):
        raise UserError(f"{path}: reviewers: a key is listed twice")
    return found


def make_key(path: Path) -> str:
    """Writes a new private key, readable only by its owner; returns the public key. UserError if the file exists."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except OSError as error:
        raise UserError(f"{path}: cannot write a key there ({error.strerror}); give another file") from None
    return _public(key)


def signer(path: Path, leaderboard: Path) -> Signer:
    """The reviewer whose private key is in the file. UserError if it has no key, or if the key is not listed."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; make a key: pie-bench leaderboard key {path}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{path}: not an Ed25519 key; make one: pie-bench leaderboard key FILE")
    reviewer = read_reviewers(leaderboard).get(_public(key))
    if reviewer is None:
        raise UserError(f"{path}: {leaderboard / FILE} does not list its public key, {_public(key)}: have it added")
    return Signer(reviewer, key)


def check_apart(entry: Entry, reviewer: Reviewer) -> None:
    """Raises UserError if a reviewer is about to verify their own run."""
    if entry.submitter is not None and same_name(entry.submitter, reviewer.name):
        raise UserError(f"{reviewer.name} submitted this run: another reviewer has to verify it")


def signed(fields: Mapping[str, Any], entry: Entry, by: Signer) -> Verification:
    """The signed record of what was measured again. UserError if the reviewer is the submitter."""
    check_apart(entry, by.reviewer)
    said = {**fields, "by": by.reviewer.name, "key": by.reviewer.key, "entry_sha256": entry_sha256(entry)}
    unsigned = Verification.model_validate({**said, "signature": base64.b64encode(bytes(64)).decode()})
    signature = base64.b64encode(by.key.sign(_payload(unsigned))).decode()
    return unsigned.model_copy(update={"signature": signature})


def check_signature(entry: Entry, reviewers: Mapping[str, Reviewer], where: str) -> None:
    """Raises UserError, starting with `where`, unless a verified entry is signed, unmodified, by one of the
    reviewers."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    verification = entry.verification
    if verification is None:
        return
    reviewer = reviewers.get(verification.key)
    if reviewer is None:
        raise UserError(f"{where}: verification.key: {FILE} does not list it; only a reviewer verifies")
    if reviewer.name != verification.by:
        raise UserError(f"{where}: verification.by: the key is {reviewer.name}'s, not {verification.by}'s")
    try:
        check_apart(entry, reviewer)
    except UserError as error:
        raise UserError(f"{where}: verification.by: {error}") from None
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(reviewer.key))
        public.verify(base64.b64decode(verification.signature), _payload(verification))
    except (InvalidSignature, ValueError):
        raise UserError(f"{where}: verification.signature: not {reviewer.name}'s signature of this content") from None
    if verification.entry_sha256 != entry_sha256(entry):
        raise UserError(f"{where}: verification.entry_sha256: the entry was edited after it was verified")
    if verification.environment_id != entry.environment_id:
        raise UserError(f"{where}: verification.environment_id: not the entry's")


def entry_sha256(entry: Entry) -> str:
    """The hash of all that an entry says about a run."""
    return hash_of(entry.model_dump(mode="json", exclude={"status", "verification"}))


def _payload(verification: Verification) -> bytes:
    return _SIGNED + canonical_json(verification.model_dump(mode="json", exclude={"signature"})).encode()


def _public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()
