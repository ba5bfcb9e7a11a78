"""How bytes and records are damaged: a few small changes to something valid get further than noise."""

import copy
from typing import Any

from hypothesis import strategies as st

_PIECES = (
    *(
        b"",
        b"\0",
        b"\xff\xfe",
        b"\n",
        b'"',
        b"\t",
        b" ",
        b"-1",
        b"1e999",
        b"NaN",
        b"null",
        b"{}",
        b"[]",
        b":",
        b"&a [*a]",
    ),
    *(b"\\ud800", b"9" * 5000, b"[" * 100_000, b"!!int x", b"? [a]\n: b\n", b"\xed\xa0\x80", b"%s", b"../../x"),
)
_VALUES = (
    *(
        None,
        True,
        -1,
        0,
        10**400,
        1e308,
        -0.5,
        "",
        "x",
        "1",
        "\ud800",
        "a\0b",
        "../x",
        [],
        {},
        [None],
        {"x": 1},
        [[[]]],
    ),
    *("9" * 5000, ["a", 1], {"": {}}),
)


@st.composite
def damaged(draw: st.DrawFn, seed: bytes) -> bytes:
    """The bytes with one to four stretches replaced, or the bytes cut off."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(seed)))
        end = start + draw(st.sampled_from([0, 1, 2, 8, 60, len(seed)]))
        seed = seed[:start] + draw(st.sampled_from(_PIECES) | st.binary(max_size=12)) + seed[end:]
    return seed


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """The JSON value with one or two of its parts, at any depth, replaced, removed, renamed or doubled."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        parents: list[tuple[Any, Any]] = []
        _walk(value, parents)
        if not parents:
            return copy.deepcopy(draw(st.sampled_from(_VALUES)))
        parent, key = draw(st.sampled_from(parents))
        how = draw(st.sampled_from(["replace", "replace", "remove", "rename", "double"]))
        if how == "replace":
            parent[key] = copy.deepcopy(draw(st.sampled_from(_VALUES)))
        elif how == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        else:
            taken = parent.pop(key)
            if how == "rename" and isinstance(parent, dict):
                parent[f"{key}x"] = taken
    return value


def _walk(value: Any, parents: list[tuple[Any, Any]]) -> None:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            parents.append((value, key))
            _walk(value[key], parents)
