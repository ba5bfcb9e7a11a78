"""The two kinds of failure a user meets: theirs (exit code 2, one line) and ours (exit code 1)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PieBenchError(Exception):
    """Something went wrong on our side; the message is one line that names the thing and the remedy."""

    exit_code = 1


class UserError(PieBenchError):
    """The input is wrong: file, line or id, what is wrong and the remedy, in one line."""

    exit_code = 2


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """An error for a name that does not exist, with the closest known ones (all of them when few are known)."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names)}"
    return UserError(f"unknown {kind} {name!r}; {hint}")
