"""Answers written in the style of many model families, each with the program that a reader takes from it.

`python -m tests.prompting.written` prints the table of docs/answers.md: the share read right by family and by kind, and
beside it what the paper's own post-processing takes. The programs are those of the bundled dataset; the same seed
writes the same answers. What varies: how thinking is marked, special tokens, fences, headings, wording, and the kind of
answer (KINDS): drafts, excerpts, other languages, repeated questions, tests, text that is cut off, and so on.
"""

from __future__ import annotations

import html
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pie_bench
from pie_bench.cpp import code_tokens
from pie_bench.prompting.extract import extract_code

PER_FAMILY = 26  # answers
SEED = 23


@dataclass(frozen=True)
class Answer:
    """`code` is the program in it (None: there is none, for `reason`); `source` the program that was asked about."""

    family: str
    kind: str
    text: str
    finish_reason: str
    code: str | None
    reason: str | None
    source: str


@dataclass(frozen=True)
class Family:
    """How a family of models writes: `tag` of its fences, what it says around code, and how it thinks, if it does."""

    tags: tuple[str, ...]
    intros: tuple[str, ...]
    outros: tuple[str, ...]
    thinks: tuple[tuple[str, str], ...] = ()
    start: str = ""
    end: str = ""
    cut: str = "length"


