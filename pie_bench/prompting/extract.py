"""Extracts the program from a model's answer, whatever surrounds it. docs/answers.md explains the rules and their
reasons.

An answer is read in steps: reasoning is removed (thinking.py); the rest is split into blocks of code and the text about
them (fences.py); every block is a candidate, and those that cannot be the program are passed over; of the others, the
one that the text presents as its answer counts. Every step is a rule in a table here, and the result names it.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any

from pie_bench.cpp import Steps, code_tokens, lex
from pie_bench.prompting.captions import called, heading_in, taken_back
from pie_bench.prompting.fences import CPP, DIFFS, LANGUAGES, OTHER_LANGUAGES, PSEUDO, Block, split_fences
from pie_bench.prompting.programs import (
    CODE_LINE,
    LINE_NUMBER,
    OTHER_BEGINNING,
    Piece,
    is_escaped,
    joined,
    programs_in,
    tidied,
    without_line_numbers,
)
from pie_bench.prompting.thinking import ANSWER_TAG, THINKING_NAME, in_comment_or_raw_string, without_thinking
from pie_bench.run.generation import was_cut

# How much of an answer is read, with and without its reasoning; real answers about a program are shorter.
MOST_CHARACTERS, MOST_WITHOUT_THINKING = 2_000_000, 200_000
_QUOTES_IN_QUOTES = 2
_MOST_CANDIDATES = 64  # per answer: the first and the last ones

# Why a block cannot be the program; the first reason that applies is named.
_PASSED_OVER: tuple[tuple[str, Callable[[_Candidate], bool]], ...] = (
    ("a diff", lambda it: it.tag in DIFFS or it.piece.is_diff),
    ("pseudo-code", lambda it: it.tag in PSEUDO or (it.called == "pseudo-code" and "#" not in it.piece.code)),
    ("in another language", lambda it: it.language is not None),
    ("an excerpt, with dots for code", lambda it: it.piece.is_excerpt),
    ("without a main", lambda it: it.piece.body_of_main is None),
)

# The ranks of the remaining candidates: each gets the first line that applies, and the highest rank wins. Among equals
# the last block wins, but the first program in text without blocks, because models tend to write on after it.
_RANKS: tuple[tuple[int, str, Callable[[_Candidate], bool]], ...] = (
    (-6, "repeats the program asked about", lambda it: it.repeats_source),
    (-5, "called the original", lambda it: it.called == "original"),
    (-4, "called a test or a demonstration", lambda it: it.called == "demonstration"),
    (-3, "not complete", lambda it: not it.piece.complete),
    (-2, "with a comment in place of code", lambda it: it.piece.has_placeholder),
    (-1, "called a draft, or taken back", lambda it: it.called == "draft" or it.taken_back),
    (0, "called an alternative", lambda it: it.called == "alternative"),
    (3, "called final or corrected", lambda it: it.called == "final"),
    (2, "called the answer", lambda it: it.called == "answer"),
    (1, "a complete program", lambda it: True),
)
_PRESENTED = 1  # from this rank on, a program is presented as the answer without reservations

# Lines of the tasks' prompts. A model that writes on after its answer repeats them; one that reasons first uses them to
# mark the beginning of its program.
_MARKER = re.compile(
    r"""^[ \t]*(?:\#{1,4}|>>>|//)[ \t]*(?:
      (?P<slow>slower[ ](?:version|program)|program)
    | optimized[ ]version(?P<rest>[ ]of[ ]the[ ]same[ ]code(?P<strategy>[ ]with[ ]the[ ]strategy[ ][^\n:]*)?
      |[ ]with[ ]score[ ]\d+/10)?
    )[ \t]*:[ \t]*$""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)

