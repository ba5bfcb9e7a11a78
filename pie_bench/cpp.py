"""C++ text as tokens: enough of a lexer to compare programs and to find where one ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Unclosed comments and raw strings run to the end of the text, other unclosed literals to the end of their line,
# so that every text has tokens. No alternative matches whitespace: it lies between the tokens.
_DIRECTIVE = r"""
    (?P<directive> ^[ \t]*\# (?: \\\n | "(?:\\.|[^"\\\n])*"? | //(?:\\\n|[^\n])* | /\*.*?(?:\*/|\Z) | [^\n] )* )
"""
_PLAIN = r"""
      (?P<comment> //(?:\\\n|[^\n])* | /\*.*?(?:\*/|\Z) )
    | (?P<raw>     (?:u8|[uUL])?R"(?P<delimiter>[^()\\\s]{0,16})\(.*?(?:\)(?P=delimiter)"|\Z) )
    | (?P<string>  (?:u8|[uUL])?"(?:\\.|[^"\\\n])*"? )
    | (?P<char>    (?:u8|[uUL])?'(?:\\.|[^'\\\n])*'? )
    | (?P<number>  \.?[0-9](?:[eEpP][+-]|'(?=\w)|[\w.])* )
    | (?P<word>    [^\W\d]\w* )
    | (?P<sign>    <<=|>>=|->|::|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\S )
"""
_FLAGS = re.VERBOSE | re.DOTALL | re.MULTILINE
_TOKEN = re.compile(f"{_DIRECTIVE}|{_PLAIN}", _FLAGS)
PLAIN_TOKEN = re.compile(_PLAIN, _FLAGS)


class Token(NamedTuple):
    """`kind` is directive, comment, raw, string, char, number, word or sign; `start` and `end` are offsets."""

    kind: str
    text: str
    start: int
    end: int


def lex(text: str) -> Iterator[Token]:
    """The tokens of any text, in order; a preprocessor directive with its continuation lines is one token."""
    for match in _TOKEN.finditer(text):
        yield Token(str(match.lastgroup), match[0], match.start(), match.end())


def code_tokens(source: str) -> list[str]:
    """What a program says, whatever its comments and layout; the inside of a directive counts token by token."""
    return [match[0] for match in PLAIN_TOKEN.finditer(source) if match.lastgroup != "comment"]