FAMILIES = {
    "gpt-3.5": Family(
        ("cpp", "c++", ""),
        ("Here's an optimized version of the code:", "Here is the optimized code:", "Optimized version:", ""),
        ("In this optimized version, we avoid the loop.", "This version has a better time complexity.", ""),
    ),
    "gpt-4o": Family(
        ("cpp",),
        (
            "Certainly! Below is a more efficient version of your program:",
            "To optimize the given code, we can make several improvements:\n\n1. **Faster I/O**: Using `scanf`.\n"
            "2. **Less memory**: No vector.\n\nHere's the optimized version:",
            "### Optimized Code",
        ),
        (
            "### Explanation of changes\n\n- **I/O**: `main()` now reads with `scanf`.\n- **Loop**: removed.",
            "This version is faster because it doesn't flush the stream (as `endl` would).",
        ),
    ),
    "o3": Family(
        ("cpp",),
        ("Below is a drop-in replacement that runs in O(1) instead of O(n).", "", "Faster program (O(log n)):"),
        ("Why it's faster\n• no streams\n• one pass", "Complexity: O(1) time, O(1) memory."),
        cut="max_output_tokens",
    ),
    "gpt-oss": Family(
        ("cpp", "c++"),
        ("Here’s a faster version:", "**Optimized C++ program**"),
        ("**Why is it faster?**\n\n| Change | Effect |\n|---|---|\n| `scanf` | less start-up |", ""),
        (
            ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
            ("analysis", "assistantfinal"),
            (
                "<|start|>assistant<|channel|>analysis<|message|>",
                "<|end|>\n<|start|>assistant<|channel|>final<|message|>",
            ),
        ),
        end="<|return|>",
    ),
    "claude-2": Family(
        ("", "cpp"),
        (
            " Here is one way to optimize the code:",
            " Here are a few ways to speed this up:",
            " Here's a faster version:",
        ),
        (
            "The main optimizations are:\n\n- Use printf instead of cout for faster output\n- Avoid copying",
            "Let me know if you have any other questions!",
        ),
    ),
    "claude-4": Family(
        ("cpp",),
        (
            "Looking at this code, the bottleneck is the repeated stream I/O.\n\n## Optimized Solution",
            "I'll optimize this program by replacing the quadratic loop.",
            "Here's the optimized version with the key improvements:",
        ),
        ("## Key Changes\n\n1. **No allocation** - the array is static\n2. **Fast input**", "The output is identical."),
        (("<thinking>", "</thinking>"), ("<antThinking>", "</antThinking>")),
        cut="max_tokens",
    ),
    "gemini": Family(
        ("c++", "cpp"),
        (
            "## Optimized C++ Code\n\nThe original code's time complexity can be improved.",
            "Okay, let's optimize this. Here's the improved code:",
            "This is a classic problem. The following is a highly optimized C++ solution.",
        ),
        (
            "**Key improvements and explanations:**\n\n* **Fast I/O:** `scanf` is used; it's typically faster than `cin`.\n"
            "* **Correctness:** The `main()` function handles the edge case {n = 0}.",
            "### How it works\n\nIt doesn't do more than it has to.",
        ),
        cut="MAX_TOKENS",
    ),
    "deepseek-r1": Family(
        ("cpp",),
        (
            "The optimized code uses a formula instead of a loop.",
            "**Optimized code:**",
            "To optimize the given program, we avoid unnecessary work:",
        ),
        ("**Explanation:**\nThe program now takes constant time, since it's a formula.", ""),
        (("<think>\n", "\n</think>\n\n"), ("", "\n</think>\n\n"), ("<think>", "</think>")),
    ),
    "deepseek-coder": Family(
        ("cpp", "c++", "C++"),
        ("The given code can be optimized as follows:", "Sure, here is the faster version:"),
        (
            "This code does the same as the slower version, but it's faster.",
            "Please note that this assumes valid input.",
        ),
        end="<｜end▁of▁sentence｜>",
    ),
    "qwen2.5-coder": Family(
        ("cpp",),
        (
            "Certainly! To improve the performance of the provided code, consider the following:\n\n1. **Avoid Redundant "
            "Work**: Compute once.\n\nHere is the optimized version of the code:",
            "### Optimized Version",
        ),
        ("### Explanation:\n1. **Reading**: `scanf` reads `n`.\n2. **Output**: `printf`.", "This should be efficient."),
        end="<|im_end|>",
    ),
    "qwen3": Family(
        ("cpp",),
        (
            "### ✅ Optimized Code\n",
            "Here is the improved and optimized C++ code:",
            "---\n\n### 🚀 Final Optimized Code",
        ),
        ("---\n\n### 📌 Summary\n\nIt's fast.", "### Time complexity\n\n- **O(1)**"),
        (("<think>\n", "\n</think>\n\n"), ("<think>\n\n</think>\n\n", ""), ("", "\n</think>\n\n")),
        end="<|im_end|>",
    ),
    "llama-2": Family(
        ("", "C++"),
        ("  Sure! Here's an optimized version of the code you provided:", "  Here is a faster version of the program:"),
        ("This version uses `printf` instead of `cout`, which can be faster. I hope this helps!", ""),
        start="[/INST]",
        end="</s>",
    ),
    "llama-3": Family(
        ("cpp", "c++", ""),
        (
            "**Optimized Code**\n================\n\nHere's the optimized version of the code:",
            "Here is the optimized code:",
        ),
        (
            "**Changes**\n------------\n\n* We've replaced `cin` by `scanf`.\n* We've removed `main`'s loop.",
            "Note that I've also added comments.",
        ),
        start="<|start_header_id|>assistant<|end_header_id|>\n\n",
        end="<|eot_id|>",
    ),
    "mistral": Family(
        ("cpp", "c"),
        ("Here's a more efficient version of your code:", "The code can be improved by using faster input:"),
        ("In this version, I've used `scanf` (faster).", ""),
        (("[THINK]", "[/THINK]"), ("[THINK]\n", "\n[/THINK]\n")),
        end="</s>",
    ),
    "phi-4-reasoning": Family(
        ("cpp",),
        ("Below is one acceptable solution:", "Below is an optimized version of the code with comments:"),
        ("Explanation: The solution reads the input once and it's O(n).",),
        (("<think>", "</think>"), ("<think>User wants it faster.\n", "\n</think>")),
        start="<|im_start|>assistant<|im_sep|>",
    ),
    "kimi": Family(
        ("cpp",),
        ("Here is the optimized program:", "**Optimized implementation**"),
        ("The speedup comes from the removed loop.", ""),
        (("◁think▷", "◁/think▷"), ("◁think▷\n", "\n◁/think▷\n")),
    ),
    "seed-oss": Family(
        ("cpp",),
        ("Here's the optimized code:", "To solve this faster, we use the closed form."),
        ("This approach ensures optimal performance.",),
        (
            ("<seed:think>", "</seed:think>"),
            ("<seed:think>\n<seed:cot_budget_reflect>0 used</seed:cot_budget_reflect>\n", "\n</seed:think>\n"),
        ),
    ),
    "openthinker": Family(
        ("cpp", ""),
        ("The final program:", "Here is the solution:"),
        ("It is faster.", ""),
        (
            ("<|begin_of_thought|>\n\n", "\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n"),
            ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ),
    ),
    "command-a": Family(
        ("cpp", "c++"),
        ("Here's an optimised version:", "The code below is faster:"),
        ("This reduces the work in `main()`.", ""),
        (
            ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
            ("<|START_THINKING|>\n", "\n<|END_THINKING|>\n"),
        ),
        cut="MAX_TOKENS",
    ),
    "granite": Family(
        ("cpp",),
        ("Here is the faster program:", "Below is the improved code."),
        ("This is more efficient.",),
        (("Here is my thought process:\n\n", "\n\nHere is my response:\n\n"), ("<think>", "</think><response>")),
    ),
    "gemma": Family(
        ("c++", "cpp"),
        ("```-free summary: faster input.\n\nHere is the optimized code:", "Okay, here's an improved version:"),
        ("Key improvements:\n\n*   **Speed:** It's quick.\n*   **Clarity:** It's short.",),
        (("<unused94>thought\n", "<unused95>"), ("<|channel>thought\n", "<channel|>")),
        end="<end_of_turn>",
    ),
    "glm": Family(
        ("cpp",),
        ("# Optimized C++ Code\n\nHere is the optimized version:", "The key insight: no loop is needed."),
        ("## Explanation\n\nIt's O(1).", ""),
        (("<think>", "</think>"), ("<reasoning>\n", "\n</reasoning>\n"), ("<thought>\n", "\n</thought>\n")),
    ),
    "starcoder": Family(("",), ("",), ("",)),
    "small": Family(
        ("", "cpp", "c++", "C"),
        ("Sure, here is the code:", "The optimized code is as follows:", "Answer:", ""),
        ("I hope it is helpful.", "The code is now optimized", ""),
    ),
}

