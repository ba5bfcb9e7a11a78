"""Removes a model's thinking from its answer, whichever tags its family uses.

Chat templates mark thinking with tags that a server's reasoning parser may or may not have removed. Position decides
what counts as a tag: the same letters in prose, quotes, a comment or a string are only a mention.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

# <think>, <thinking>, <reasoning>, <seed:think>, <|begin_of_thought|>, <|START_THINKING|>, [THINK], ◁think▷, …
_WORDS = r"think|thought|reason|reflect|scratchpad|monologue|analysis|deliberat|inner_prefix|cot_"
# <plan>, <draft>, [OUTLINE], …: these words have other uses too, so only the exact tag counts.
_DRAFTS = r"plan(?:ning)?|draft|brainstorm(?:ing)?|outline|sketch|critique|attempt(?:[_-]?\d)?"
_NAME = rf"(?:[\w▁.:\-]{{0,30}}(?:{_WORDS})[\w▁.:\-]{{0,30}}|cot|{_DRAFTS})"
_ANY_WORD = (
    *_WORDS.split("|"),
    "<cot",
    "unused9",
    "channel",
    *"plan draft brainstorm outline sketch critique attempt".split(),
)
_TAG = re.compile(
    rf"""
      <\|(?P<pipe>/?{_NAME})\|>
    | <｜(?P<wide>/?{_NAME})｜>
    | <(?P<angle>/?{_NAME})(?:[ \t][^<>\n]{{0,200}})?>
    | \[(?P<square>/?(?:THINK|THINKING|REASONING|THOUGHT|THOUGHTS|REASON|ANALYSIS|SCRATCHPAD|REFLECTION|{_DRAFTS}))\]
    | ◁(?P<triangle>/?{_NAME})▷
    | <unused(?P<unused>9[45])>
    | <\|inner_(?P<inner>suffix)\|>
    | <\|channel>[ ]?(?P<channel>thought) | (?P<channel_ends><channel\|>)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CLOSES = re.compile(r"^/|^end|end$|^stop|/$|_suffix", re.IGNORECASE)
_BARE = re.compile(r"^/|(?:begin|start|end|stop|of|prefix|suffix)(?=[_▁\W]|$)|[_▁\W]+", re.IGNORECASE)

# OpenAI's harmony format: an answer is a sequence of messages, each in a channel; only "final" is for the reader.
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]{0,200}(?:<\|constrain\|>[^<]{0,100})?<\|message\|>")
_MESSAGE_ENDS = re.compile(r"<\|(?:end|return|call|start)\|>")
_BARE_ANALYSIS = re.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?=[A-Z`#\"'*]|\s*\n|[a-z][^\n]*\n)")
_BARE_FINAL = re.compile(r"assistant(?:\s*<?\|?channel\|?>?)?\s*final(?:<?\|?message\|?>?)?(?![a-z])")

# Phrases that introduce thinking and the response, at the beginning of an answer.
_IN_WORDS = (
    (re.compile(r"\s*Here is my thought process:", re.IGNORECASE), re.compile(r"Here is my response:", re.IGNORECASE)),
    (re.compile(r"\s*Thinking\.\.\.[ \t]*\n"), re.compile(r"^\.\.\.done thinking\.", re.MULTILINE)),
)

# Tags that answers are asked to use, at the start of a line: they end unclosed thinking.
ANSWER_TAG = re.compile(
    r"^[ \t]*(?:<(?P<tag>(?:final_)?answer|final|solution|response|result|optimized(?:_code|_program)?)>"
    r"|<\|(?:begin_of_solution|START_RESPONSE)\|>|◁answer▷|\[(?P<square>ANSWER|SOLUTION)\])",
    re.MULTILINE | re.IGNORECASE,
)

_MOST_MARKS = 1_000  # no real answer has more
_NEAR = 2_000  # characters within which a comment or raw string around a tag begins and ends
_FENCE = re.compile(r"^[ \t>]*(?:```|~~~)", re.MULTILINE)
THINKING_NAME = re.compile(_NAME, re.IGNORECASE)
_IS_DRAFT = re.compile(rf"(?:{_DRAFTS})")
_QUOTES = "`'\"“”‘’«»"
_IN_SENTENCE = re.compile(r"[\w,(]")
_SAID_AFTER = re.compile(r"[ \t]*[a-z,;)]")


class Thought(NamedTuple):
    """`answer`: the text without thinking. `open`: thinking began and never ended; `answer` is then the text before it.
    `removed`: what was removed, in a few words; "" for nothing."""

    answer: str
    open: bool
    removed: str


class _Mark(NamedTuple):
    start: int
    end: int
    name: str  # "" for the model's own tags
    closes: bool


