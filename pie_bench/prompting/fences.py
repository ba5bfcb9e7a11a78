"""Markdown's fenced blocks as models write them: unclosed, nested, glued to code, with titles and stray prose."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# Languages other than C++, under the names that highlighters know. `text`, `output` and the like may hold any code.
OTHER_LANGUAGES = frozenset(
    "java python py python3 rust rs go golang javascript js jsx typescript ts tsx kotlin kt swift csharp cs c# "
    "scala ruby rb php perl lua haskell hs ocaml ml julia jl r dart zig nim d pascal delphi fortran cobol ada "
    "elixir erlang clojure lisp scheme racket prolog matlab octave sql html xml css json yaml yml toml ini "
    "bash sh shell zsh fish console terminal powershell ps1 cmd bat dockerfile makefile make cmake asm "
    "assembly nasm llvm wasm latex tex mermaid dot csv vb fsharp f# groovy solidity verilog vhdl awk sed vim "
    "graphql protobuf proto http objc objective-c".split()
)
CPP = frozenset(
    "cpp c++ cc cxx c h hpp hxx c++11 c++14 c++17 c++20 c++23 cpp11 cpp14 cpp17 cpp20 cpp23 gnu++17".split()
)
DIFFS = frozenset("diff patch udiff".split())
PSEUDO = frozenset("pseudo pseudocode pseudo-code algorithm".split())
_OTHER_TAGS = frozenset("text txt plaintext plain output input stdin stdout none code markdown md example".split())
LANGUAGES = OTHER_LANGUAGES | CPP | DIFFS | PSEUDO | _OTHER_TAGS

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})(.*)$")
_CODE_BEGINS = re.compile(
    r"\#[ \t]*(?:include|define|pragma|if|ifdef|ifndef)\b|//|/\*|using[ \t]+namespace\b"
    r"|(?:int|signed|auto)[ \t]+main[ \t]*\(|(?:template|typedef|struct|class)[ \t]"
)
_COMMENT_OR_RAW = re.compile(
    r"""//|/\*|\*/|(?:u8|[uUL])?R"([^()\\\s]{0,16})\(|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\]){1,4}'"""
)
_LOOK_AHEAD = 400  # lines within which a comment or raw string around a fence must end
_LOOKS = 20_000  # lines in all: no program is longer


@dataclass
class Block:
    """A fenced block. `tag` is its language in lower case ("" for none), `title` the rest of the line of its fence;
    `before` is the text since the previous block, `after` the text up to the next one."""

    lines: list[str]
    tag: str
    title: str
    closed: bool = True
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    @property
    def code(self) -> str:
        return "\n".join(self.lines)


@dataclass
class Fenced:
    """A parsed text: `blocks` in order (the last may be unclosed), and the lines `outside` them."""

    blocks: list[Block]
    outside: list[str]


class _State:
    """Tracks whether a block's lines so far end inside a C++ comment or raw string."""

    def __init__(self) -> None:
        self.waits_for = ""
        self.depth = 0

    def read(self, line: str) -> None:
        at = 0
        while True:
            if self.waits_for:
                end = line.find(self.waits_for, at)
                if end < 0:
                    return
                at = end + len(self.waits_for)
                self.waits_for = ""
            match = _COMMENT_OR_RAW.search(line, at)
            self.depth += line.count("{", at, match.start() if match else len(line))
            self.depth -= line.count("}", at, match.start() if match else len(line))
            if match is None or match[0] == "//":
                return
            at = match.end()
            if match[0] == "/*":
                self.waits_for = "*/"
            elif match[1] is not None:
                self.waits_for = f'){match[1]}"'