JAVA = (
    "import java.util.*;\n\npublic class Main {\n    public static void main(String[] args) {\n"
    "        Scanner in = new Scanner(System.in);\n        System.out.println(2 * in.nextInt());\n    }\n}\n"
)
PYTHON = "def main():\n    n = int(input())\n    print(2 * n)\n\nmain()\n"
RUST = 'use std::io;\n\nfn main() {\n    let mut s = String::new();\n    io::stdin().read_line(&mut s).unwrap();\n    println!("{}", 2);\n}\n'
OTHERS = (("java", JAVA), ("python", PYTHON), ("rust", RUST), ("Java", JAVA), ("", JAVA), ("", PYTHON))
SNIPPETS = (
    "for (int i = 0; i < n; i++)\n    cin >> a[i];\n",
    "ios::sync_with_stdio(false);\ncin.tie(nullptr);\n",
    "long long s = n * (n - 1) / 2;\n",
    "vector<int> a(n);\n",
)
THOUGHTS = (
    "Okay, the user wants a faster program. Let's see, what does main() do? It loops; that's slow.",
    "We need to optimize. First idea: read with getchar. It's simple, but let me check {overflow} first.",
    "Hmm, n is at most 1e5, so O(n log n) is fine. Wait, is the output 1-based? Yes.",
)
TEST_PROGRAM = (
    "#include <cstdio>\n#include <cstdlib>\n\nint main(int argc, char **argv) {\n    int n = atoi(argv[1]);\n"
    '    printf("%d\\n", n);\n    for (int i = 0; i < n; i++) printf("%d ", rand());\n    return 0;\n}\n'
)