def without_thinking(text: str, own: tuple[str, str] | None = None, *, cut: bool = True) -> Thought:
    """The answer without its thinking. `own`: the model's thinking tags, if known; `cut`: whether the answer was cut
    off. If it was not, nobody can say where an unclosed plan or draft ended, so it is read as part of the answer.
    """
    harmony = _harmony(text)
    if harmony is not None:
        return harmony
    for begins, ends in _IN_WORDS:
        began = begins.match(text)
        ended = ends.search(text, began.end()) if began else None
        if ended:
            return Thought(text[ended.end() :], False, f"thinking before {ended[0]}")
    marks = _marks(text, own)
    if not marks:
        return Thought(text, False, "")
    kept: list[str] = []
    at = 0
    removed = ""
    index = 0
    first_close = next((i for i, mark in enumerate(marks) if mark.closes), None)
    first_open = next((i for i, mark in enumerate(marks) if not mark.closes), None)
    if first_close is not None and (first_open is None or first_close < first_open):
        # The prompt's template opened it. Thinking without an opening tag may close more than once.
        while index + 1 < len(marks) and marks[index + 1].closes and first_open is None:
            index += 1
        removed = f"thinking before {text[marks[index].start : marks[index].end]}"
        at = marks[index].end
        index += 1
    while index < len(marks):
        mark = marks[index]
        index += 1
        if mark.closes or mark.start < at or len(_FENCE.findall(text, at, mark.start)) % 2:
            continue  # (in an open code block the letters are part of the code)
        end = _end_of(marks, index - 1)
        if end is None and not cut and _IS_DRAFT.fullmatch(mark.name):
            continue
        kept.append(text[at : mark.start])
        removed = removed or f"thinking in {text[mark.start : mark.end]}"
        if end is None:
            *_, tag = (None, *ANSWER_TAG.finditer(text, mark.end))
            if tag is not None:
                at = tag.start()
                break
            return Thought("\n".join(kept), True, removed)
        at = marks[end].end
        index = end + 1
    kept.append(text[at:])
    return Thought("\n".join(kept), False, removed)


def _end_of(marks: Sequence[_Mark], start: int) -> int | None:
    """The index of the mark that closes the one at `start`: one of the same name, else any without an opening mark."""
    opened = marks[start]
    within: set[str] = set()  # opened since and still open
    other = None
    for index in range(start + 1, len(marks)):
        mark = marks[index]
        if not mark.closes:
            within.add(mark.name)
        elif mark.name == opened.name:
            return index
        elif mark.name in within:
            within.remove(mark.name)
        elif other is None:
            other = index
    return other


def _marks(text: str, own: tuple[str, str] | None) -> list[_Mark]:
    found: list[_Mark] = []
    # Skip the scan when the text cannot contain a tag.
    lower = text.lower()
    for match in _TAG.finditer(text) if any(word in lower for word in _ANY_WORD) else ():
        if len(found) == _MOST_MARKS:
            break
        raw = match[match.lastgroup or 0]
        if match["unused"]:
            name, closes = "unused", match["unused"] == "95"
        elif match["channel"] or match["channel_ends"]:
            name, closes = "channel", match["channel"] is None
        elif match["inner"]:
            name, closes = "inner", True
        else:
            closes = _CLOSES.search(raw) is not None
            name = _BARE.sub("", raw).lower()
        if not _is_mention(text, match.start(), match.end(), closes):
            found.append(_Mark(match.start(), match.end(), name, closes))
    for string, closes in () if own is None else ((own[0], False), (own[1], True)):
        at = text.find(string)
        while at >= 0 and len(found) < 2 * _MOST_MARKS:
            found.append(_Mark(at, at + len(string), "", closes))
            at = text.find(string, at + len(string))
    return sorted(found)


def _is_mention(text: str, start: int, end: int, closes: bool) -> bool:
    """Whether a tag is only mentioned: quoted, commented out, or in the middle of a sentence."""
    line = text.rfind("\n", max(0, start - 300), start) + 1 or max(0, start - 300)
    before = text[line:start]
    stop = text.find("\n", end, end + 300)
    after = text[end : stop if stop >= 0 else end + 300]
    if before[-1:] in _QUOTES and before and after[:1] in _QUOTES and after:
        return True
    bare = before.lstrip()
    if not bare:
        return in_comment_or_raw_string(text, start)
    if bare.startswith(("//", "/*", "* ", "#")):
        return True
    if re.search(r"//|/\*", before) or before.count('"') % 2:  # a comment, a string
        return True
    if closes:
        return _goes_on(before) and bool(after.strip()) and _SAID_AFTER.match(after) is not None
    # In the middle of a line, only the end of a sentence can precede an opening tag.
    return _goes_on(before) or before[-1:].isalnum() or before[-1:] in _QUOTES


def _goes_on(before: str) -> bool:
    """Whether what is on the line before a tag, up to a space, is an unfinished sentence or a comment."""
    said = before[:-1]
    return before[-1:] in (" ", "\t") and (
        _IN_SENTENCE.match(said[-1:]) is not None
        or any(sign in said for sign in ("//", "#", "/*"))
        or said.lstrip().startswith("*")
    )


def in_comment_or_raw_string(text: str, at: int) -> bool:
    """Whether a position lies in a comment or raw string that begins and ends nearby."""
    for begins, ends in (("/*", "*/"), ('R"', ')"')):
        began = text.rfind(begins, max(0, at - _NEAR), at)
        if began >= 0 and text.find(ends, began, at) < 0 and text.find(ends, at, at + _NEAR) >= 0:
            return True
    return False


def _harmony(text: str) -> Thought | None:
    messages = list(_CHANNEL.finditer(text))
    if messages:
        return _of_channels(text, messages)
    if _BARE_ANALYSIS.match(text):
        finals = list(_BARE_FINAL.finditer(text))
        if finals:
            return Thought(text[finals[-1].end() :], False, "the channel analysis")
        if re.match(r"\s*(?:assistant)?analysis[A-Z]", text):
            return Thought("", True, "the channel analysis")
    return None


def _of_channels(text: str, messages: Sequence[re.Match[str]]) -> Thought:
    finals = [message for message in messages if message[1].lower() == "final"]
    if not finals:
        return Thought("", True, f"the channel {messages[0][1]}")
    last = finals[-1]
    ends = _MESSAGE_ENDS.search(text, last.end())
    removed = "" if len(finals) == len(messages) else "channels other than final"
    return Thought(text[last.end() : ends.start() if ends else len(text)], False, removed)
