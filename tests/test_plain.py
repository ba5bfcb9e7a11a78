"""Untrusted text: invisible characters are written out, and no name passes for another."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.plain import plain, public_name, same_name, shown_model, shown_name

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_in_shown_text_is_hidden(text: str) -> None:
    for shown in (plain(text), shown_name(text)):
        assert not {unicodedata.category(c) for c in shown} & HIDDEN
        shown.encode()
    assert not {unicodedata.category(c) for c in plain(text, lines=True) if c not in "\n\t"} & HIDDEN


@given(st.text(st.characters(exclude_categories=())))
def test_a_shown_name_is_shown_as_it_is(text: str) -> None:
    assert shown_name(shown_name(text)) == shown_name(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]8;;https://evil\x07click\x1b]8;;\x07", r"\x1b]8;;https://evil\x07click\x1b]8;;\x07"),
        ("a\u202eb", r"a\u202eb"),
        ("a\nb\tc", r"a\x0ab\x09c"),
        ("\ud800", r"\ud800"),
        ("naïve 東京 ×", "naïve 東京 ×"),
    ],
)
def test_invisible_characters_are_written_out(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("gpt-4", "gpt-4"),
        ("g\u0440t-4", r"g\u0440t-4"),  # Cyrillic er
        ("\u0430\u0440\u0435", r"\u0430\u0440\u0435"),  # nothing but letters that pass for Latin ones
        ("GP\u03a4-4", r"GP\u03a4-4"),  # Greek tau
        ("^\u03bc\u0c05", "\\x5e\\u03bc\u0c05"),  # beside the x
        ("gpt\u20114", "gpt-4"),
        ("ｇｐｔ-４", "gpt-4"),
        ("𝐠𝐩𝐭-4", "gpt-4"),
        ("gpt-4\u200b", r"gpt-4\u200b"),
        ("gpt-4\u3164", r"gpt-4\u1160"),
        ("\u0261pt-4", r"\u0261pt-4"),  # Latin script g
        ("gp\u0335t", r"gp\u0335t"),
        ("  Müller   GmbH ", "Müller GmbH"),
        ("北京大学", "北京大学"),
        ("東京 Lab", "東京 Lab"),
    ],
)
def test_names_are_shown_so_that_none_passes_for_another(name: str, shown: str) -> None:
    assert shown_name(name) == shown


def test_names_that_look_alike_are_the_same_or_differ_to_the_eye() -> None:
    assert same_name("Open AI", "open-ai")
    assert same_name("ＯｐｅｎＡＩ", "OpenAI")
    assert not same_name("OpenAI", "Open\u0410I")


@pytest.mark.parametrize(
    ("model", "resolved", "shown"),
    [
        ("gpt-4", "gpt-4-0613 prompting chat", "gpt-4"),
        ("gpt-4", "gpt-4-0613 at http://127.0.0.1:8000/v1 prompting chat", "gpt-4 @ 127.0.0.1:8000"),
        ("openai:m", "m at https://u:p@host.example/v1 prompting chat", "openai:m @ host.example"),
        ("gpt-4", "gpt-4-0613 weights mine prompting chat", "gpt-4 @ a server of mine"),
        ("gpt-4", "gpt-4 at https://[ prompting chat", "gpt-4 @ another server"),
        ("hf:/home/me/tuned", "sha256:ab transformers 5 prompting chat", "hf:tuned"),
        ("vllm:out/model", "sha256:ab adapted tiny--lora vllm 0.32.0 prompting text", "vllm:tiny--lora"),
        ("mine", "sha256:ab adapted tiny--lora vllm 0.32.0 prompting text", "mine"),
        ("openai:m", "m adapted gpt-4 prompting chat", "openai:m"),
    ],
)
def test_another_server_than_the_providers_is_named(model: str, resolved: str, shown: str) -> None:
    assert shown_model(model, resolved) == shown


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("hf:/home/me/tuned/", "hf:tuned"),
        ("replay:~/answers.jsonl", "replay:answers.jsonl"),
        ("replay:../x/answers.jsonl", "replay:answers.jsonl"),
        ("/data/own.yaml", "own.yaml"),
        ("hf:Qwen/Qwen2", "hf:Qwen/Qwen2"),
        ("my.module:Model", "my.module:Model"),
        ("hf:/", "hf:local"),
    ],
)
def test_local_paths_are_no_public_names(name: str, public: str) -> None:
    assert public_name(name) == public


def test_what_looks_like_a_hubs_id_may_be_a_path() -> None:
    assert public_name("hf:runs/tuned", is_path=True) == "hf:tuned"