# What templates and prompts put around an answer: special tokens, and tags around code.
_SPECIAL = (
    r"(?:<\|[\w▁ .:/-]{1,40}\|>|<｜[\w▁ ]{1,40}｜>|</?s>|<(?:end_of_turn|eos|bos|pad)>|<start_of_turn>(?:model|user)?"
    r"|\[/?(?:INST|SYS)\])"
)
_TAG = r"(?:<[A-Za-z!_][\w .:=\"'/+-]{0,80}>|\[[A-Z][A-Z_ ]{0,29}\])"
_CODE = (
    r"\#[ \t]*(?:include|define|pragma|if)|using[ ]namespace|(?:int|signed|auto)[ ]main|//|/\*"
    r"|template|typedef|struct[ ]|const[ ]"
)
_CODE_OR_FENCE = rf"(?:{_CODE}|```|~~~)"
_BEFORE_CODE = re.compile(
    rf"^[ \t]*(?:{_SPECIAL}|{_TAG})(?:[ \t]*(?:{_SPECIAL}|{_TAG})){{0,8}}[ \t]*(?={_CODE_OR_FENCE})", re.MULTILINE
)
_ALONE = re.compile(rf"^[ \t]*{_SPECIAL}(?:[ \t]*(?:assistant|model))?[ \t]*", re.MULTILINE)
_BEHIND_CODE = re.compile(
    rf"(?<=[}};`~>\n])[ \t]*((?:{_SPECIAL}|</[A-Za-z_][\w-]{{0,40}}>|\[/[A-Z_ ]{{1,30}}\])[ \t]*){{1,8}}$", re.MULTILINE
)
_INCLUDE_BEHIND_WORDS = re.compile(
    r"^([^\n\"'`/#>]{0,79}[^\s\"'`/#>]|[^\n\"'`/#>]{0,79}<\w{1,30}>)[ \t]*"
    r"(?=\#[ \t]*include[ \t]*[<\"][^\n>\"]{1,80}[>\"])",
    re.MULTILINE,
)
# Code in inline backticks: one span for all of it, or one per line.
_SPAN = re.compile(rf"(?<![`\w])(`{{1,2}})(?!`)\s*((?:{_CODE})[^`]*)\1(?!`)", re.VERBOSE)
_SPAN_OF_LINE = re.compile(r"^[ \t]*`([^`\n]*)`[ \t]*$|^[ \t]*$")
_MAIN = re.compile(r"\bmain\s*\([^()]{0,200}\)[^;{}]{0,40}\{")
# Lines that end in `<br>`, which no C++ has after an #include.
_LINE_BREAK = re.compile(r"(<br[ \t]*/?>\n?|\n)", re.IGNORECASE)
_ENDED_BY_TAGS = re.compile(
    r"(?:\#[ \t]*include[ \t]*[<\"][^\n<>\"]{1,80}[>\"]|\bmain[ \t]*\([^()\n]{0,80}\)[ \t]*\{?)[ \t]*<br[ \t]*/?>",
    re.IGNORECASE,
)
# Newlines, quotes and brackets escaped as in JSON or Markdown, which no C++ has after an #include.
_INCLUDES = r"\#[ \t]*include[ \t]*"
_NEWLINES_WRITTEN = re.compile(
    _INCLUDES + r"(?:<[\w./+]{1,80}>|\\?\"[\w./+]{1,80}\\?\"|\\u003c[\w./+]{1,80}\\u003e)[ \t]*(?:\\r)?\\n"
)
_INCLUDE_WITH_NEWLINE = re.compile(rf"^[ \t]*{_INCLUDES}[<\"][\w./+]{{1,80}}[>\"][ \t]*\n", re.MULTILINE)
_UNICODE_WRITTEN, _UNICODE_ESCAPE = (
    re.compile(_INCLUDES + r"\\u003c", re.IGNORECASE),
    re.compile(r"\\u(00[2-7][0-9a-fA-F])"),
)
_MARKDOWN_WRITTEN = re.compile(rf"\\{_INCLUDES}|{_INCLUDES}\\<")
_MARKDOWN_ESCAPE = re.compile(r"\\([#<>*_\[\](){}&|~+=!-])")
_ESCAPE, _ESCAPES = re.compile(r"\\(.)"), {"n": "\n", "t": "\t", "r": ""}
_JSON_BEGINS = re.compile(r"[{\[]\s{0,40}[\"{]")
_MOST_JSON, _SHORT_FIELD = 20, 60
_RANK_OF_NAMES = {"final": 3, "answer": 2, "alternative": 0, "draft": -1, "demonstration": -4, "original": -5}
_ZERO_WIDTH = re.compile("[\ufeff\u200b\u2060\u200e\u200f]")
_LINE_SEPARATOR = re.compile("[\u2028\u2029]")
_ODD_SPACE = re.compile("[\u00a0\u202f\u3000]")
_ODD_INDENT = re.compile("^[ \t]*[\u00a0\u202f\u3000][ \t\u00a0\u202f\u3000]*", re.MULTILINE)
_QUOTE_MARK = re.compile(r"^[ \t]*[>|│]", re.MULTILINE)
_QUOTE_MARK_AND_SPACE = re.compile(r"^[ \t]*[>|│][ ]?", re.MULTILINE)
_IN_QUOTES = re.compile(r"^[ \t]*(?:>|[|│](?![^\n]*[|│][ \t]*$))")
_CONFLICT = re.compile(r"^<{7}(?: [^\n]*)?\n", re.MULTILINE)
_NUMBERED, _NUMBERED_INCLUDE = (
    re.compile(LINE_NUMBER),
    re.compile(LINE_NUMBER + r"[ \t]*\#[ \t]*include", re.MULTILINE),
)
# The end of a model's turn: anything written after it is not part of the answer.
_TURN_ENDS = re.compile(
    r"^[ \t]*(?:{0})|(?:{0})[ \t]*$|^(?:Human|User|\#\#\#[ ]*(?:Human|User|Instruction))[ ]?:".format(
        r"<\|(?:im_end|eot_id|eom_id|endoftext|end|END_OF_TURN_TOKEN)\|>|</s>|<end_of_turn>|<eos>|<｜end▁of▁sentence｜>"
    ),
    re.MULTILINE,
)


