"""Answers made to mislead: each has a wrong program, D, that a careless reader would take for the right one, P."""

import json
from collections.abc import Iterator

import pytest

from pie_bench.prompting.extract import extract_code

P = '#include <cstdio>\nint main() {\n    int n;\n    scanf("%d", &n);\n    printf("%d\\n", 2 * n);\n    return 0;\n}\n'
D = P.replace("2 * n", "n + n - 1")
HELPER = "long long twice(long long n) {\n    return 2 * n;\n}\n"
WITH_HELPER = (
    '#include <cstdio>\nint main() {\n    long long n;\n    scanf("%lld", &n);\n    printf("%lld\\n", twice(n));\n}\n'
)
Case = tuple[str, str, str, str]


def fenced(code: str, tag: str = "cpp", fence: str = "```") -> str:
    return f"{fence}{tag}\n{code}{fence}\n"


def within(line: str) -> str:
    return P.replace("    return 0;\n", f"{line}\n    return 0;\n")


def thinking() -> Iterator[Case]:
    yield (
        "template opened, tag glued to text",
        f"First I try {fenced(D)}no good.</think>Here it is:\n{fenced(P)}",
        P,
        "stop",
    )
    yield "template opened, code bare behind", f"The loop is slow.\n{D}\n</think>\n\n{P}", P, "stop"
    yield (
        "template opened, opened again",
        f"hm\n{fenced(D)}</think>\nSure.\n<think>\n{fenced(D)}</think>\n{fenced(P)}",
        P,
        "stop",
    )
    yield "closed twice", f"<think>\n{fenced(D)}</think>\nand\n</think>\n{fenced(P)}", P, "stop"
    yield "nested", f"<think>\na <think>\nb\n</think>\n{fenced(D)}</think>\n{fenced(P)}", P, "stop"
    yield "unclosed behind an answer", f"{fenced(P)}\n<think>\nWait, maybe\n{fenced(D)}", P, "length"
    yield "unclosed, with an open block", f"<think>\n```cpp\n{D}", "truncated", "length"
    yield "unclosed, provider says stop", f"<think>I could write\n{fenced(D)}and then", "truncated", "stop"
    yield "a tag with attributes", f'<thinking mode="deep">\n{fenced(D)}</thinking>\n{fenced(P)}', P, "stop"
    yield "closed with spaces", f"< think >\n{fenced(D)}</ think >\n{fenced(P)}", P, "stop"
    yield "opened and closed by different names", f"<thinking>\n{fenced(D)}</think>\n{fenced(P)}", P, "stop"
    yield (
        "an end tag in its own thinking's prose",
        f"<think>I must close with `</think>` later.\n{fenced(D)}</think>\n{fenced(P)}",
        P,
        "stop",
    )
    yield (
        "a tag in a string in thinking",
        f"<think>\n{fenced(D.replace('return 0', chr(34) + '</think>' + chr(34)))}</think>\n{fenced(P)}",
        P,
        "stop",
    )
    yield "mentioned in a heading", f"# About <think> tags\n\n{fenced(P)}", P, "stop"
    yield "mentioned in a list", f"- I do not emit <think> here\n- nor </think>\n\n{fenced(P)}", P, "stop"
    yield "mentioned at a line's start, quoted", f'"<think>" is a tag.\n\n{fenced(P)}', P, "stop"
    code = within("    // <think> is 2 * n enough? </think>")
    yield "in a comment", fenced(code), code, "stop"
    code = within("    /* </think> */")
    yield "end tag in a block comment", fenced(code), code, "stop"
    code = within('    const char* tag = "</think>";')
    yield "end tag in a string, bare", code, code, "stop"
    yield "double square", f"[THINK]{fenced(D)}[/THINK]{fenced(P)}", P, "stop"
    yield "seed", f"<seed:think>\n{fenced(D)}</seed:think>\n{fenced(P)}", P, "stop"
    yield "kimi", f"◁think▷\n{fenced(D)}◁/think▷\n{fenced(P)}", P, "stop"
    yield "kimi, template", f"{fenced(D)}◁/think▷\n{fenced(P)}", P, "stop"
    yield (
        "skywork",
        f"<|begin_of_thought|>\n{fenced(D)}<|end_of_thought|>\n<|begin_of_solution|>\n{fenced(P)}<|end_of_solution|>",
        P,
        "stop",
    )
    yield (
        "cohere",
        f"<|START_THINKING|>{fenced(D)}<|END_THINKING|><|START_RESPONSE|>{fenced(P)}<|END_RESPONSE|>",
        P,
        "stop",
    )
    yield (
        "harmony",
        f"<|channel|>analysis<|message|>{fenced(D)}<|end|><|start|>assistant<|channel|>final<|message|>{fenced(P)}<|return|>",
        P,
        "stop",
    )
    yield (
        "harmony, several of each",
        f"<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>{fenced(D)}<|end|><|start|>assistant<|channel|>analysis<|message|>{fenced(D)}<|end|><|start|>assistant<|channel|>final<|message|>{fenced(P)}",
        P,
        "stop",
    )
    yield "harmony, cut in analysis", f"<|channel|>analysis<|message|>{fenced(D)}", "truncated", "length"
    yield (
        "harmony, spaces",
        f"<|start|>assistant <|channel|> analysis <|message|>{fenced(D)}<|end|>\n<|start|>assistant <|channel|> final <|message|>{fenced(P)}",
        P,
        "stop",
    )
    yield "harmony without tokens", f"analysisWe need to double n.\n{fenced(D)}assistantfinal{fenced(P)}", P, "stop"
    yield "harmony without tokens, cut", f"analysisWe need to double n.\n{fenced(D)}", "truncated", "length"
    yield (
        "harmony without tokens, commentary",
        f"analysisWe need it.assistantcommentary{fenced(D)}assistantfinal{fenced(P)}",
        P,
        "stop",
    )
    yield (
        "harmony without tokens, lower case",
        f"analysis we need to double n.\n{fenced(D)}assistantfinal Here:\n{fenced(P)}",
        P,
        "stop",
    )
    yield "granite", f"Here is my thought process:\n{fenced(D)}\nHere is my response:\n{fenced(P)}", P, "stop"
    yield "a tag with a colon for its namespace", f"<thinking>\n{fenced(D)}</thinking>\n{fenced(P)}", P, "stop"
    yield "blockquoted thinking", f"> <think>\n> {D.splitlines()[0]}\n> </think>\n\n{fenced(P)}", P, "stop"
    yield "escaped tags", f"&lt;think&gt;\n{fenced(D)}&lt;/think&gt;\n{fenced(P)}", P, "stop"
    yield "deepseek's with wide bars", f"<｜begin▁of▁thinking｜>{fenced(D)}<｜end▁of▁thinking｜>{fenced(P)}", P, "stop"
    yield "summary tag", f"<thinking>\n{fenced(D)}</thinking>\n<output>\n{fenced(P)}</output>", P, "stop"
    yield "unclosed thinking, then answer tag", f"<think>\n{fenced(D)}\n<answer>\n{fenced(P)}</answer>", P, "stop"
    yield (
        "vector of think",
        fenced(P.replace("int n;", "int n; struct think { int t; }; bool thinking = n<0;")),
        P.replace("int n;", "int n; struct think { int t; }; bool thinking = n<0;"),
        "stop",
    )