def split_fences(text: str) -> Fenced:
    """The fenced blocks of a text, as a reader sees them.

    A block ends at a fence of its own kind that is at least as long, at a fence that opens another block, or at the end
    of the text. A fence inside a C++ comment or raw string does not end it.
    """
    found = Fenced([], [])
    between: list[str] = []
    block: Block | None = None
    fence, state = "", _State()
    lines = text.split("\n")
    looks = _LOOKS
    inside_until = -1

    def opened(mark: str, info: str) -> Block:
        nonlocal fence, state, between
        fence, state = mark, _State()
        tag, title, code = _info(info)
        new = Block([], tag, title, False, before=between)
        if found.blocks:
            found.blocks[-1].after = between
        between = []
        found.blocks.append(new)
        if code:
            new.lines.append(code)
            state.read(code)
        return new

    def outside(line: str) -> None:
        between.append(line)
        found.outside.append(line)

    for number, line in enumerate(lines):
        # Most lines hold no fence, and cost one search.
        marked = "```" in line or "~~~" in line
        match = _FENCE.match(line) if marked else None
        mark, info = (match[1], match[2].strip()) if match else ("", "")
        if block is None:
            at = line.rfind("```") if marked and match is None else -1
            if mark and "`" in info and mark[0] == "`":
                inner = info.rstrip("`").rstrip()
                if "`" in inner or len(info) - len(info.rstrip("`")) < len(mark):
                    outside(line)  # inline code
                    continue
                opened(mark, inner).closed = True  # a one-line block
            elif mark:
                block = opened(mark, info)
            elif at > 0 and line[at + 3 :].strip().lower() in LANGUAGES:  # opened after prose
                prose = line[:at].rstrip("`")
                outside(prose)
                block = opened("`" * (at + 3 - len(prose)), line[at + 3 :])
            else:
                outside(line)
            continue
        if not marked:
            block.lines.append(line)
            state.read(line)
            continue
        if state.waits_for and number > inside_until and looks > 0:
            inside_until, looked = _ends_later(lines, number, state.waits_for, fence)
            looks -= looked
        if state.waits_for and number <= inside_until:
            block.lines.append(line)
            state.read(line)
            continue
        code = line.rstrip().rstrip(fence[0])
        length = len(line.rstrip()) - len(code)
        if length >= len(fence) and (not code.strip() or ("//" not in code or state.depth <= 0)):
            if code.strip():  # code before a fence on the same line
                block.lines.append(code)
            block.closed = True
            block = None
        elif info and mark[0] == fence[0]:
            block.closed = True
            if len(mark) >= len(fence) and not _is_info(info):  # prose after the closing fence
                block = None
                outside(info)
            else:  # a fence with a language can only open a block
                block = opened(mark, info)
        elif info and block.tag not in CPP and _is_info(info):
            block.closed = True
            block = opened(mark, info)
        else:
            block.lines.append(line)
            state.read(line)
    if found.blocks:
        found.blocks[-1].after = between
    return found


def _ends_later(lines: list[str], number: int, waits_for: str, fence: str) -> tuple[int, int]:
    """The line on which a comment or raw string ends, if that is soon and a closing fence follows before a tag opens
    another block (else -1); and how many lines were examined."""
    ended = -1
    for at in range(number, min(len(lines), number + _LOOK_AHEAD)):
        line = lines[at]
        if ended >= 0:
            if line.strip().endswith(fence):
                return ended, at - number + 1
        elif waits_for in line:
            if at == number:
                break
            ended = at
        elif at > number:
            match = _FENCE.match(line)
            if match and match[2].strip() and _is_info(match[2]):
                break
    return -1, _LOOK_AHEAD


def _is_info(info: str) -> bool:
    """Whether the text after a fence describes the block; otherwise it is prose or code."""
    tag, title, code = _info(info)
    return bool(code) or tag in LANGUAGES or (bool(tag) and not title)


def _info(info: str) -> tuple[str, str, str]:
    """Splits the text after a fence into tag, title and first line of code."""
    info = info.strip()
    begins = _CODE_BEGINS.search(info)
    if begins and (begins.start() == 0 or _is_tag(info[: begins.start()].strip())):
        tag = info[: begins.start()].strip().lower()
        return tag, "", info[begins.start() :]
    first, _, rest = info.partition(" ")
    name = re.split(r"[:{,]", first.strip("{}.").lower(), maxsplit=1)[0]
    return name, (first[len(name) :] + " " + rest).strip(" :,{}"), ""


def _is_tag(text: str) -> bool:
    return text.lower() in LANGUAGES or not text