_RECOMMENDS = re.compile(
    r"\b(?:recommend|choose|prefer|suggest|go with|submit)(?: using| that you use)?(?: the)? \W{0,3}"
    r"(approach|option|version|solution|method|variant|program) (\d|[A-D])\b",
    re.IGNORECASE,
)
_LINES_NEAR, _MOST_BEHIND = 3, 5_000


@dataclass(frozen=True)
class Extraction:
    """A program, or why there is none: `reason` is "no_code" or "truncated", and None if there is `code`.

    `rule`: why this program was chosen, or what there was instead of one. `passed_over`: the other pieces of code, and
    the reasoning, each with the reason. `alternatives`: programs of the same rank, the next best first. `doubtful`: a
    person should look, because other programs rank as high, the text does not present this one as its answer, or there
    is code but none of it is the program.
    """

    code: str | None
    reason: str | None
    rule: str = field(default="", compare=False)
    passed_over: tuple[str, ...] = field(default=(), compare=False)
    alternatives: tuple[str, ...] = field(default=(), compare=False)
    doubtful: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class _Candidate:
    """A piece of code in an answer, with what the text says about it."""

    piece: Piece
    where: str
    tag: str
    called: str | None
    taken_back: bool
    source: Sequence[str] | None  # the tokens of the program in the prompt

    @cached_property
    def language(self) -> str | None:
        """Its language by tag, or else by syntax; None for C++."""
        if self.tag in OTHER_LANGUAGES and self.piece.body_of_main is None:
            return self.tag
        if self.tag in OTHER_LANGUAGES and "include" not in self.piece.code:
            return self.tag  # a wrong tag is believed before a guess
        return self.piece.other_language

    @cached_property
    def repeats_source(self) -> bool:
        return self.source is not None and code_tokens(self.piece.code) == self.source

    @cached_property
    def cannot_be(self) -> str | None:
        reason = next((reason for reason, holds in _PASSED_OVER if holds(self)), None)
        return f"in {self.language}" if reason == "in another language" else reason

    @cached_property
    def rank(self) -> tuple[int, str]:
        return next((rank, rule) for rank, rule, holds in _RANKS if holds(self))