Made = tuple[str, str | None, str | None]  # the text, the program in it, or why there is none
Kind = Callable[["Writer"], Made]


class Writer:
    """One answer being written."""

    def __init__(self, family: str, draw: random.Random, program: str, source: str, draft: str):
        self.name, self.family, self.draw = family, FAMILIES[family], draw
        self.program, self.source, self.draft = program, source, draft

    def one(self, *choices: str) -> str:
        return self.draw.choice(choices)

    def block(self, code: str, tag: str | None = None, fence: str = "```") -> str:
        tag = self.draw.choice(self.family.tags) if tag is None else tag
        return f"{fence}{tag}\n{code.rstrip()}\n{fence}\n"

    def intro(self) -> str:
        return self.draw.choice(self.family.intros)

    def outro(self) -> str:
        return self.draw.choice(self.family.outros)

    def answer(self, *parts: str) -> str:
        """The parts, preceded by the family's reasoning and wrapped in its tokens."""
        thought = ""
        if self.family.thinks:
            opened, closed = self.draw.choice(self.family.thinks)
            thought = opened
            if closed:
                thought += self.draw.choice(THOUGHTS)
                if self.draw.random() < 0.6:
                    thought += "\n" + self.block(self.draft) + self.one("No, that is wrong.", "Good.", "But it's slow.")
                    thought += "\n"
            elif opened == "":
                thought = ""
            thought += closed
        start = self.family.start if self.draw.random() < 0.5 else ""
        end = self.family.end if self.draw.random() < 0.5 else ""
        gap = self.one("\n", "\n\n")
        return start + thought + gap.join(part for part in parts if part) + end


def _plain(w: Writer) -> Made:
    return w.answer(w.intro(), w.block(w.program), w.outro()), w.program, None


def _bare(w: Writer) -> Made:
    tail = w.one("", "\n\nIt's faster because it reads once.", "\n\n// done")
    return w.answer(w.one("", "The optimized program is:"), w.program.rstrip() + tail), w.program, None


def _original_first(w: Writer) -> Made:
    heading = w.one(
        "### Original Code",
        "**Original:**",
        "The original program is:",
        "Before:",
        "Your code:",
        "Here is your program:",
        "The slow version",
        "Let's look at the given code first:",
        "Original implementation (O(n)):",
    )
    code = w.source if w.draw.random() < 0.5 else w.draft
    after = w.one(
        "### Optimized Code",
        "**Optimized:**",
        "The optimized program is:",
        "After:",
        "Here's the faster version:",
        "Now the optimized version:",
        "Improved implementation (O(1)):",
        "A faster version of the original code is:",
    )
    return w.answer(heading, w.block(code), after, w.block(w.program), w.outro()), w.program, None


def _original_last(w: Writer) -> Made:
    behind = w.one(
        "For comparison, the original code was:",
        "Original code for reference:",
        "Compare this to the original version:",
        "The original implementation:",
    )
    return w.answer(w.intro(), w.block(w.program), behind, w.block(w.source), w.outro()), w.program, None


def _corrected(w: Writer) -> Made:
    slip = w.one(
        "Wait, this is wrong for n = 0. Corrected version:",
        "Hmm, there's an off-by-one error above. Here's the corrected code:",
        "Actually, that has a bug. Let me fix it:",
        "Oops, I forgot the last case. The fixed version:",
        "On second thought, this doesn't handle overflow. Final version:",
        "This is incorrect because of the modulus. Here is the correct solution:",
        "**Correction:** the array is too small. Revised program:",
    )
    return w.answer(w.intro(), w.block(w.draft), slip, w.block(w.program), w.outro()), w.program, None


def _steps(w: Writer) -> Made:
    return (
        w.answer(
            w.one("**Step 1: faster input**", "### Step 1: Remove the vector", "First, use scanf:"),
            w.block(w.draft),
            w.one("**Step 2: no loop**", "### Step 2", "Next:"),
            w.block(w.draw.choice(SNIPPETS)),
            w.one(
                "**Final program:**",
                "### Final Code",
                "Putting it all together:",
                "Complete optimized code:",
                "Full program:",
            ),
            w.block(w.program),
            w.outro(),
        ),
        w.program,
        None,
    )


