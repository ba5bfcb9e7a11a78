""" "Verified" is a reviewer's signature: nobody else can give it, and what was signed cannot be changed."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pie_bench.cli.main import main
from pie_bench.errors import UserError
from pie_bench.leaderboard.board import put, read_entries
from pie_bench.leaderboard.entry import Entry, Verification
from pie_bench.leaderboard.signing import Signer, check_signature, make_key, read_reviewers, signed, signer
from pie_bench.run.files import write_json
from tests.leaderboard.conftest import list_reviewers
from tests.leaderboard.test_board import FIELDS
from tests.leaderboard.test_entry import made


@pytest.fixture
def by(tmp_path: Path) -> Signer:
    """A reviewer whom the leaderboard in `tmp_path` lists."""
    list_reviewers(tmp_path, {"a reviewer": make_key(tmp_path / "key")})
    return signer(tmp_path / "key", tmp_path)


def verified(by: Signer, **changes: Any) -> Entry:
    """An entry that says of itself what a reviewer signed, changed afterwards."""
    return made().model_copy(update={"status": "verified", "verification": signed(FIELDS, made(), by)} | changes)


def with_verification(entry: Entry, **changes: Any) -> Entry:
    assert entry.verification is not None
    return entry.model_copy(update={"verification": entry.verification.model_copy(update=changes)})


def another(tmp_path: Path) -> Signer:
    """Somebody with a key that no leaderboard lists."""
    list_reviewers(tmp_path / "own", {"a reviewer": make_key(tmp_path / "own.key")})
    return signer(tmp_path / "own.key", tmp_path / "own")


def flipped(signature: str) -> str:
    raw = bytearray(base64.b64decode(signature))
    raw[3] ^= 1
    return base64.b64encode(raw).decode()


def test_a_reviewers_signature_holds(tmp_path: Path, by: Signer) -> None:
    path = put(verified(by), tmp_path)
    assert read_entries(tmp_path)[path.name].status == "verified"
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


FORGED: dict[str, tuple[Callable[[Signer, Path], Entry], str]] = {
    "unknown key": (lambda by, tmp_path: verified(another(tmp_path)), "verification.key: reviewers.json does not list"),
    "a changed figure": (
        lambda by, _: verified(by, cost_usd=0.01),
        "verification.entry_sha256: the entry was edited after it was verified",
    ),
    "a signature of another bundle": (
        lambda by, _: with_verification(verified(by), bundle_sha256="c" * 64),
        "verification.signature: not a reviewer's",
    ),
    "a signature of another entry": (
        lambda by, _: verified(by, model="gpt-7"),
        "verification.entry_sha256: the entry was edited after it was verified",
    ),
    "a listed key under another name": (
        lambda by, _: with_verification(verified(by), by="somebody famous"),
        "verification.by: the key is a reviewer's",
    ),
    "a listed key with a signature of another": (
        lambda by, tmp_path: with_verification(verified(another(tmp_path)), key=by.reviewer.key),
        "verification.signature: not a reviewer's",
    ),
    "a bit of the signature": (
        lambda by, _: with_verification(
            (entry := verified(by)),
            signature=flipped((entry.verification or by).signature),  # type: ignore[union-attr]
        ),
        "verification.signature",
    ),
    "more programs measured": (lambda by, _: with_verification(verified(by), programs=("p", "q")), "signature"),
    "another seed": (lambda by, _: with_verification(verified(by), seed="1"), "signature"),
    "another environment": (lambda by, _: with_verification(verified(by), environment_id="0" * 64), "signature"),
    "flagged answers left out": (lambda by, _: with_verification(verified(by), guards_checked=99), "signature"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_verification_is_refused(name: str, tmp_path: Path, by: Signer) -> None:
    forge, message = FORGED[name]
    entry = forge(by, tmp_path)
    with pytest.raises(UserError, match=message):
        check_signature(entry, read_reviewers(tmp_path), "x.json")
    path = put(made(), tmp_path)
    write_json(path, entry.model_dump(mode="json"))
    for option in ([], ["--check"]):
        assert main(["leaderboard", "rebuild", *option, "--leaderboard", str(tmp_path)]) == 2


def test_nobody_verifies_a_run_of_their_own(tmp_path: Path) -> None:
    list_reviewers(tmp_path, {"Some Body": make_key(tmp_path / "key")})
    with pytest.raises(UserError, match="submitted this run: another reviewer"):
        signed(FIELDS, made(), signer(tmp_path / "key", tmp_path))


def test_a_hand_edited_number_is_found(tmp_path: Path, by: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    """Any changed number in a verified entry; in others, one that contradicts the rest of the entry."""
    for entry, where in (
        (verified(by), "verification.entry_sha256|metrics.speedup"),
        (made(), "metrics.speedup.best@1"),
    ):
        board = tmp_path / entry.status
        list_reviewers(board, {"a reviewer": by.reviewer.key})
        path = put(entry, board)
        assert main(["leaderboard", "rebuild", "--check", "--leaderboard", str(board)]) == 0
        raw = json.loads(path.read_text())
        raw["metrics"]["speedup"]["best@1"] = 9.5
        write_json(path, raw)
        capsys.readouterr()
        assert main(["leaderboard", "rebuild", "--check", "--leaderboard", str(board)]) == 2
        assert where.split("|")[-1] in capsys.readouterr().err


def test_a_key_is_made_once_and_has_to_be_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    assert main(["leaderboard", "key", str(key)]) == 0
    assert "public key:  " in capsys.readouterr().out
    assert main(["leaderboard", "key", str(key)]) == 2
    assert main(["leaderboard", "verify", "x.zip", "--key", str(key), "--leaderboard", str(tmp_path)]) == 2
    assert "does not list its public key" in capsys.readouterr().err.splitlines()[-1]
    key.write_text("-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(UserError, match="not an Ed25519 key"):
        signer(key, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "broken JSON"),
        ('{"reviewers": 3}', "reviewers: "),
        ('{"reviewers": [{"name": "x", "key": "abc"}]}', "reviewers.0.key: "),
        ('{"reviewers": [{"name": "x", "key": "%s"}, {"name": "y", "key": "%s"}]}', "a key is listed twice"),
    ],
)
def test_a_broken_list_of_reviewers_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "reviewers.json").write_text(text.replace("%s", "A" * 43 + "="))
    with pytest.raises(UserError, match=f"reviewers.json.*{message}"):
        read_reviewers(tmp_path)


def test_no_verification_is_read_without_its_signature(tmp_path: Path, by: Signer) -> None:
    raw = signed(FIELDS, made(), by).model_dump(mode="json")
    del raw["signature"]
    with pytest.raises(ValueError, match="signature"):
        Verification.model_validate(raw)