def extract_code(
    text: str, finish_reason: str, *, src_code: str | None = None, reasoning: tuple[str, str] | None = None
) -> Extraction:
    """The program (something with a `main`) in an answer: in a fenced block, or else in the text itself.

    `finish_reason` is the provider's term, in any spelling. A program that merely repeats `src_code`, layout and
    comments aside, is chosen only if there is no other. `reasoning`: the tags around the model's reasoning, if they are
    unusual. Never raises, and takes linear time.
    """
    cut = was_cut(finish_reason)
    text = _normalised(text[:MOST_CHARACTERS])
    if not text.strip():
        said = "an empty answer: all tokens were spent on hidden reasoning" if cut else "an empty answer"
        return Extraction(None, "truncated" if cut else "no_code", said)
    thought = without_thinking(text, reasoning, cut=cut)
    answer = thought.answer.strip("\n")[:MOST_WITHOUT_THINKING]
    original = None if src_code is None else code_tokens(src_code)
    turn = next((end for end in _TURN_ENDS.finditer(answer) if not _is_code(end)), None)
    found = _read(_tidy(answer[: turn.start()]), False, original) if turn else None
    if found is None or found.code is None or not Piece(found.code, Steps()).complete:
        found = _read(_tidy(answer), cut and not thought.open, original)
    passed = (thought.removed,) if thought.removed else ()
    if found.code is None and thought.open:
        return Extraction(None, "truncated", "thinking that never ends", (*passed, *found.passed_over))
    return replace(found, passed_over=(*passed, *found.passed_over))


def _normalised(text: str) -> str:
    """The text with plain newlines, without invisible characters, and without JSON's or HTML's escapes."""
    text = _ZERO_WIDTH.sub("", text.replace("\r\n", "\n"))
    if "\r" in text and "\n" not in text:
        text = text.replace("\r", "\n")
    text = _unescaped(_out_of_json(_LINE_SEPARATOR.sub("\n", text)))
    if is_escaped(text[: 1 << 16]) and "#include <" not in text:
        text = html.unescape(html.unescape(text))
    if "<br" in text.lower() and _ENDED_BY_TAGS.search(text):
        text = _ended_by_newlines(text)
    return _ODD_INDENT.sub(lambda match: _ODD_SPACE.sub(" ", match[0]), text)


def _ended_by_newlines(text: str) -> str:
    """The text with newlines in place of `<br>`, except in strings."""
    pieces: list[str] = []
    quotes = 0
    for piece in _LINE_BREAK.split(text.replace("&nbsp;", "\u00a0")):
        if piece == "\n" or (piece[:1] == "<" and quotes % 2 == 0 and _LINE_BREAK.fullmatch(piece)):
            pieces.append("\n")
            quotes = 0
        else:
            pieces.append(piece)
            quotes += piece.count('"')
    return "".join(pieces)


def _out_of_json(text: str) -> str:
    """The program in an answer that is JSON, or that has JSON within its prose; the text itself if there is none."""
    inner = re.sub(r"\A\s*(?:```(?:json)?[ \t]*\n|<tool_call>)|(?:\n```|</tool_call>)\s*\Z", "", text).strip()
    if inner[:1] + inner[-1:] in ("{}", "[]", '""') and '"' in inner[:200] and "main" in inner:
        starts = [0]
    elif "\\n" in text and _NEWLINES_WRITTEN.search(text) and not _INCLUDE_WITH_NEWLINE.search(text):
        inner = text
        starts = [match.start() for match in islice(_JSON_BEGINS.finditer(text), _MOST_JSON)]
    else:
        return text
    for start in starts:
        try:
            value, _ = json.JSONDecoder(strict=False).raw_decode(inner, start)
        except (ValueError, RecursionError):
            continue
        programs = list(islice(_programs_of(value), _MOST_CANDIDATES))
        if programs:
            return max(programs, key=lambda each: each[0])[1]
    return text