def _snippets_first(w: Writer) -> Made:
    return (
        w.answer(
            w.one("The bottleneck is this loop:", "This part is slow:", "Instead of"),
            w.block(w.draw.choice(SNIPPETS)),
            w.one("It can be replaced by", "use", "Better:"),
            w.block(w.draw.choice(SNIPPETS)),
            w.intro() or "All together:",
            w.block(w.program),
        ),
        w.program,
        None,
    )


def _excerpt_first(w: Writer) -> Made:
    excerpt = w.one(
        "int main() {\n    ...\n    for (;;) ;\n}\n",
        "#include <iostream>\n...\nint main() {\n    int n;\n    ...\n}\n",
        "int main() {\n    int n;\n    // ...\n    for (int i = 0; i < n; i++) f(i);\n    // ... rest of the code\n}\n",
    )
    return (
        w.answer(
            w.one("The slow part:", "In your code,", "The structure is"),
            w.block(excerpt),
            w.one("Faster:", "The whole program, optimized:", "Complete code:"),
            w.block(w.program),
        ),
        w.program,
        None,
    )


def _excerpt_last(w: Writer) -> Made:
    excerpt = w.one("// fast path\nint main() {\n    ...\n}\n", 'while (scanf("%d", &x) == 1) {\n    ...\n}\n')
    return (
        w.answer(w.intro(), w.block(w.program), "The important part is", w.block(excerpt), w.outro()),
        w.program,
        None,
    )


def _other_language_first(w: Writer) -> Made:
    tag, code = w.draw.choice(OTHERS)
    return (
        w.answer(
            w.one("In another language this would be", "Java:", "First a sketch:"),
            w.block(code, tag),
            w.one("In C++:", "The C++ program:", "and in C++"),
            w.block(w.program, w.one("cpp", "c++", "")),
        ),
        w.program,
        None,
    )


def _other_language_last(w: Writer) -> Made:
    tag, code = w.draw.choice(OTHERS)
    behind = w.one("The same in another language:", "If you prefer Python:", "And here it is in Java, also optimized:")
    return w.answer(w.intro(), w.block(w.program, "cpp"), behind, w.block(code, tag)), w.program, None


def _only_other_language(w: Writer) -> Made:
    tag, code = w.draw.choice(OTHERS)
    return w.answer(w.intro(), w.block(code, tag), w.outro()), None, "no_code"


def _diff_first(w: Writer) -> Made:
    lines = w.draft.splitlines()[:6]
    diff = "".join(f"-{line}\n+{line};\n" if i % 2 else f" {line}\n" for i, line in enumerate(lines))
    head = w.one("", "--- a/main.cpp\n+++ b/main.cpp\n@@ -1,6 +1,6 @@\n")
    return (
        w.answer(
            w.one("Changes:", "Apply this patch:", "The difference:"),
            w.block(head + diff, w.one("diff", "patch", "diff")),
            w.one("Full program:", "The resulting code:", "After the change:"),
            w.block(w.program),
        ),
        w.program,
        None,
    )


def _shell_and_output(w: Writer) -> Made:
    return (
        w.answer(
            w.intro(),
            w.block(w.program),
            w.one("Compile with:", "To build and run:", "Usage:"),
            w.block("g++ -O3 -std=c++17 main.cpp -o main\n./main < input.txt\n", w.one("bash", "sh", "", "console")),
            w.one("Expected output:", "Sample output:", "It prints"),
            w.block("42\n", w.one("", "text", "output")),
        ),
        w.program,
        None,
    )


def _test_behind(w: Writer) -> Made:
    behind = w.one(
        "To test it, generate inputs with this program:",
        "### Benchmark\n\nYou can measure both with:",
        "Here is a small test harness:",
        "A generator for large inputs:",
        "## Testing\n\nThe following program checks it:",
        "Example usage:",
        "For testing, I used this brute-force checker:",
    )
    return w.answer(w.intro() or "Optimized:", w.block(w.program), behind, w.block(TEST_PROGRAM)), w.program, None


