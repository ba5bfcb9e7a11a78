"""The two kinds of failure a user sees: theirs (exit code 2, one line) and ours (exit code 1)."""

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
    """An error for an unknown name, suggesting similar known ones (or listing all if there are few)."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names)}"
    return UserError(f"unknown {kind} {name!r}; {hint}")
