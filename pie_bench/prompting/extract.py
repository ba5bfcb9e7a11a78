"""The program in a model's answer, whatever is said around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from pie_bench.cpp import Token, code_tokens, lex

_OPENING_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([^`\n]*?)[ \t]*$", re.MULTILINE)

# The first line of a program. Prose must not match: a declaration has its two names, its sign and its line's end.
_CODE_LINE = re.compile(
    r"""^[ \t]*(?:
      \#[ \t]*include[ \t]*[<"]
    | \#(?:define|undef|pragma|if|ifdef|ifndef)\b
    | using[ \t]+(?:namespace[ \t]+)?[\w:]+[ \t]*[;=]
    | typedef[ \t]+\w
    | template[ \t]*<
    | (?:struct|class|union|namespace|enum(?:[ \t]+class)?)\b[ \t]*[\w:]*[ \t]*(?:\{|;|$|:[^\n]*\{)
    | main[ \t]*\([^()\n]*\)\s*\{
    | (?:(?:const|constexpr|static|inline|extern|unsigned|signed|long|short)[ \t]+)*
      [A-Za-z_][\w:]* (?:<[^\n;(){}]*>)? [ \t*&]+ [A-Za-z_][\w:]* (?:\[[^\]\n]*\])* [ \t]*
      (?: ; | [=,({][^\n]*[;,({}\\][ \t]*(?:/[/*][^\n]*)?$ | \([^\n]*\n[ \t]*\{ )
    )""",
    re.VERBOSE | re.MULTILINE,
)

# The lines that the tasks' prompts are made of. A model that goes on writing repeats them; one that reasons first says
# with them where its program begins.
_MARKER = re.compile(
    r"""^[ \t]*(?:\#{1,4}|>>>|//)[ \t]*(?:
      (?P<slow>slower[ ](?:version|program)|program)
    | optimized[ ]version(?P<rest>[ ]of[ ]the[ ]same[ ]code(?P<strategy>[ ]with[ ]the[ ]strategy[ ][^\n:]*)?
      |[ ]with[ ]score[ ]\d+/10)?
    )[ \t]*:[ \t]*$""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_THINKING, _THOUGHT = "<think>", "</think>"  # what reasoning models put around what is no part of the answer
_FINAL = re.compile(r"\bfinal\b[^\n]*\b(?:code|program|version|solution|implementation|answer)\b", re.IGNORECASE)

_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b", re.MULTILINE)
_OTHER_BEGINNING = re.compile(r"^[ \t]*(?:/[/*]|(?:int|signed|auto|void)[ \t]+main\b)", re.MULTILINE)
_BEFORE_BODY = ("{", "try", "noexcept", "->")
_IN_SIGNATURE = ("::", "<", ">", ">>", ",", "*", "&", "&&")


@dataclass(frozen=True)
class Extraction:
    """A program, or why there is none: `reason` is "no_code" or "truncated", and None where there is `code`."""

    code: str | None
    reason: str | None


class _Block(NamedTuple):
    code: str
    introduction: str  # the last lines before it


class _Found(NamedTuple):
    code: str
    complete: bool  # its last brace closes


def extract_code(text: str, finish_reason: str, *, src_code: str | None = None) -> Extraction:
    """The program (something with a `main`) that an answer gives: in a fenced block, else in the text itself.

    `finish_reason` is the provider's word; "length" means that the answer was cut. Of several programs it is the first,
    with these exceptions: what stands behind a chain of thought's ">>> optimized version …"; a block that is called
    final; not what was only thought of (`<think>`); not what only repeats `src_code`, layout and comments aside; not
    what stands under "# slower version:". Never raises.
    """
    text = text.replace("\r\n", "\n")
    cut = finish_reason == "length"
    if text.lstrip().startswith(_THINKING) and _THOUGHT not in text:
        return Extraction(None, "truncated" if cut else "no_code")
    text = text.rpartition(_THOUGHT)[2]
    original = None if src_code is None else code_tokens(src_code)
    strategy = next((marker for marker in _MARKER.finditer(text) if marker["strategy"]), None)
    parts = [*(_answered(text[strategy.end() :]) if strategy else ()), *_answered(text), text]
    found = Extraction(None, "no_code")
    for part in parts:
        found = _extract(part, cut, original)
        if found.code is not None or found.reason == "truncated":
            break
    return found


def _answered(text: str) -> list[str]:
    """The parts of an answer between the prompt's own marker lines that hold answers, not questions."""
    markers = list(_MARKER.finditer(text))
    starts = [0, *(marker.end() for marker in markers)]
    ends = [*(marker.start() for marker in markers), len(text)]
    slow = [False, *(marker["slow"] is not None for marker in markers)]
    return [text[start:end] for start, end, question in zip(starts, ends, slow, strict=True) if not question]


def _extract(text: str, cut: bool, original: list[str] | None) -> Extraction:
    first_fence = _OPENING_FENCE.search(text)
    if first_fence and not first_fence[2]:
        # A bare fence behind a complete program closes what the prompt's end left open; what follows is other talk.
        before = _program_in(text[: first_fence.start()])
        if before and before.complete:
            return _program(before.code)

    blocks, unclosed, outside = _split_fences(text)
    programs = [block for block in blocks if _main_and_body(*_parsed(block.code))]
    own = [block for block in programs if original is None or code_tokens(block.code) != original]
    if own:
        return _program(next((block for block in reversed(own) if _FINAL.search(block.introduction)), own[0]).code)
    if unclosed is not None and cut:
        return Extraction(None, "truncated")
    if unclosed is not None and _main_and_body(*_parsed(unclosed)):
        return _program(unclosed)
    found = _program_in(outside)
    if found and (found.complete or not cut):
        return _program(found.code)
    if programs:
        return _program(programs[0].code)
    code_began = _CODE_LINE.search(text) or _OTHER_BEGINNING.search(text)
    return Extraction(None, "truncated" if cut and code_began else "no_code")


def _program(code: str) -> Extraction:
    return Extraction(code.strip("\n") + "\n", None)


def _split_fences(text: str) -> tuple[list[_Block], str | None, str]:
    """The closed fenced blocks, the contents of the one left open at the end, and the text outside of blocks."""
    closed: list[_Block] = []
    outside: list[str] = []
    block: list[str] | None = None
    fence = ""
    introduced = 0  # where in `outside` the lines between the blocks begin

    def close(lines: list[str]) -> None:
        nonlocal introduced
        said = [line for line in outside[introduced:] if line.strip()]
        closed.append(_Block("\n".join(lines), "\n".join(said[-3:])))
        introduced = len(outside)

    for line in text.split("\n"):
        opening = _OPENING_FENCE.match(line)
        if block is None:
            if opening:
                fence, block = opening[1], []
            else:
                outside.append(line)
            continue
        code = line.rstrip().rstrip(fence[0])
        if len(line.rstrip()) - len(code) >= len(fence):  # also behind the last line of code
            close([*block, code] if code.strip() else block)
            block = None
        elif opening and opening[2]:  # a language tag only ever opens a block
            close(block)
            fence, block = opening[1], []
        else:
            block.append(line)
    return closed, None if block is None else "\n".join(block), "\n".join(outside)


def _program_in(text: str) -> _Found | None:
    """The first program in text without fences: from the first line that looks like C++ to the brace that closes
    `main`, and on to the last function defined behind it; to the end of the text where a brace is missing."""
    start = _CODE_LINE.search(text)
    if start is None:
        return None
    text = text[start.start() :]
    tokens, partners = _parsed(text)
    body = _main_and_body(tokens, partners)
    if body is None:
        return None
    end = partners.get(body)
    while end is not None and _text(tokens, end + 1) == "catch":
        end = next((partners.get(i) for i in range(end, len(tokens)) if tokens[i].text == "{"), None)
    if end is None:
        return _Found(text, complete=False)
    # What stands behind another #include is another program.
    other = _INCLUDE.search(text, tokens[end].end)
    limit = other.start() if other else len(text)
    index = end + 1
    while index < len(tokens) and tokens[index].start < limit:
        body = _function_body(tokens, partners, index)
        if body is None:
            semicolon = _declaration_end(text, tokens, partners, index)
            if semicolon is None:
                break
            index = semicolon + 1
        elif body not in partners:
            return _Found(text, complete=False)
        else:
            end = partners[body]
            index = end + 1
    return _Found(text[: tokens[end].end], complete=True)


def _parsed(text: str) -> tuple[list[Token], dict[int, int]]:
    """Tokens without comments and directives, and for each opening bracket's index that of the one closing it."""
    tokens = [token for token in lex(text) if token.kind not in ("comment", "directive")]
    partners: dict[int, int] = {}
    open_at: dict[str, list[int]] = {")": [], "}": []}
    for index, token in enumerate(tokens):
        if token.text in ("(", "{"):
            open_at[")" if token.text == "(" else "}"].append(index)
        elif open_at.get(token.text):
            partners[open_at[token.text].pop()] = index
    return tokens, partners


def _text(tokens: list[Token], index: int) -> str:
    return tokens[index].text if index < len(tokens) else ""


def _main_and_body(tokens: list[Token], partners: dict[int, int]) -> int | None:
    """Index of the brace that opens the body of `main`, at top level if there is one; None where none is defined."""
    nested = None
    top_level_from = 0
    for index, token in enumerate(tokens):
        if token.text == "{" and index >= top_level_from:
            top_level_from = partners.get(index, index)
        if token.text == "main" and _text(tokens, index + 1) == "(":
            after = partners.get(index + 1, len(tokens)) + 1
            if _text(tokens, after) in _BEFORE_BODY:
                body = next((i for i in range(after, len(tokens)) if tokens[i].text == "{"), None)
                if index >= top_level_from:
                    return body
                nested = nested or body
    return nested


def _function_body(tokens: list[Token], partners: dict[int, int], start: int) -> int | None:
    """Index of the brace that opens the body of the function defined at `start`; None where none is."""
    index = start
    while index < len(tokens) and (tokens[index].kind == "word" or tokens[index].text in _IN_SIGNATURE):
        index += 1
    names = [token.text for token in tokens[start:index] if token.kind == "word"]
    if len(names) < 2 or names[-1] == "main" or _text(tokens, index) != "(":
        return None
    body = partners.get(index, len(tokens)) + 1
    return body if _text(tokens, body) == "{" else None


def _declaration_end(text: str, tokens: list[Token], partners: dict[int, int], start: int) -> int | None:
    """Index of the semicolon that ends the declaration at `start`; None where no line of code begins."""
    if not _CODE_LINE.match(text, text.rfind("\n", 0, tokens[start].start) + 1):
        return None
    index = start
    while index < len(tokens) and tokens[index].text != ";":
        index = partners.get(index, index) + 1
    return index if index < len(tokens) else None