def which() -> Iterator[Case]:
    yield "before and after", f"**Before**\n{fenced(D)}**After**\n{fenced(P)}", P, "stop"
    yield "after, then before", f"**After:**\n{fenced(P)}**Before:**\n{fenced(D)}", P, "stop"
    yield "table headings", f"### Original\n{fenced(D)}### Optimized\n{fenced(P)}### Benchmark\n{fenced(D)}", P, "stop"
    yield (
        "in comments",
        f"{fenced('// Optimized version' + chr(10) + P)}{fenced('// Original version' + chr(10) + D)}",
        "// Optimized version\n" + P,
        "stop",
    )
    yield "wait", f"{fenced(D)}Wait, that is off by one.\n\n{fenced(P)}", P, "stop"
    yield (
        "oops, no words before the next",
        f"Here:\n{fenced(D)}Oops, I wrote `n + n - 1`. Fixed:\n{fenced(P)}Done.",
        P,
        "stop",
    )
    yield "a test behind", f"{fenced(P)}You can test it with this stress test:\n{fenced(D)}", P, "stop"
    yield "a generator behind", f"Solution:\n{fenced(P)}Input generator:\n{fenced(D)}", P, "stop"
    yield "brute force before", f"A brute force to check against:\n{fenced(D)}The real one:\n{fenced(P)}", P, "stop"
    yield (
        "python last",
        f"{fenced(P)}In Python:\n{fenced('n = int(input())' + chr(10) + 'print(2 * n)' + chr(10), 'python')}",
        P,
        "stop",
    )
    yield (
        "rust without a tag",
        f"{fenced('fn main() {' + chr(10) + '    println!(' + chr(34) + 'x' + chr(34) + ');' + chr(10) + '}' + chr(10), '')}{fenced(P)}",
        P,
        "stop",
    )
    yield (
        "java only",
        fenced("public class Main {\n    public static void main(String[] a) {\n    }\n}\n", ""),
        "no_code",
        "stop",
    )
    yield (
        "go tagged cpp",
        fenced('package main\nimport "fmt"\nfunc main() {\n    fmt.Println(1)\n}\n'),
        "no_code",
        "stop",
    )
    yield (
        "csharp only",
        fenced("using System;\nclass P {\n    static void Main() {\n        Console.WriteLine(1);\n    }\n}\n", ""),
        "no_code",
        "stop",
    )
    yield (
        "a diff tagged cpp",
        f"{fenced('- int main() {' + chr(10) + '+ int main(void) {' + chr(10) + '  }' + chr(10))}{fenced(P)}",
        P,
        "stop",
    )
    yield (
        "a unified diff last",
        f"{fenced(P)}The change:\n{fenced('--- a.cpp' + chr(10) + '+++ b.cpp' + chr(10) + '@@ -1,2 +1,2 @@' + chr(10) + ' int main() {' + chr(10) + '-x' + chr(10) + '+y' + chr(10) + ' }' + chr(10), '')}",
        P,
        "stop",
    )
    yield "only a diff", fenced("-    printf(n);\n+    printf(2 * n);\n int main() {\n }\n", "diff"), "no_code", "stop"
    yield (
        "pseudo-code tagged text",
        f"{fenced('function main():' + chr(10) + '  read n' + chr(10) + '  print 2n' + chr(10), 'text')}{fenced(P)}",
        P,
        "stop",
    )
    yield (
        "pseudo-code after",
        f"{fenced(P)}Pseudo-code:\n{fenced('main() {' + chr(10) + '  read n' + chr(10) + '  print 2n' + chr(10) + '}' + chr(10), '')}",
        P,
        "stop",
    )
    yield (
        "excerpt with dots",
        f"{fenced('int main() {' + chr(10) + '    ...' + chr(10) + '    x = 2 * n;' + chr(10) + '    ...' + chr(10) + '}' + chr(10))}In full:\n{fenced(P)}",
        P,
        "stop",
    )
    yield (
        "excerpt last, dots in a comment",
        f"{fenced(P)}The key change is\n{fenced('int main() {' + chr(10) + '    // ...' + chr(10) + '    x = 2 * n;' + chr(10) + '    // ...' + chr(10) + '}' + chr(10))}",
        P,
        "stop",
    )
    yield (
        "excerpt with a single ellipsis sign",
        f"{fenced(P)}{fenced('int main() {' + chr(10) + '    …' + chr(10) + '}' + chr(10))}",
        P,
        "stop",
    )
    yield (
        "excerpt, dots behind code",
        f"{fenced(P)}Where it matters:\n{fenced('int main() {' + chr(10) + '    int n; ...' + chr(10) + '    x = 2 * n;' + chr(10) + '}' + chr(10))}",
        P,
        "stop",
    )
    code = P.replace("int main", "template <class... T> int f(T... t) { return sizeof...(t); }\nint main")
    yield "dots of C++", fenced(code), code, "stop"
    yield (
        "shell behind",
        f"{fenced(P)}{fenced('g++ -O3 main.cpp -o main && echo 3 | ./main' + chr(10), 'bash')}Output:\n{fenced('6' + chr(10), '')}",
        P,
        "stop",
    )
    yield (
        "helper and main",
        f"The helper:\n{fenced(HELPER)}The program:\n{fenced(WITH_HELPER)}",
        HELPER + WITH_HELPER,
        "stop",
    )
    yield (
        "main, then its helper",
        f"{fenced(WITH_HELPER)}where `twice` is\n{fenced(HELPER)}",
        HELPER + WITH_HELPER,
        "stop",
    )
    yield "a helper not needed", f"The idea:\n{fenced(HELPER)}The program:\n{fenced(P)}", P, "stop"
    yield (
        "option 1 and 2",
        f"## Option 1: closed form (recommended)\n{fenced(P)}## Option 2: alternative\n{fenced(D)}",
        P,
        "stop",
    )
    yield "final in bold", f"Attempt 1:\n{fenced(D)}**Final code**\n{fenced(P)}**Alternative**\n{fenced(D)}", P, "stop"
    yield "slow first, named by title", f'```cpp title="slow.cpp"\n{D}```\n```cpp title="fast.cpp"\n{P}```\n', P, "stop"
    yield "fast first, named by title", f"```cpp fast.cpp\n{P}```\n```cpp slow.cpp\n{D}```\n", P, "stop"
    yield "answer in words only", "The program is already optimal; I would not change `int main()`.", "no_code", "stop"
    yield "empty fence", "```cpp\n```\n", "no_code", "stop"
    yield "output", f"```\n{P}```\n\nOutput:\n\n```\n3 6\n```", P, "stop"


