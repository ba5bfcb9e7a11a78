"""Foreign text as people may be shown it: nothing in it is invisible, moves a cursor or passes for something else."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit

# Controls, formats (bidi, zero-width, tags), surrogates, private, unassigned; separators of lines and paragraphs.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters that look like others, or like nothing at all, though their category is not one of those.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\u180b\u180c\u180d")
_SAME = {ord(dash): "-" for dash in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\u2e3a\u2e3b"}
# Scripts with letters that cannot be told from Latin ones.
_LOOK_ALIKE = tuple("CYRILLIC GREEK ARMENIAN CHEROKEE COPTIC LISU OSAGE DESERET GEORGIAN TIFINAGH".split())
_LATIN = re.compile(r"[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0130\u0132-\u0137\u0139-\u017e\u1e00-\u1eff]")
_AT = re.compile(r" at (https?://\S+)")
_ADAPTED = re.compile(r"sha256:[0-9a-f]+ adapted ([A-Za-z0-9._-]+) ")
_LOCAL = re.compile(r"(?:~[^/]*|\.{0,2})/")


def plain(text: str, *, lines: bool = False) -> str:
    """The text with every character that is not seen written out (`\\x1b`, `\\u202e`); with `lines`, line ends and tabs
    stay. Half a surrogate pair is written out too, so the result has bytes in UTF-8."""
    if text.isascii() and text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return text.translate({ord(c): _written(c) for c in set(text).difference(kept) if _is_hidden(c)})


def plain_within(value: Any) -> Any:
    """Every text in a value as JSON has them, `plain` with its lines; keys stay."""
    if type(value) is str:  # not what a template engine has marked as its own
        return plain(value.replace("\r\n", "\n"), lines=True)
    if isinstance(value, dict):
        return {key: plain_within(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_within(each) for each in value]
    return value


def shown_name(text: str) -> str:
    """A name as every table and page shows it: compatibility forms made ordinary (NFKC), one kind of dash and blank,
    and written out (`\\u0430`) what is not seen and what passes for another letter: letters of scripts that look like
    Latin ones in a name that also has Latin letters, or has nothing else; Latin letters of phonetics; stray accents.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = " ".join(unicodedata.normalize("NFKC", text).translate(_SAME).split(" "))
    letters = [c for c in set(text) if unicodedata.category(c)[0] == "L"]
    mixed = any(_LATIN.match(c) for c in letters) or all(_looks_latin(c) for c in letters)

    @functools.cache
    def shown(before: str, c: str) -> str:
        strange = (
            _is_hidden(c)
            or (_looks_latin(c) and mixed)
            or (unicodedata.name(c, "").startswith("LATIN") and not _LATIN.match(c))
            or (unicodedata.name(c, "").startswith("COMBINING") and not _looks_latin(before))
            or unicodedata.category(c) in ("Sk", "Me", "Lm")
        )
        return _written(c) if strange else c

    name = " ".join("".join(map(shown, " " + text, text)).split())
    # Escapes contain Latin letters, next to which other letters may now be look-alikes.
    return name if name == text else shown_name(name)


def same_name(one: str, other: str) -> bool:
    """Whether two names are shown alike, but for capitals and blanks."""
    folded = (re.sub(r"[\s_-]+", "", shown_name(name)).casefold() for name in (one, other))
    return len(set(folded)) == 1


def shown_model(model: str, resolved: str = "", adapter: str | None = None) -> str:
    """A model's name in tables: `model @ host` where not the provider itself but another server answered."""
    name = shown_name(public_model(model, resolved))
    at = _AT.search(resolved)
    if at is not None:
        try:
            host = urlsplit(at[1]).netloc.rpartition("@")[2]
        except ValueError:
            host = ""
        return f"{name} @ {shown_name(host) or 'another server'}"
    label = re.search(r" weights (.+?) prompting ", resolved) if adapter in (None, "openai") else None
    return name if label is None else f"{name} @ a server of {shown_name(label[1])}"


def public_model(model: str, resolved: str, *, is_path: bool = False) -> str:
    """A model's `public_name`. One that `adapt train` exported has a name of its own, which `resolved` tells: base and
    recipe say more than its folder, and every export's folder is called `model`."""
    adapter, colon, _ = model.partition(":")
    adapted = _ADAPTED.match(resolved) if colon else None
    return f"{adapter}:{adapted[1]}" if adapted else public_name(model, is_path=is_path)


def public_name(name: str, *, is_path: bool = False) -> str:
    """A name without the folders of a path on somebody's machine: `hf:/home/me/tuned` is `hf:tuned`. `is_path`: what
    follows the adapter is one, though it may look like a hub's id."""
    adapter, colon, what = name.rpartition(":")
    if not (is_path or _LOCAL.match(what)):
        return name
    return adapter + colon + (what.rstrip("/").rpartition("/")[2].strip("~.") or "local")


def _is_hidden(c: str) -> bool:
    return (
        unicodedata.category(c) in _HIDDEN or c in _BLANK or 0xFE00 <= ord(c) <= 0xFE0F or 0xE0000 <= ord(c) <= 0xE0FFF
    )


def _looks_latin(c: str) -> bool:
    return unicodedata.name(c, "").startswith(_LOOK_ALIKE) and unicodedata.category(c)[0] == "L"


def _written(c: str) -> str:
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
