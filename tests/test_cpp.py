import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.cpp import (
    PLAIN_TOKEN,
    Steps,
    code_tokens,
    lex,
    literals_apart,
    main_parameters,
    structure,
    syntax_tree,
    text_of,
    unused_functions,
    without_comments,
)


@pytest.mark.parametrize(
    ("source", "tokens"),
    [
        ("int a=1'000+0x1p-3;", ["int", "a", "=", "1'000", "+", "0x1p-3", ";"]),
        ("a<<=b->c::d // e\n/* f\n g */h", ["a", "<<=", "b", "->", "c", "::", "d", "h"]),
        ('"a // \\" b" u8"é" \'"\' L\'\\\'\'', ['"a // \\" b"', 'u8"é"', "'\"'", "L'\\''"]),
        ('R"x()" )x" y', ['R"x()" )x"', "y"]),
        ("#include <cstdio>\n# define A \\\n 1", ["#", "include", "<", "cstdio", ">", "#", "define", "A", "\\", "1"]),
        ('"open\nint', ['"open', "int"]),
        ('R"(" // )" c', ['R"(" // )"', "c"]),
        ("a // b \\\n c\nd", ["a", "d"]),
        ("/* open", []),
        ("", []),
    ],
)
def test_tokens(source: str, tokens: list[str]) -> None:
    assert code_tokens(source) == tokens


@pytest.mark.parametrize(
    "directive",
    [
        "#include <a>",
        "  # define A {",
        "#define A { \\\n  }",
        "#define A /* {\n } */ 1",
        '#define A "/*"',
        "#if 1 // '/*",
    ],
)
def test_a_directive_is_one_token(directive: str) -> None:
    tokens = list(lex(f"int a;\n{directive}\nint b;"))
    assert [token.text for token in tokens] == ["int", "a", ";", directive, "int", "b", ";"]
    assert tokens[3].kind == "directive"


@given(st.text(st.sampled_from("aR1.'\"\\/*#(){}x \n\té")) | st.text())
def test_tokens_cover_every_text(text: str) -> None:
    end = 0
    for token in lex(text):
        assert token.text == text[token.start : token.end]
        assert token.start < token.end
        assert not text[end : token.start].strip()
        end = token.end
    assert not text[end:].strip()


@given(st.lists(st.sampled_from(["int", "a", "42", '"s /* "', "'c'", "<<", "(", ";"]), min_size=1), st.data())
def test_layout_and_comments_do_not_count(tokens: list[str], data: st.DataObject) -> None:
    gaps = st.sampled_from([" ", "\n", "\t", "/* { ' */", " // \" it's\n"])
    assert code_tokens("".join(token + data.draw(gaps) for token in tokens)) == tokens


def test_the_structure_of_a_program() -> None:
    text = (
        "#define N 9\n#include <cstdio>\nint solve(int);\nstruct P { int a; };\nint grid[N];\n// é\n"
        "int main(int argc, char **argv) {\n    int x = helper(argc);\n    return solve(x);\n}\n"
    )
    found = structure(text)
    assert found is not None and found.main is not None
    assert text[slice(*found.main)].startswith("int main(") and text[slice(*found.main)].endswith("}")
    assert found.parameters == 2
    assert {"N", "P", "grid", "main"} <= found.defined
    assert found.promised == {"solve"}
    assert {"helper", "solve"} <= found.needed and not {"x", "argc"} & found.needed
    assert (found.errors, found.declares_only) == (0, True)


def test_statements_are_no_declarations() -> None:
    found = structure("for (int i = 0; i < n; i++) s += i;\n")
    assert found is not None and not found.declares_only


def test_what_takes_too_many_steps_has_no_structure() -> None:
    steps = Steps(left=20_000)
    assert structure("a<b>::" * 3000, steps) is None
    assert 0 < steps.left < 20_000
    steps = Steps()
    assert structure("int main() { /*" + "e;>.é```cpp\n" * 3000, steps) is None
    assert steps.left_in_error < 0 < steps.left
    assert structure("int main() {}", Steps(left=0)) is None
    assert structure("int main() {}" + " " * (1 << 18)) is None


@pytest.mark.parametrize(
    ("source", "bare", "literals"),
    [
        ('puts("a // b"); // c', 'puts("");  ', [("string", '"a // b"')]),
        ("R\"x(a)x\" 'c'", '""  0 ', [("raw", 'R"x(a)x"')]),
        ("int a; /* b */ int c;", "int a;   int c;", []),
    ],
)
def test_literals_apart(source: str, bare: str, literals: list[tuple[str, str]]) -> None:
    assert literals_apart(source) == (bare, literals)


def test_comments_go_and_strings_stay() -> None:
    assert without_comments('a = "// no"; // yes\nb') == 'a = "// no";  \nb'


_WRITTEN = st.sampled_from(
    [
        *"\"'\\/*<>{}()#;.019eRuLx \n",
        *('R"(', 'u8R"x(', ')"', ')x"', "//", "/*", "*/", "1'0", "uR", "u'", "\u0661", "\u202e"),
    ]
)


@given(st.lists(_WRITTEN, max_size=40).map("".join))
def test_what_stands_between_literals_is_skipped_whole(source: str) -> None:
    """As token by token."""
    kept = [(match.lastgroup, match[0]) for match in PLAIN_TOKEN.finditer(source)]
    assert literals_apart(source)[1] == [each for each in kept if each[0] in ("string", "raw")]
    bare = without_comments(source)
    assert "".join(bare.split()) == "".join("".join(text.split()) for kind, text in kept if kind != "comment")


@given(st.lists(_WRITTEN, max_size=40).map("".join))
def test_tokens_outside_directives_are_the_plain_ones(source: str) -> None:
    source = source.replace("#", "")
    assert [token.text for token in lex(source)] == [match[0] for match in PLAIN_TOKEN.finditer(source)]
    assert [token.kind for token in lex(source)] == [match.lastgroup for match in PLAIN_TOKEN.finditer(source)]


def test_functions_that_main_does_not_lead_to() -> None:
    text = """
#define CALL(x) by_macro(x)
void promised();
int by_macro(int x) { return helper_of_macro(x); }
int helper_of_macro(int x) { return x; }
int first_of_two_unused(int x) { return second_of_two_unused(x); }
int second_of_two_unused(int x) { return first_of_two_unused(x); }
template <class T> T used(T x) { return x; }
template <class T> T unused_template(T x) { return x; }
struct S { int method() { return by_method(); } };
int by_method() { return 1; }
int by_global() { return 2; }
int by_operator() { return 3; }
bool operator<(S a, S b) { return by_operator(); }
int by_variable() { return 4; }
int global = by_global();
int main() { int made(by_variable()); return CALL(used(made)); }
void promised() { }
"""
    root = syntax_tree(text)
    named = [node.text.decode().split("(")[0].split()[-1] for node in unused_functions(root, text)]
    assert sorted(named) == ["first_of_two_unused", "promised", "second_of_two_unused", "unused_template"]


@pytest.mark.parametrize("unit", ["#include <", "a<b>::", "(", "{", 'R"x('])
def test_a_text_that_is_hard_to_parse_is_given_up_soon(unit: str) -> None:
    text = unit * (60_000 // len(unit))
    began = time.process_time()
    main_parameters(text)
    structure(text)
    assert time.process_time() - began < 5, "some of these would take minutes"


def test_a_node_knows_its_text_however_often_it_is_asked() -> None:
    text = "int main() { return 0; }\n" * 9
    root = syntax_tree(text)
    assert root is not None
    assert {root.text.decode() for _ in range(50)} == {text_of(root, text.encode())}