def where() -> Iterator[Case]:
    yield "unclosed, prose", f"```cpp\n{P}\nThis doubles n without a loop.\n\n- O(1) time\n- O(1) space", P, "stop"
    yield "unclosed, special token", f"```cpp\n{P}<|im_end|>", P, "stop"
    yield "bare, eos", f"{P}</s>", P, "stop"
    yield "bare, token glued", f"{P.rstrip()}<|endoftext|>Human: more", P, "stop"
    yield "bare, explanation", f"{P}\nExplanation: the loop is gone (it's O(1)).", P, "stop"
    yield "code on the fence's line", f"```cpp {P}```", P, "stop"
    yield "closing fence on the last line", f"```cpp\n{P.rstrip()}```\nDone.", P, "stop"
    yield "tildes", fenced(P, "cpp", "~~~"), P, "stop"
    yield "tildes around ticks", f"~~~markdown\n{fenced(P)}~~~\n", P, "stop"
    yield "four ticks around three", f"````md\nText\n{fenced(P)}````\n", P, "stop"
    indented = "".join(f"    {line}\n" for line in P.splitlines())
    yield "indented fence", f"1. Do this:\n\n    ```cpp\n{indented}    ```\n", indented, "stop"
    yield "quoted", "".join(f"> {line}\n" for line in f"Here:\n\n{fenced(P)}".splitlines()), P, "stop"
    yield "quoted without a space", "".join(f">{line}\n" for line in P.splitlines()), P, "stop"
    yield "numbered", fenced("".join(f"{i}. {line}\n" for i, line in enumerate(P.splitlines(), 1))), P, "stop"
    yield (
        "numbered with bars",
        fenced("".join(f"{i:>3} | {line}\n" for i, line in enumerate(P.splitlines(), 1))),
        P,
        "stop",
    )
    yield "numbered with tabs, bare", "".join(f"{i}\t{line}\n" for i, line in enumerate(P.splitlines(), 1)), P, "stop"
    yield (
        "numbered from another line on",
        fenced("".join(f"{i}: {line}\n" for i, line in enumerate(P.splitlines(), 41))),
        P,
        "stop",
    )
    yield (
        "entities",
        fenced(P.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")),
        P,
        "stop",
    )
    yield (
        "entities by number",
        fenced(P.replace("&", "&#38;").replace("<", "&#60;").replace(">", "&#62;").replace('"', "&#34;")),
        P,
        "stop",
    )
    yield (
        "pre and code",
        f'<pre><code class="language-cpp">{P.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}</code></pre>',
        P,
        "stop",
    )
    code = within('    const char* html = "&lt;b&gt;";')
    yield "entities of its own", fenced(code), code, "stop"
    yield "byte order mark in the block", fenced("\ufeff" + P), P, "stop"
    yield "no-break spaces", fenced(P.replace("    ", "\u00a0\u00a0\u00a0\u00a0")), P, "stop"
    yield "carriage returns", fenced(P).replace("\n", "\r\n"), P, "stop"
    yield "language on a line of its own", f"cpp\n{P}", P, "stop"
    yield "a copy button", f"cpp\nCopy code\n{P}", P, "stop"
    code = '#include <cstdio>\n#define MAIN int main\nMAIN() {\n    puts("1");\n    return 0;\n}\n'
    yield "main by a macro", fenced(code), code, "stop"
    yield "main by a macro, bare with prose", f"Here it is.\n\n{code}\nIt is fast.", code, "stop"
    code = '#include <cstdio>\n#define solve main\nint solve() {\n    puts("1");\n    return 0;\n}\n'
    yield "main by renaming", fenced(code), code, "stop"
    code = (
        '#include <cstdio>\nsigned main(void) try {\n    puts("1");\n    return 0;\n} catch (...) {\n    return 1;\n}\n'
    )
    yield "main with handlers", f"```cpp\n{code}\nThat's it.", code, "stop"
    code = '#include <cstdio>\nauto main() -> int {\n    puts("}");\n    return 0;\n}\n'
    yield "trailing return type", f"{code}\nThat's it.", code, "stop"
    code = within("    /* like this:\n```cpp\nint main() {}\n```\n    */")
    yield "a program in a comment", fenced(code), code, "stop"
    yield "inline in JSON", '{"explanation": "fast", "code": ' + json.dumps(P) + "}", P, "stop"
    yield "fence in JSON", '```json\n{"code": ' + json.dumps(P) + "}\n```", P, "stop"
    yield (
        "a single-line program",
        '`#include <cstdio>` is needed.\n\n```cpp\n#include <cstdio>\nint main(){int n;scanf("%d",&n);printf("%d",2*n);}\n```',
        '#include <cstdio>\nint main(){int n;scanf("%d",&n);printf("%d",2*n);}\n',
        "stop",
    )
    for word in (
        "length",
        "LENGTH",
        "MaxTokens",
        "MAX_TOKENS",
        "max-tokens",
        "FinishReason.MAX_TOKENS",
        "maximum_tokens",
        "token limit reached",
        "context_length_exceeded",
        "max_new_tokens",
        "truncated",
        "output_token_limit",
        "2 (MAX_TOKENS)",
        "max_completion_tokens",
        "TOKEN_LIMIT",
        "stop_limit",
    ):
        yield f"cut: {word}", "```cpp\n#include <cstdio>\nint main() {\n    int n;\n", "truncated", word
        yield f"spent on hidden reasoning: {word}", " \n", "truncated", word


CASES = [*thinking(), *which(), *where()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_misleading_answer_is_read_as_a_person_reads_it(case: Case) -> None:
    _, text, expected, finish_reason = case
    found = extract_code(text, finish_reason)
    assert (found.code or found.reason) == expected, f"{found.rule}; passed over: {found.passed_over}"
