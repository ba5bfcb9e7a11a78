import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.cpp import code_tokens, lex


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