def _programs_of(value: Any) -> Iterator[tuple[int, str]]:
    """The strings with a `main` in a JSON value, in order, each with the rank that the names of its fields give it."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, str):
            if "main" in value and "{" in value:
                thought = any(map(THINKING_NAME.fullmatch, name.split()))
                yield _RANK_OF_NAMES.get("draft" if thought else called((), "", name, "") or "", 1), value
        elif isinstance(value, dict):
            # {"name": "optimized", "code": …}: if the field does not say what it holds, a short text beside it may.
            beside = " ".join(each for each in value.values() if isinstance(each, str) and len(each) < _SHORT_FIELD)
            waiting += [(f"{key} {beside}".replace("_", " "), each) for key, each in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(name, each) for each in reversed(value)]


def _unescaped(text: str) -> str:
    """The text with real newlines for `\\n`, and without the escapes of JSON or Markdown."""
    if "\\" not in text or _INCLUDE_WITH_NEWLINE.search(text):  # escapes in unescaped code belong to its strings
        return text
    if _MARKDOWN_WRITTEN.search(text):
        text = _MARKDOWN_ESCAPE.sub(r"\1", text)
    if _UNICODE_WRITTEN.search(text):
        text = _UNICODE_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    if not _NEWLINES_WRITTEN.search(text):
        return text
    if '\\"' in text or "\\\\n" in text:  # those in strings are escaped twice
        return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text)
    pieces = text.split('"')
    return '"'.join(piece if place % 2 else piece.replace("\\n", "\n") for place, piece in enumerate(pieces))


def _tidy(text: str) -> str:
    """The answer without template tokens, tags and quote marks around its code, and with the code on its own lines."""
    if "<" in text or "[" in text:
        for pattern in (_BEFORE_CODE, _ALONE, _BEHIND_CODE):
            text = pattern.sub(_not_in_code, text)
    for _ in range(_QUOTES_IN_QUOTES):
        if _QUOTE_MARK.search(text):
            text = _unquoted(text)
    if _NUMBERED_INCLUDE.search(text):
        text = _unnumbered(text)
    if _CONFLICT.search(text):
        text = _resolved(text)
    if "`" in text:
        text = _out_of_spans(text)
    return _INCLUDE_BEHIND_WORDS.sub(lambda match: match[1] + "\n", text)


def _is_program(code: str) -> bool:
    return ";" in code and code.rstrip().endswith("}") and _MAIN.search(code) is not None


def _resolved(text: str) -> str:
    """The text with the new version in place of each edit or conflict block, which holds an old and a new one."""
    lines: list[str] = []
    old: list[str] | None = None  # the lines being replaced, while inside them
    began = 0
    for line in text.split("\n"):
        if old is None and line.startswith("<<<<<<<"):
            old, began = [line], len(lines)
        elif old is not None and line.startswith("======="):
            old, began = None, len(lines)
        elif old is not None:
            old.append(line)
        elif not line.startswith(">>>>>>>"):
            lines.append(line)
    return "\n".join(lines[:began] + old + lines[began:]) if old else "\n".join(lines)


def _out_of_spans(text: str) -> str:
    """The text with fenced blocks in place of inline spans that hold programs; unchanged if there is a program outside
    the spans, since then they are only mentioned."""
    if "```" not in text:
        lines: list[str] = []
        for inside, run in _runs(text, _SPAN_OF_LINE):
            bare = [_SPAN_OF_LINE.sub(r"\1", line) for line in run] if inside else run
            lines += bare if len(bare) > 1 and any(map(CODE_LINE.match, bare)) else run
        text = "\n".join(lines)
    spans = [span for span in _SPAN.finditer(text) if _is_program(span[2])]
    pieces: list[str] = []
    at = 0
    for span in spans:
        pieces += [text[at : span.start()], span[2]]
        at = span.end()
    pieces.append(text[at:])
    if not spans or any(map(_MAIN.search, pieces[::2])):
        return text
    return "".join(f"\n```\n{piece}\n```\n" if place % 2 else piece for place, piece in enumerate(pieces))


def _is_code(end: re.Match[str]) -> bool:
    """Whether an end-of-turn marker merely occurs in a comment or a string."""
    line = end.string[max(end.string.rfind("\n", 0, end.start()) + 1, end.start() - 300) : end.start()]
    return "//" in line or '"' in line or in_comment_or_raw_string(end.string, end.start())


def _not_in_code(match: re.Match[str]) -> str:
    return match[0] if in_comment_or_raw_string(match.string, match.start()) else "\n"


def _runs(text: str, pattern: re.Pattern[str]) -> list[tuple[bool, list[str]]]:
    """Lines that the pattern matches, and others, in runs: whether it does, and the lines."""
    runs: list[tuple[bool, list[str]]] = []
    matches, before = pattern.match, None
    for line in text.split("\n"):
        inside = matches(line) is not None
        if inside is not before:
            runs.append((inside, run := []))
            before = inside
        run.append(line)
    return runs


def _unquoted(text: str) -> str:
    """The text without the `> ` of those quotations that hold code."""
    lines: list[str] = []
    for quoted, run in _runs(text, _IN_QUOTES):
        # Unless every line has a space after the mark, the spaces belong to the code.
        spaced = all(line.lstrip()[1:2] in ("", " ") for line in run)
        sign = _QUOTE_MARK_AND_SPACE if spaced else _QUOTE_MARK
        bare = sign.sub("", "\n".join(run)).split("\n") if quoted and len(run) > 2 else run
        inside = filter(None, (line.lstrip(">|│ \t") for line in bare)) if quoted else ()
        holds_code = any(CODE_LINE.match(line) or line.startswith(("```", "~~~")) for line in inside)
        lines += bare if holds_code else run
    return "\n".join(lines)


def _unnumbered(text: str) -> str:
    """The text without the line numbers of numbered code."""
    lines: list[str] = []
    for numbered, run in _runs(text, _NUMBERED):
        lines += without_line_numbers("\n".join(run)).split("\n") if numbered else run
    return "\n".join(lines)


def _read(text: str, cut: bool, original: list[str] | None) -> Extraction:
    """The program in an answer without its reasoning. The parts of the text are tried in turn: what is inside answer
    tags, after a chain of thought's ">>> optimized version …", between the prompt's other lines; then all of it."""
    steps = Steps()
    strategy = next((marker for marker in _MARKER.finditer(text) if marker["strategy"]), None)
    parts = [*_in_tags(text), *(_answered(text[strategy.end() :]) if strategy else ()), *_answered(text), text]
    found = Extraction(None, "no_code", "no code")
    tried: list[str] = []
    for part in parts:
        if part in tried:
            continue
        tried.append(part)
        found = _extract(part, cut, original, steps)
        if found.code is not None or found.reason == "truncated":
            break
    return found


def _in_tags(text: str) -> list[str]:
    """The contents of the last pair of answer tags."""
    tags = list(ANSWER_TAG.finditer(text))
    if not tags:
        return []
    tag = tags[-1]
    name = tag["tag"] or tag["square"]
    closes = re.search(rf"</{name}>|\[/{name}\]", text[tag.end() :], re.IGNORECASE) if name else None
    return [text[tag.end() :][: closes.start() if closes else None]]


def _answered(text: str) -> list[str]:
    """The parts of an answer between marker lines of the prompt, without those that repeat a question."""
    markers = list(_MARKER.finditer(text))[:_MOST_CANDIDATES]
    starts = [0, *(marker.end() for marker in markers)]
    ends = [*(marker.start() for marker in markers), len(text)]
    slow = [False, *(marker["slow"] is not None for marker in markers)]
    return [text[start:end] for start, end, question in zip(starts, ends, slow, strict=True) if not question]


def _extract(text: str, cut: bool, original: list[str] | None, steps: Steps) -> Extraction:
    fenced = split_fences(text)
    blocks = fenced.blocks
    if blocks and not blocks[0].tag and not blocks[0].title:
        # A bare fence after a complete program closes the block that the prompt's end opened; the rest is unrelated.
        before = next(programs_in("\n".join(blocks[0].before)), None)
        if before and before.complete:
            return Extraction(_program(before.code), None, "the program before the fence that closes it")

    around = _around_fences(text, blocks)
    if around is not None:
        return Extraction(_program(around), None, f"{_TEXT}: fences stand in its comments or strings")

    candidates = _in_blocks(blocks, original, steps)
    unclosed = candidates.pop() if blocks and not blocks[-1].closed and cut else None
    possible = [candidate for candidate in candidates if candidate.cannot_be is None]
    best = max((candidate.rank[0] for candidate in possible), default=None)
    if best is None or best < _PRESENTED:
        outside = _in_text("\n".join(fenced.outside), cut, original, steps)
        if outside and (best is None or outside[0].rank[0] > best):
            possible, best = outside, outside[0].rank[0]
    promised = unclosed is not None and {"final": 3, "answer": 2}.get(unclosed.called or "", 1)
    if unclosed is not None and (best is None or best < 0 or (promised > best and promised > 1)):
        programs = best is not None
        return Extraction(None, "truncated", f"cut off within {unclosed.where}", _passed_over(candidates), (), programs)
    if best is None:
        began = CODE_LINE.search(text) or OTHER_BEGINNING.search(text)
        said = _passed_over(candidates)
        what = f"no program: {said[0]}" if said else "no code"
        if cut and began:
            return Extraction(None, "truncated", "cut off before the program ended", said)
        return Extraction(None, "no_code", what, said, doubtful=bool(said))

    ranked = [candidate for candidate in possible if candidate.rank[0] == best]
    chosen, *ties = ranked if possible is not candidates and ranked[0].where == _TEXT else ranked[::-1]
    code, taken = joined(chosen.piece, [each.piece for each in candidates if each.cannot_be == "without a main"])
    rest = [each for each in candidates if each is not chosen and each.piece not in taken]
    rule = (
        f"{chosen.where}: {chosen.rank[1]}"
        if rest or chosen.rank[0] != _PRESENTED
        else f"{chosen.where}: the only program"
    )
    if taken:
        rule += f", with what it lacks of {len(taken)} other{'s' if len(taken) > 1 else ''}"
    others = tuple(_program(each.piece.code) for each in ties)
    doubtful = chosen.rank[0] < _PRESENTED or any(code_tokens(other) != code_tokens(code) for other in others)
    return Extraction(_program(code), None, rule, _passed_over(rest), others, doubtful)


_TEXT = "text without a block"


def _around_fences(text: str, blocks: Sequence[Block]) -> str | None:
    """The program that contains all fences of a text, in its comments or raw strings; None if there is none."""
    if not blocks or not CODE_LINE.search("\n".join(blocks[0].before)):
        return None
    found = next(programs_in(text), None)
    if found is None or not found.complete or found.start > len("\n".join(blocks[0].before)):
        return None
    inside = "```" in found.code or "~~~" in found.code
    return found.code if inside and not any(token.text in ("`", "~") for token in lex(found.code)) else None


def _program(code: str) -> str:
    return code.strip("\n") + "\n"


def _passed_over(candidates: Sequence[_Candidate]) -> tuple[str, ...]:
    return tuple(f"{each.where}: {each.cannot_be or each.rank[1]}" for each in candidates)


def _in_blocks(blocks: Sequence[Block], original: list[str] | None, steps: Steps) -> list[_Candidate]:
    heading = ""
    candidates = []
    half = _MOST_CANDIDATES // 2
    beside_cpp = any(block.tag in CPP - {"c", "h"} for block in blocks)
    recommended = _recommended(blocks)
    looked_at = set(range(half)) | set(range(len(blocks) - half, len(blocks)))
    for number, block in enumerate(blocks):
        heading = heading_in(block.before, heading)
        if number not in looked_at:
            continue
        code = tidied(block.code, closed=block.closed)
        tag = "" if block.tag in CPP else block.tag
        where = f"block {number + 1}"
        title = block.title if block.tag in LANGUAGES else f"{block.tag} {block.title}"
        name = called(block.before, heading, title, code)
        if name is None and block.tag == "c" and beside_cpp:
            name = "alternative"
        if recommended is not None and any(map(recommended.search, (heading, *block.before[-_LINES_NEAR:]))):
            name = "final"
        candidates.append(_Candidate(Piece(code, steps), where, tag, name, taken_back(block.after), original))
    return candidates


def _recommended(blocks: Sequence[Block]) -> re.Pattern[str] | None:
    """Matches the name that the text after the blocks recommends, as in `I recommend Approach 1`."""
    found = None if not blocks else _RECOMMENDS.search("\n".join(blocks[-1].after)[:_MOST_BEHIND])
    return None if found is None else re.compile(rf"\b{found[1]}[ ]{found[2]}\b", re.IGNORECASE)


def _in_text(text: str, cut: bool, original: list[str] | None, steps: Steps) -> list[_Candidate]:
    """The programs in text without blocks that can be the answer, best first."""
    found: list[_Candidate] = []
    at = 0
    for program in programs_in(text):
        if cut and not program.complete:
            break
        before = text[at : program.start].split("\n")
        name = called(before, heading_in(before, ""), "", program.code)
        found.append(_Candidate(Piece(program.code, steps), _TEXT, "", name, False, original))
        at = program.end
    usable = [candidate for candidate in found if candidate.cannot_be is None]
    return sorted(usable, key=lambda candidate: -candidate.rank[0])
