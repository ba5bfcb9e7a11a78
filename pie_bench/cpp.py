"""C++ text, the one place that reads it: as tokens, which every text has, and as a syntax tree (tree-sitter's).

Tokens are found in linear time, whatever the text; they compare programs and find where one ends in the midst of prose.
The tree knows what is declared. It is asked for within bounds only, and may be missing.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from pie_bench.hashing import sha256

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
# Signs that never begin a longer token come first, for speed: some texts contain nothing else.
_SINGLE_SIGN = r"""[^\w\s/."'\#<>:=!&|*%^+-]"""
# A run of whole tokens without any comment or literal.
_NEITHER = r"""
    (?P<neither> (?: \s | [^\w/."'] | /(?![/*]) | \.?[0-9](?:[eEpP][+-]|'(?=\w)|[\w.])*
    | (?!(?:u8|[uUL])?(?:["']|R"[^()\\\s]{0,16}\())[^\W\d]\w* | [.\d] )+ )
"""
_FLAGS = re.VERBOSE | re.DOTALL | re.MULTILINE
_TOKEN = re.compile(f"{_SINGLE_SIGN}|{_DIRECTIVE}|{_PLAIN}", _FLAGS)
PLAIN_TOKEN = re.compile(_PLAIN, _FLAGS)
_COMMENT_OR_LITERAL = re.compile(f"{_NEITHER}|{_PLAIN}", _FLAGS)


class Token(NamedTuple):
    """`kind` is directive, comment, raw, string, char, number, word or sign; `start` and `end` are offsets."""

    kind: str
    text: str
    start: int
    end: int


def lex(text: str) -> Iterator[Token]:
    """The tokens of any text, in order; a preprocessor directive with its continuation lines is one token."""
    new = tuple.__new__  # Token's own constructor takes twice as long, and there are many
    for match in _TOKEN.finditer(text):
        yield new(Token, (match.lastgroup or "sign", match[0], match.start(), match.end()))


def code_tokens(source: str) -> list[str]:
    """What a program says, whatever its comments and layout; the inside of a directive counts token by token."""
    return [match[0] for match in PLAIN_TOKEN.finditer(source) if match.lastgroup != "comment"]


def text_sum(source: str) -> str:
    """The sum of what a program says, comments and layout aside."""
    return sha256("\0".join(code_tokens(source)).encode(errors="replace"))


def without_comments(source: str) -> str:
    """The text with a space for each comment."""
    return _replaced(source, lambda kind, literal: " " if kind == "comment" else literal)


def literals_apart(source: str) -> tuple[str, list[tuple[str, str]]]:
    """The text without comments and with its string literals emptied, and the literals with their kind (`string` or
    `raw`), in order; a character literal becomes 0."""
    literals: list[tuple[str, str]] = []

    def replaced(kind: str, literal: str) -> str:
        if kind in ("string", "raw"):
            literals.append((kind, literal))
            return '""'
        return " " if kind == "comment" else " 0 "

    return _replaced(source, replaced), literals


def _replaced(source: str, replaced: Callable[[str, str], str]) -> str:
    """The text with each comment and literal replaced by what `replaced` makes of its kind and text."""

    def of(match: re.Match[str]) -> str:
        return match[0] if match.lastgroup == "neither" else replaced(str(match.lastgroup), match[0])

    return _COMMENT_OR_LITERAL.sub(of, source)


# tree-sitter's error recovery is not linear (`a<b>::` a thousand times takes seconds), so its steps are counted. A step
# is a hundred operations of the parser; real programs need one for 40 to 60 bytes, of 0.1 ms. Where the parser recovers
# from an error, a step takes up to 1 ms; of 758 real texts 26 had any such steps, at most 17.
_STEPS = 4_000  # some 200 KB of C++
_STEPS_OF_ANSWER = 250  # for all the texts of one answer: some 12 KB
_STEPS_FOR_MAIN = 128  # some 6 KB
_STEPS_IN_ERROR = 64
_STEPS_FREE, _BYTES_A_STEP = 200, 16
# A token that is not found may have been looked for to the end of the text (`#include <` without a `>`): such a step is
# not short. Real programs and answers are read once.
_MOST_READINGS, _CHUNK_BYTES = 8, 1 << 12
_LONGEST_BYTES = 1 << 18
_TYPES = ("struct_specifier", "class_specifier", "union_specifier", "enum_specifier", "namespace_definition")
_DECLARE = (
    *("declaration", "parameter_declaration", "optional_parameter_declaration", "for_range_loop", "field_declaration"),
    *("function_definition", "structured_binding_declarator"),
)
_AT_THE_TOP = (
    *("translation_unit", "preproc_if", "preproc_ifdef", "preproc_else", "preproc_elif", "linkage_specification"),
    *("declaration_list", "template_declaration", "declaration", "type_definition"),
)
_DECLARATIONS = re.compile(r"preproc_.*|.*_definition|.*_specifier|.*declaration|comment|;")
_NAMES = ("identifier", "type_identifier", "field_identifier", "namespace_identifier")


@dataclass
class Steps:
    """How many steps of the parser are left, and how many of them in errors."""

    left: int = _STEPS_OF_ANSWER
    left_in_error: int = _STEPS_IN_ERROR


@dataclass(frozen=True)
class Structure:
    """What a C++ text declares, by its syntax tree.

    `defined`: names that it defines at the top level (functions with a body, types, variables, macros); `promised`:
    functions that are declared there only; `needed`: what it mentions and declares nowhere, local names included.
    `main`: where the definition of `main` begins and ends, as offsets; None where the tree has none, as when a macro
    writes it. `errors`: places that are not C++ as the grammar has it, most of them macros in real programs.
    """

    main: tuple[int, int] | None
    parameters: int  # of main
    defined: frozenset[str]
    promised: frozenset[str]
    needed: frozenset[str]
    errors: int
    declares_only: bool  # at the top level: no statements, and nothing that is not C++


def structure(text: str, steps: Steps | None = None) -> Structure | None:
    """The structure of a C++ text; None for one that takes more steps than are left, or is longer than 256 KiB."""
    data = text.encode(errors="replace")
    steps = Steps() if steps is None else steps
    allowed = min(steps.left, _STEPS_FREE + len(data) // _BYTES_A_STEP)
    if len(data) > _LONGEST_BYTES or allowed <= 0:
        return None
    given = Steps(allowed, steps.left_in_error)
    root = _tree(data, given)
    steps.left -= allowed - given.left
    steps.left_in_error = given.left_in_error
    return None if root is None else _structure_of(root, data)


def main_parameters(text: str) -> int | None:
    """How many parameters `main` has: None for a text without one at the top level, or as `structure` has it. Looks at
    the top level only, and no further than some 6 KB of it."""
    data = text.encode(errors="replace")
    if len(data) > _LONGEST_BYTES:
        return None
    root = _tree(data, Steps(_STEPS_FOR_MAIN))
    waiting = [] if root is None else [root]
    while waiting:
        node = waiting.pop()
        if node.type == "function_definition" and node.child_by_field_name("body") is not None:
            declarator = node.child_by_field_name("declarator")
            if _declared(declarator, data) == "main":
                return _parameters(declarator)
        elif node.type in _AT_THE_TOP and node.type not in ("declaration", "type_definition"):
            waiting.extend(reversed(node.children))
    return None


def syntax_tree(text: str) -> Any | None:
    """The root of a text's syntax tree (tree-sitter's; positions are bytes of its UTF-8); None where it takes more
    steps than real programs do."""
    return _tree(text.encode(errors="replace"), Steps(_STEPS))


def unused_functions(root: Any, text: str) -> list[Any]:
    """The definitions of functions that a program's `main` does not lead to, as far as names say: a function is used if
    its name stands in a used one, in a class, in a macro, or elsewhere outside of functions."""
    data = text.encode(errors="replace")
    functions: list[tuple[str, Any, set[str]]] = []
    used = {"main"}
    waiting = [(root, used)]
    while waiting:
        node, names = waiting.pop()
        if node.type in _NAMES:
            names.add(text_of(node, data))
        elif node.type == "preproc_arg":
            names.update(re.findall(r"[A-Za-z_]\w*", text_of(node, data)))
        elif node.type == "declaration" and names is used:  # that there is a function is no use of it
            declared = [each for each in node.children_by_field_name("declarator") if _is_function(each)]
            waiting.extend((child, names) for child in node.children if child not in declared)
            continue
        elif node.type == "function_definition" and names is used and not _is_within_class(node):
            name, names = _declared(node.child_by_field_name("declarator"), data), set()
            functions.append((name, node, names))
        waiting.extend((child, names) for child in node.children)
    reached = True
    while reached:
        reached = False
        for name, _, names in functions:
            if (name in used or not name) and not names <= used:  # an operator has no name
                used |= names
                reached = True
    return [node for name, node, _ in functions if name and name not in used]


def _is_within_class(node: Any) -> bool:
    return node.parent is not None and node.parent.type == "field_declaration_list"


def _tree(data: bytes, steps: Steps) -> Any | None:
    """The root of a text's syntax tree; None if it takes more `steps`, which are taken off, than are left."""
    from tree_sitter import Parser

    left, ends = _MOST_READINGS * len(data), len(data)

    def read(at: int, _: object) -> bytes:
        nonlocal left, ends
        part = data[at : min(at + _CHUNK_BYTES, ends)]
        left -= len(part)
        ends = ends if left >= 0 else 0
        return part

    def stop(_: int, in_error: bool) -> bool:
        steps.left -= 1
        steps.left_in_error -= in_error
        return steps.left < 0 or steps.left_in_error < 0 or ends < len(data)

    try:
        tree = Parser(_language()).parse(read, progress_callback=stop)
    except ValueError:  # the parser was stopped
        return None
    left = sys.maxsize  # a node's `text` is read that way, too
    return tree.root_node if ends == len(data) else None


@functools.cache
def _language() -> Any:
    import tree_sitter_cpp
    from tree_sitter import Language

    return Language(tree_sitter_cpp.language())


def _structure_of(root: Any, data: bytes) -> Structure:
    main, parameters = None, 0
    defined: set[str] = set()
    promised: set[str] = set()
    names: set[str] = set()
    local: set[str] = set()
    errors = 0
    waiting = [(root, True)]
    while waiting:
        node, top = waiting.pop()
        kind = node.type
        if kind == "ERROR" or node.is_missing:
            errors += 1
        if kind in _NAMES:
            names.add(text_of(node, data))
        elif kind == "preproc_arg":  # a macro's replacement is not parsed
            names.update(re.findall(r"[A-Za-z_]\w*", text_of(node, data)))
        if kind in _DECLARE:
            local.update(_declared(each, data) for each in node.children_by_field_name("declarator"))
        if kind in ("preproc_def", "preproc_function_def"):
            defined.add(text_of(node.child_by_field_name("name"), data))
        elif top and kind == "function_definition":
            declarator = node.child_by_field_name("declarator")
            name = _declared(declarator, data)
            defined.add(name)
            if name == "main" and main is None and node.child_by_field_name("body") is not None:
                main = node.start_byte, node.end_byte
                parameters = _parameters(declarator)
        elif top and kind == "declaration":
            for declarator in node.children_by_field_name("declarator"):
                (promised if _is_function(declarator) else defined).add(_declared(declarator, data))
        elif top and kind in ("type_definition", "alias_declaration"):
            for field in ("declarator", "name"):
                defined.update(_declared(each, data) for each in node.children_by_field_name(field))
        if top and kind in _TYPES and node.child_by_field_name("body") is not None:
            defined.add(text_of(node.child_by_field_name("name"), data))
        waiting.extend((child, top and kind in _AT_THE_TOP) for child in node.children)
    found = None if main is None else (_characters(data, main[0]), _characters(data, main[1]))
    needed = frozenset(names - local - defined)
    declares_only = errors == 0 and all(_DECLARATIONS.fullmatch(child.type) for child in root.children)
    named = frozenset(defined - {""}), frozenset(promised - {""})
    return Structure(found, parameters, *named, needed | promised, errors, declares_only)


def text_of(node: Any, data: bytes) -> str:
    """A node's text in the UTF-8 that was parsed, "" for none; much faster than its `text`."""
    return "" if node is None else data[node.start_byte : node.end_byte].decode(errors="replace")


def _is_function(node: Any) -> bool:
    while node is not None and node.type in ("pointer_declarator", "reference_declarator"):
        node = node.child_by_field_name("declarator") or (node.children[-1] if node.children else None)
    return node is not None and node.type == "function_declarator"


def _declared(node: Any, data: bytes) -> str:
    """The name that a declarator declares."""
    while node is not None and node.type not in _NAMES:
        below = node.child_by_field_name("declarator")
        if below is None:
            below = next((child for child in node.children if child.type.endswith(("declarator", "identifier"))), None)
        node = below
    return text_of(node, data)


def _parameters(declarator: Any) -> int:
    while declarator is not None and declarator.type != "function_declarator":
        declarator = declarator.child_by_field_name("declarator")
    given = None if declarator is None else declarator.child_by_field_name("parameters")
    return 0 if given is None else sum(child.type.endswith("parameter_declaration") for child in given.children)


def _characters(data: bytes, end: int) -> int:
    return len(data[:end].decode(errors="replace"))