def _alternative_behind(w: Writer) -> Made:
    behind = w.one(
        "Alternatively, with streams:",
        "If you prefer iostream, this is nearly as fast:",
        "Another option is:",
        "### Alternative\n\nA version with vectors:",
        "You could also write it recursively:",
        "An alternative approach (slower, but simpler):",
        "Optional: if memory is tight, use",
    )
    return w.answer(w.intro(), w.block(w.program), behind, w.block(w.draft), w.outro()), w.program, None


def _two_drafts(w: Writer) -> Made:
    return (
        w.answer(
            w.one("First attempt:", "My first try:", "A first draft:", "Initial version:"),
            w.block(w.draft),
            w.one("That still has a loop.", "We can do better.", "It can go faster:"),
            w.one("", "Optimized:", "Second attempt:"),
            w.block(w.program),
        ),
        w.program,
        None,
    )


def _unclosed(w: Writer) -> Made:
    tag = w.one("cpp", "c++", "")
    prose = w.one("", "\nThis is faster.\n", "\n\nExplanation: it doesn't loop, so it's O(1).\n")
    return w.answer(w.intro(), f"```{tag}\n{w.program}{prose}"), w.program, None


def _cut(w: Writer) -> Made:
    lines = w.program.rstrip().splitlines()
    keep = max(2, len(lines) * w.draw.randint(3, 8) // 10)
    text = "\n".join(lines[:keep])
    fence = w.one("```cpp\n", "```\n")
    was_end, was = w.family.end, w.family.thinks
    text = w.answer(w.intro(), fence + text)
    return text.removesuffix(was_end) if was_end else text, None, "truncated" if was is not None else None


def _thinking_cut(w: Writer) -> Made:
    opened = w.draw.choice(w.family.thinks)[0] if w.family.thinks else "<think>\n"
    if not opened.strip() or opened.rstrip().endswith("</think>") or opened.startswith("Here is my"):
        opened = "<think>\n"
    text = opened + (w.draw.choice(THOUGHTS).capitalize()) + "\n" + w.block(w.draft) + "But then"
    return text, None, "truncated"


def _refusal(w: Writer) -> Made:
    return (
        w.answer(
            w.one(
                "The program is already optimal: main() reads the input once (it can't be faster).",
                "I'm sorry, but I can't help with that.",
                "Replace the loop:\n" + w.block(SNIPPETS[2], "cpp") + "and you're done.",
            )
        ),
        None,
        "no_code",
    )


def _tagged(w: Writer) -> Made:
    opened, closed = w.draw.choice(
        (("<answer>", "</answer>"), ("[CODE]", "[/CODE]"), ("<code>", "</code>"), ("<solution>\n", "\n</solution>"),
         ("<optimized_code>\n", "</optimized_code>"), ("<pre><code class=\"language-cpp\">", "</code></pre>"),
         ("<answer>\n```cpp\n", "\n```\n</answer>"), ("\ufeff", ""))
    )  # fmt: skip
    return w.answer(opened + w.program.rstrip() + w.one("\n", "") + closed), w.program, None


def _escaped(w: Writer) -> Made:
    code = html.escape(w.program, quote=w.draw.random() < 0.5)
    return w.answer(w.intro(), w.block(code, "cpp")), w.program, None


def _numbered(w: Writer) -> Made:
    form = w.one("{:>3} {}", "{:>3}: {}", "{}| {}", "{:>2}. {}")
    lines = w.program.rstrip().splitlines()
    return w.answer(w.intro(), w.block("\n".join(form.format(i, t) for i, t in enumerate(lines, 1)))), w.program, None


def _quoted(w: Writer) -> Made:
    text = "\n".join("> " + line for line in (w.intro() + "\n" + w.block(w.program)).splitlines())
    return w.answer(text, w.outro()), w.program, None


def _odd_fences(w: Writer) -> Made:
    code = w.program.rstrip()
    text = w.one(
        f"~~~cpp\n{code}\n~~~\n",
        f"````cpp\n{code}\n````\n",
        f"````markdown\nHere it is:\n\n```cpp\n{code}\n```\n````\n",
        f"Here it is: ```cpp\n{code}\n```\n",
        f'```cpp title="main.cpp"\n{code}\n```\n',
        f"```{{.cpp .numberLines}}\n{code}\n```\n",
        f"``` cpp\n{code}```\n",
        f"1. Use this:\n   ```cpp\n{code}\n   ```\n",
        "```" + code + "\n```\n" if code.startswith("#") else f"```\n{code}\n```\n",
    )
    return w.answer(text, w.outro()), w.program, None


def _fence_in_comment(w: Writer) -> Made:
    note = w.one(
        "/* Usage:\n```\n./a.out < in\n```\n*/\n",
        "/*\n```cpp\nint slow;\n```\n*/\n",
        "// ```\n// note\n// ```\n",
        'const char *doc = R"(\n```\ntext\n```\n)";\n',
        "// </think> and <think> are tags, ```cpp is a fence\n",
    )
    code = note + w.program
    return w.answer(w.intro(), w.block(code, "cpp"), w.outro()), code, None


def _mentions(w: Writer) -> Made:
    before = w.one(
        "The tag `<think>` is not part of C++.",
        "I won't use a <think> block here.",
        "No `</think>` is needed.",
        'Output goes between "<think>" and "</think>" in other models.',
    )
    after = w.one("(the tag </think> closes it)", "The `</think>` tag closes a thought.", "")
    return w.answer(before, w.block(w.program), after), w.program, None


def _goes_on(w: Writer) -> Made:
    again = w.one("# slower version:", "### Program:", "// slower version:")
    return (
        (
            f"\n{w.program.rstrip()}\n\n\n\n{again}\n\n{w.source.rstrip()}\n\n# optimized version of the same code:\n\n"
            f"{w.draft.rstrip()}\n"
        ),
        w.program,
        None,
    )


def _helper_apart(w: Writer) -> Made:
    helper = "static inline long long twice_of_it(long long x) {\n    return x + x;\n}\n"
    main = '#include <cstdio>\n\nint main() {\n    long long n;\n    scanf("%lld", &n);\n    printf("%lld\\n", twice_of_it(n));\n}\n'
    lead = "".join(line + "\n" for line in main.splitlines() if line.startswith("#"))
    return (
        w.answer(
            w.one("The helper:", "First, a function:", "`twice.h`:"),
            w.block(helper),
            w.one("And the main program:", "`main.cpp`:", "Then main:"),
            w.block(main.replace(lead, lead + w.one("", '#include "twice.h"\n'))),
            w.outro(),
        ),
        helper + main,
        None,
    )


def _by_macro(w: Writer) -> Made:
    define, head = w.draw.choice(
        (("#define Program int main()", "Program {"), ("#define MAIN signed main(void)", "MAIN\n{"),
         ("#define entry main", "int entry() {"), ("#define solve_all() int main()", "solve_all() {"))
    )  # fmt: skip
    code = f'#include <cstdio>\n{define}\n\n{head}\n    int n;\n    scanf("%d", &n);\n    printf("%d\\n", 2 * n);\n    return 0;\n}}\n'
    return w.answer(w.intro(), w.block(code) if w.draw.random() < 0.6 else code), code, None


def _json(w: Writer) -> Made:
    text = json.dumps({"explanation": "It's faster.", "code": w.program}, indent=w.draw.choice((None, 2)))
    return text if w.draw.random() < 0.5 else f"```json\n{text}\n```", w.program, None


def _windows(w: Writer) -> Made:
    text, code, reason = _plain(w)
    return text.replace("\n", "\r\n"), code, reason


KINDS: dict[str, Kind] = {
    "one block": _plain,
    "no block": _bare,
    "the original first": _original_first,
    "the original last": _original_last,
    "a draft, then corrected": _corrected,
    "steps": _steps,
    "snippets first": _snippets_first,
    "an excerpt first": _excerpt_first,
    "an excerpt last": _excerpt_last,
    "another language first": _other_language_first,
    "another language last": _other_language_last,
    "only another language": _only_other_language,
    "a diff first": _diff_first,
    "shell and output": _shell_and_output,
    "a test behind": _test_behind,
    "an alternative behind": _alternative_behind,
    "a first attempt": _two_drafts,
    "an unclosed fence": _unclosed,
    "cut off": _cut,
    "cut off while thinking": _thinking_cut,
    "no program": _refusal,
    "tags around the program": _tagged,
    "HTML's entities": _escaped,
    "numbered lines": _numbered,
    "quoted lines": _quoted,
    "odd fences": _odd_fences,
    "a fence in a comment": _fence_in_comment,
    "tags that are only mentioned": _mentions,
    "goes on writing": _goes_on,
    "a helper in a block of its own": _helper_apart,
    "main by a macro": _by_macro,
    "JSON": _json,
    "Windows' line ends": _windows,
}


def _programs() -> list[tuple[str, str]]:
    """(slow, fast) programs of the bundled dataset, one pair a problem."""
    path = Path(pie_bench.__file__).parent / "data" / "mini" / "test.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = {row["problem_id"]: (row["src_code"], row["tgt_code"]) for row in rows}
    return [pairs[problem] for problem in sorted(pairs)]


def written(seed: int = SEED, per_family: int = PER_FAMILY) -> Iterator[Answer]:
    """The answers; every kind in turn, so that each soon occurs in every style."""
    programs = _programs()
    names = list(KINDS)
    for number, family in enumerate(FAMILIES):
        draw = random.Random(f"{seed} {family}")
        for index in range(per_family):
            kind = names[(number * 7 + index) % len(names)]
            source, program = draw.choice(programs)
            draft = draw.choice([fast for _, fast in programs if fast != program])
            text, code, reason = KINDS[kind](Writer(family, draw, program, source, draft))
            finish = FAMILIES[family].cut if reason == "truncated" else "stop"
            yield Answer(family, kind, text, finish, code, reason, source)


def is_right(answer: Answer) -> bool:
    """Whether the answer is read as its label says, layout and comments aside."""
    found = extract_code(answer.text, answer.finish_reason, src_code=answer.source)
    if answer.code is None or found.code is None:
        return (found.code, found.reason) == (answer.code, answer.reason)
    return code_tokens(found.code) == code_tokens(answer.code)


def papers(text: str) -> str | None:
    """What PIE's authors take from an answer of a fine-tuned model: all up to the brace that closes the first `main`,
    counting every brace; the whole text where there is none (LearningOpt/pie, `finetuning/sample.py`)."""
    main = re.search(r"\bmain\b", text)
    depth = 0
    for brace in re.finditer(r"[{}]", text[main.end() :] if main else ""):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[: main.end() + brace.end()] if main else text
    return text


def papers_is_right(answer: Answer) -> bool:
    """Whether the authors' post-processing takes the same program; where there is none, whether it takes no `main`."""
    taken = papers(answer.text) or ""
    if answer.code is None:
        return "main" not in taken
    return code_tokens(taken) == code_tokens(answer.code)


def table(answers: list[Answer]) -> str:
    """The shares read right, by kind of answer."""
    lines = ["| kind of answer | answers | pie_bench | the paper's |", "| --- | --- | --- | --- |"]
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.kind, []).append(answer)
    for kind, group in [*groups.items(), (f"all, {len({a.family for a in answers})} manners of writing", answers)]:
        ours, theirs = sum(map(is_right, group)), sum(map(papers_is_right, group))
        lines.append(f"| {kind} | {len(group)} | {100 * ours / len(group):.1f} % | {100 * theirs / len(group):.1f} % |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(list(written())))
