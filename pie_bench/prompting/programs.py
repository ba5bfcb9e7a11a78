"""Finds programs in text: where one begins and ends, whether it is one, and what it needs from other pieces of code.

Tokens and their brackets locate `main` and its end: they exist for any text and take linear time. The syntax tree
decides which pieces belong together, that is, which one needs another's declarations.
"""

from __future__ import annotations

import html
import itertools
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from pie_bench.cpp import Steps, Structure, Token, lex, structure

# The first line of a program. It must not match prose: a declaration needs its two names, its sign and a proper line
# end.
CODE_LINE = re.compile(
    r"""^[ \t]*(?:
      \#[ \t]*include[ \t]*[<"]
    | \#[ \t]*(?:define|undef|pragma|if|ifdef|ifndef)\b
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
OTHER_BEGINNING = re.compile(r"^[ \t]*(?:/[/*]|(?:int|signed|auto|void)[ \t]+main\b)", re.MULTILINE)
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b", re.MULTILINE)
_BEFORE_BODY = ("{", "try", "noexcept", "->")
_IN_SIGNATURE = ("::", "<", ">", ">>", ",", "*", "&", "&&")
_NOT_CPP_BEFORE_MAIN = frozenset("fn func fun function def proc sub String static".split())
# How many programs to look for in text without fences, and the maximum length of all but the first.
_MOST_PROGRAMS, _LATER_CHARACTERS = 8, 1 << 15

_MAIN_BY_MACRO = re.compile(r"^\s*#[ \t]*define[ \t]+([A-Za-z_]\w*)(\([^)\n]*\))?[ \t]+(?:[^\n]|\\\n)*?(?:\bmain\b|##)")
LINE_NUMBER = r"^[ \t]*(?:L|\[)?(\d{1,5})(?:[ \t]?[:|.)│→\]]|\t|(?=[ ]|$))"
_NUMBERED = re.compile(LINE_NUMBER + "(.*)$")
_DOTS = re.compile(
    r"^[ \t]*(?:\.\.\.|…)[ \t]*(?:[\w(/][^\n;]*)?$|[;{}][ \t]*(?:\.\.\.|…)[ \t]*(?:[;}]|$)"
    r"|^[ \t]*(?:\[(?:\.\.\.|…)\]|\#[ \t]*include[ \t]+(?:\.\.\.|…))"
    r"|^[ \t]*(?!(?:catch|return)\b)\w+[ \t]*\((?:\.\.\.|…)\);",
    re.MULTILINE,
)
_DOTS_IN_COMMENT = re.compile(
    r"(?://|/\*)[ \t*]*(?:(?:\.\.\.|…)[ \t]*(?:\*/)?[ \t]*$"
    r"|(?:(?:\.\.\.|…)[ \t]*)(?:\(?\w[^\n]{0,80})?(?:\.\.\.|…)"
    r"|[(<\[]?(?:unchanged|omitted|elided|snip(?:ped)?)[)>\]]?[ \t.]*(?:\*/)?[ \t]*$"
    r"|(?:\.\.\.|…)?[ \t]*\(?(?:the )?(?:rest|remainder|remaining|same|unchanged|existing|previous|other|your)\b"
    r"[^\n]{0,60}\b(?:code|program|as before|as above|here|unchanged|original|main|logic|function)s?\b)",
    re.MULTILINE | re.IGNORECASE,
)
_OTHER_SYNTAX = {
    "java": re.compile(r"\bpublic\s+static\s+void\s+main\s*\(|\bimport\s+java\b|\bSystem\.(?:out|in)\b"),
    "c#": re.compile(r"\bstatic\s+(?:async\s+)?(?:void|int|Task)\s+Main\s*\(|^[ \t]*using\s+System\s*;", re.MULTILINE),
    "python": re.compile(
        r"^[ \t]*(?:def[ \t]+\w+\([^)\n]*\)[^:\n]*:\s*?$|from\s+\w+\s+import\b|if __name__ ==)", re.MULTILINE
    ),
    "rust": re.compile(r"\bfn\s+main\s*\(\s*\)\s*(?:->[^{]{0,200})?\{|^[ \t]*use\s+std::", re.MULTILINE),
    "go": re.compile(r"^[ \t]*package\s+main\b|\bfunc\s+main\s*\(\s*\)", re.MULTILINE),
    "javascript": re.compile(r"\bconsole\.log\(|\bfunction\s+main\s*\(|\brequire\(['\"]"),
    "kotlin": re.compile(r"\bfun\s+main\s*\("),
    "d": re.compile(r"^[ \t]*import\s+std\.", re.MULTILINE),
    "shell": re.compile(r"\A\s*(?:#!|\$ )"),
}


def _include_of_cpp(code: str) -> bool:
    return _INCLUDE.search(code) is not None


_BRACKETS = frozenset("(){}")
_NOT_BLANK = re.compile(r"\S")


@lru_cache(maxsize=2)  # a block is read where prose is taken off it and again as a candidate
def lexed_once(text: str) -> Sequence[Token]:
    """All tokens of a text."""
    return tuple(lex(text))


@dataclass(frozen=True)
class Tokens:
    """A text's tokens without comments and directives; `partners` maps the index of each opening bracket to that of its
    closing one."""

    text: str
    tokens: Sequence[Token]
    directives: Sequence[Token]
    partners: dict[int, int]

    @staticmethod
    def of(text: str) -> Tokens:
        tokens: list[Token] = []
        directives: list[Token] = []
        partners: dict[int, int] = {}
        open_at: dict[str, list[int]] = {")": [], "}": []}
        for token in lexed_once(text):
            if token.kind == "comment":
                continue
            if token.kind == "directive":
                directives.append(token)
                continue
            index = len(tokens)
            tokens.append(token)
            if token.text not in _BRACKETS:
                continue
            if token.text in ("(", "{"):
                open_at[")" if token.text == "(" else "}"].append(index)
            elif open_at[token.text]:
                partners[open_at[token.text].pop()] = index
        return Tokens(text, tokens, directives, partners)

    def __getitem__(self, index: int) -> str:
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    @cached_property
    def macros_of_main(self) -> frozenset[str]:
        """The macros that stand, or may stand, for the head of `main`: they paste tokens into a name."""
        found = (_MAIN_BY_MACRO.match(directive.text) for directive in self.directives if len(directive.text) < 1000)
        return frozenset(match[1] for match in found if match)

    # Everything may stand on one long line: what is asked of a line is found once.
    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    @cached_property
    def _code_lines(self) -> dict[int, bool]:
        return {}

    def line_of(self, token: Token) -> int:
        """The offset at which a token's line begins."""
        return self._line_starts[bisect_right(self._line_starts, token.start) - 1]

    def main(self, first: int = 0) -> int | None:
        """Index of the brace that opens the body of `main`, preferring one at top level; None if there is none."""
        nested = None
        top_level_from = first
        for index in range(first, len(self.tokens)):
            text = self.tokens[index].text
            if text == "{" and index >= top_level_from:
                top_level_from = self.partners.get(index, index)
            if text == "main" and self[index + 1] == "(" and self[index - 1] not in _NOT_CPP_BEFORE_MAIN:
                after = self.partners.get(index + 1, len(self.tokens)) + 1
                if self[after] in _BEFORE_BODY:
                    body = next((i for i in range(after, len(self.tokens)) if self.tokens[i].text == "{"), None)
                    if index >= top_level_from:
                        return body
                    nested = nested or body
        return nested or self._main_by_macro(first)

    def _main_by_macro(self, first: int) -> int | None:
        names = self.macros_of_main
        if not names:
            return None
        index = first
        while index < len(self.tokens):
            text = self.tokens[index].text
            if text in names:
                # `MAIN {`, `MAIN() {`, `int MAIN(void) {`, `int P(ma, in)() {`; or the macro contains the brace.
                at = index + 1
                while self[at] == "(" and at in self.partners:
                    at = self.partners[at] + 1
                return at if self[at] == "{" else index
            index = self.partners.get(index, index) + 1 if text == "{" else index + 1
        return None

    def end_of_main(self, body: int) -> int | None:
        """Index of the brace that ends `main`, including any handlers; None if it is missing."""
        if self[body] != "{":  # a macro contains the opening brace, so another contains the closing one
            return len(self.tokens) - 1
        end = self.partners.get(body)
        while end is not None and self[end + 1] == "catch":
            end = next((self.partners.get(i) for i in range(end, len(self.tokens)) if self[i] == "{"), None)
        return end

    def function_body(self, start: int) -> int | None:
        """Index of the brace that opens the body of the function defined at `start`; None if none is."""
        index = start
        while index < len(self.tokens) and (self.tokens[index].kind == "word" or self[index] in _IN_SIGNATURE):
            index += 1
        names = [token.text for token in self.tokens[start:index] if token.kind == "word"]
        if len(names) < 2 or names[-1] == "main" or self[index] != "(":
            return None
        body = self.partners.get(index, len(self.tokens)) + 1
        return body if self[body] == "{" else None

    def declaration_end(self, start: int) -> int | None:
        """Index of the semicolon that ends the declaration at `start`; None if no line of code begins there."""
        line = self.line_of(self.tokens[start])
        if line not in self._code_lines:
            self._code_lines[line] = CODE_LINE.match(self.text, line) is not None
        if not self._code_lines[line]:
            return None
        index = start
        while index < len(self.tokens) and self.tokens[index].text != ";":
            index = self.partners.get(index, index) + 1
        return index if index < len(self.tokens) else None


@dataclass(frozen=True)
class Found:
    """A program in a text; `complete`: all its braces close."""

    code: str
    complete: bool
    start: int
    end: int


def programs_in(text: str) -> Iterator[Found]:
    """The programs in text without fences. Each runs from the first line that looks like C++ to the brace that closes
    `main`, plus any functions defined after it; or to the end of the text if a brace is missing."""
    tokens: Tokens | None = None
    at = 0
    for _ in range(_MOST_PROGRAMS):
        start = CODE_LINE.search(text, at)
        if start is None:
            return
        if tokens is None or at:
            # Brackets in the prose before it must not pair with the program's.
            tokens = Tokens.of(text[start.start() :][: None if tokens is None else _LATER_CHARACTERS])
        found = _first_program(tokens, start.start())
        if found is None:
            return
        yield found
        at = found.end


def _first_program(tokens: Tokens, offset: int) -> Found | None:
    text = tokens.text
    body = tokens.main()
    if body is None:
        return None
    end = tokens.end_of_main(body)
    if end is None:
        return Found(text, False, offset, offset + len(text))
    # Another #include starts another program.
    other = _INCLUDE.search(text, tokens.tokens[end].end)
    limit = other.start() if other else len(text)
    index = end + 1
    while index < len(tokens.tokens) and tokens.tokens[index].start < limit:
        function = tokens.function_body(index)
        if function is None:
            semicolon = tokens.declaration_end(index)
            if semicolon is None:
                break
            index = semicolon + 1
        elif function not in tokens.partners:
            return Found(text, False, offset, offset + len(text))
        else:
            end = tokens.partners[function]
            index = end + 1
    last = tokens.tokens[end].end
    return Found(text[:last], True, offset, offset + last)


class Piece:
    """A piece of code, e.g. from a block; its properties are computed once."""

    def __init__(self, code: str, steps: Steps) -> None:
        self.code = code
        self._steps = steps

    @cached_property
    def lexed(self) -> Sequence[Token]:
        return lexed_once(self.code)

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens.of(self.code)

    @cached_property
    def body_of_main(self) -> int | None:
        """Index of the token that opens the body of `main`. If brackets nest it in something else, the syntax tree
        decides, provided it has no errors: a class's `main` is not the program's, one within unbalanced brackets may
        be."""
        body = self.tokens.main()
        if body is None or not self.tokens.macros_of_main.isdisjoint(token.text for token in self.tokens.tokens):
            return body
        within = any(start < body < end and self.tokens[start] == "{" for start, end in self.tokens.partners.items())
        tree = self.structure if within else None
        return None if tree is not None and tree.errors == 0 and tree.main is None else body

    @cached_property
    def complete(self) -> bool:
        """Whether every brace closes."""
        body = self.body_of_main
        if body is None or self.tokens.end_of_main(body) is None:
            return False
        braces = [i for i, token in enumerate(self.tokens.tokens) if token.text == "{"]
        return all(brace in self.tokens.partners for brace in braces)

    @cached_property
    def structure(self) -> Structure | None:
        return structure(self.code, self._steps)

    @cached_property
    def is_excerpt(self) -> bool:
        """Whether an ellipsis stands as a statement of its own, in place of code."""
        return ("..." in self.code or "…" in self.code) and _DOTS.search(self.bare) is not None

    @cached_property
    def bare(self) -> str:
        """The code without comments and the contents of literals, keeping its lines."""
        return "".join(_bare(self.code, self.lexed))

    @cached_property
    def has_placeholder(self) -> bool:
        """Whether a comment stands for omitted code: `// ... the rest as before`."""
        return any(token.kind == "comment" and _DOTS_IN_COMMENT.search(token.text[:300]) for token in self.lexed)

    @cached_property
    def is_diff(self) -> bool:
        """Whether its lines form a diff."""
        lines = [line for line in self.code.split("\n") if line.strip()]
        if any(line.startswith(("@@ ", "diff --git ")) for line in lines):
            return True
        removed = sum(line.startswith("-") and not line.startswith("--") for line in lines)
        added = sum(line.startswith("+") and not line.startswith("++") for line in lines)
        return removed > 0 and added > 0 and all(line[0] in "+- \t" or line.startswith("@@") for line in lines)

    @cached_property
    def other_language(self) -> str | None:
        """The language whose syntax it has, if not C++."""
        if _include_of_cpp(self.code):
            return None
        return next((name for name, pattern in _OTHER_SYNTAX.items() if pattern.search(self.bare)), None)


def _bare(code: str, lexed: Iterable[Token]) -> Iterator[str]:
    at = 0
    for token in lexed:
        if token.kind in ("comment", "raw", "string", "char"):
            yield code[at : token.start]
            at = token.end
    yield code[at:]


def tidied(code: str, *, closed: bool) -> str:
    """A block's program without the text before and after it: a title or prose, special tokens.

    If the block was not `closed`, it ends where the program does.
    """
    code = _out_of_heredoc(without_line_numbers(code))
    code = _without_escapes(code)
    lines = code.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if first < len(lines) and not _begins_code(lines[first]):
        start = CODE_LINE.search(code)
        if start is not None and _is_talk(code[: start.start()]):
            code = code[start.start() :]
    if not closed:
        found = next(programs_in(code), None)
        if found is not None and found.complete:
            head = code[: found.start]
            return (head if _is_comments(head) else "") + found.code
        return code
    return _without_prose_behind(code)


_HEREDOC = re.compile(r"^[ \t]*(?:\$ )?cat\b[^\n<]{0,200}<<-?[ \t]*(['\"\\]?)(\w{1,40})\1[^\n]*\n", re.MULTILINE)


def _out_of_heredoc(code: str) -> str:
    """The file written by the first `cat > FILE << EOF` among shell commands; the whole text if there is none."""
    begins = _HEREDOC.search(code)
    if begins is None:
        return code
    ends = re.compile(rf"^[ \t]*{begins[2]}[ \t]*$", re.MULTILINE).search(code, begins.end())
    return code[begins.end() : ends.start() if ends else len(code)]


def _begins_code(line: str) -> bool:
    return CODE_LINE.match(line) is not None or line.lstrip().startswith(("//", "/*", "#", "[[", "extern", "}"))


def _is_talk(text: str) -> bool:
    """Whether the text before the first line of code is not code itself."""
    return not any(sign in text for sign in ";{}=") or text.rstrip().endswith(":")


def _is_comments(text: str) -> bool:
    return all(token.kind in ("comment", "directive") for token in lex(text))


def _without_prose_behind(code: str) -> str:
    last = code.rstrip().rpartition("\n")[2].strip()
    if last.endswith(("}", ";", "*/")) or last.startswith(("//", "#", "}")):
        return code
    tokens = Tokens.of(code)
    body = tokens.main()
    end = None if body is None else tokens.end_of_main(body)
    if end is None:
        return code
    index = end + 1
    line, begins = -1, 0
    while index < len(tokens.tokens):
        token = tokens.tokens[index]
        if (its_line := tokens.line_of(token)) != line:
            line = its_line
            begins = next(_NOT_BLANK.finditer(code, line)).start()
        if begins < token.start:  # after the brace, on its line
            if token.text == ";":
                index += 1
                continue
            return code
        function = tokens.function_body(index)
        if function is not None and function in tokens.partners:
            index = tokens.partners[function] + 1
            continue
        stop = code.find("\n", token.start)
        said = code[line : stop if stop >= 0 else len(code)].strip()
        if not _reads_as_prose(said):
            return code
        return code[: tokens.tokens[index - 1].end]
    return code


def _reads_as_prose(line: str) -> bool:
    """Whether a line is words separated by spaces without the ending of a line of code; or a special token."""
    if line.startswith(("<|", "</", "[/", "<｜")):
        return True
    if line.endswith((";", "{", "}", ",", ")", "\\")):
        return False
    return re.match(r"(?:[-*>#]+ )?\**[A-Za-z`'’]+,?(?: [\w`'’(-]+)+", line) is not None


def without_line_numbers(code: str) -> str:
    """The text without line numbers, if every line begins with one."""
    lines = code.split("\n")
    matches = [_NUMBERED.match(line) for line in lines if line.strip()]
    found = [match for match in matches if match]
    numbers = [int(match[1]) for match in found]
    if len(found) < max(3, len(matches)) or any(b - a not in (1, 2) for a, b in itertools.pairwise(numbers)):
        return code
    # What all lines have between number and code; the rest is the code's indentation.
    gap = min((len(match[2]) - len(match[2].lstrip(" ")) for match in found if match[2].strip()), default=0)
    return "\n".join(_NUMBERED.sub(lambda match: match[2][gap:], line, count=1) for line in lines)


def _without_escapes(code: str) -> str:
    """The text with HTML entities decoded, if its own brackets are written as entities."""
    for _ in range(2):
        if not is_escaped(code):
            return code
        code = html.unescape(code)
    return code


_ENTITY = re.compile(r"&(?:amp;)?(?:lt|gt|amp|quot|#0*(?:34|38|39|60|62)|#x(?:22|26|27|3[ce])|apos);", re.IGNORECASE)
_ESCAPED_INCLUDE = re.compile(r"#[ \t]*include[ \t]*&(?:amp;)?(?:lt|quot|#0*(?:34|60)|#x(?:22|3c));", re.IGNORECASE)


def is_escaped(code: str) -> bool:
    """Whether a program's brackets are HTML entities."""
    if _ESCAPED_INCLUDE.search(code):
        return True
    return (
        "<" not in code
        and _ENTITY.search(code) is not None
        and _ENTITY.search("".join(_bare(code, lex(code)))) is not None
    )


# Library functions that programs also define themselves: mentioning one is no reason to look for another piece.
_STANDARD = frozenset(
    "max min swap abs sort gcd lcm pow sqrt count find next prev distance reverse fill main size begin end data move "
    "hash plus less greater function array list map set stack queue vector string pair".split()
)


def joined(main: Piece, others: Sequence[Piece]) -> tuple[str, list[Piece]]:
    """The program completed by definitions from other pieces, and the pieces used; each is used whole.

    A piece is used if `main` mentions a name that only the piece defines, or includes it as a file.
    """
    ours = main.structure if others else None
    if ours is None:
        return main.code, []
    code = main.code
    taken: list[Piece] = []
    defined = set(ours.defined)
    needed = ours.needed - _STANDARD
    for _ in range(len(others)):
        more = None
        for other in others:
            theirs = other.structure
            if other in taken or theirs is None or not theirs.declares_only or theirs.defined & defined:
                continue
            if theirs.defined & needed:
                more = other
                break
        if more is None or more.structure is None:
            break
        taken.append(more)
        defined |= more.structure.defined
        needed |= more.structure.needed - _STANDARD
    if "include" not in code:
        # A block of nothing but includes belongs to the next one.
        taken += [piece for piece in others if piece not in taken and _only_includes(piece)]
    if not taken:
        return code, []
    before = [piece for piece in taken if not _promised(piece, ours)]
    behind = [piece for piece in taken if _promised(piece, ours)]
    # A local file cannot be included: its text is here.
    code = re.sub(r'^[ \t]*#[ \t]*include[ \t]*"[^"\n]*"[^\n]*\n?', "", code, flags=re.MULTILINE)
    order = sorted(before, key=others.index)
    parts = [piece.code.strip("\n") for piece in order] + [code.strip("\n")] + [p.code.strip("\n") for p in behind]
    return "\n".join(parts), taken


def _only_includes(piece: Piece) -> bool:
    lines = [line.strip() for line in piece.code.split("\n") if line.strip()]
    return any("include" in line for line in lines) and all(line.startswith(("#", "using ", "//")) for line in lines)


def _promised(piece: Piece, ours: Structure) -> bool:
    return piece.structure is not None and bool(piece.structure.defined & ours.promised)
