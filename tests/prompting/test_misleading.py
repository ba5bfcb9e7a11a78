"""Answers made to mislead by what other models, other chats and other files write: each has a wrong program, D, that a
careless reader would take for the right one, P. One line a case: its name, the text, and what is to be read of it."""

import json
import textwrap

import pytest

from pie_bench.prompting.extract import extract_code

# fmt: off
P = '#include <cstdio>\nint main() {\n    int n;\n    scanf("%d", &n);\n    printf("%d\\n", 2 * n);\n    return 0;\n}\n'
D = P.replace("2 * n", "n + n - 1")
LINE = 'int main(){int n;scanf("%d",&n);printf("%d\\n",2*n);}'
BR = P.rstrip().replace("\n", "<br>")
CASES = []


def fenced(code, tag="cpp", fence="```"):
    return f"{fence}{tag}\n{code}{fence}\n"


def within(line):
    return P.replace("    return 0;\n", f"{line}\n    return 0;\n")


def t(name, text, want=P, finish_reason="stop"):
    CASES.append((name, text, want, finish_reason))


F, G = fenced(P), fenced(D)

# plans, spans of code, lines that end in <br>
for name in ("plan","planning","draft","brainstorm","outline","sketch","critique","attempt", "PLAN"):
    t(f"<{name}>", f"<{name}>\n{fenced(D)}</{name}>\n{fenced(P)}")
    t(f"<{name}> bare", f"<{name}>\n{D}</{name}>\n{P}")
    t(f"<{name}> behind the answer", f"{fenced(P)}<{name}>\n{fenced(D)}</{name}>\n")
    t(f"<{name}> unclosed", f"<{name}>\n{fenced(D)}", 'truncated','length')
t("<plan> that never ends", f"<plan>\nRead, double, write.\n\n{F}")
t("[PLAN]", f"[PLAN]\n{fenced(D)}[/PLAN]\n{fenced(P)}")
t("a type called plan", c:=P.replace('int n;','struct plan{}; std::vector<plan> x; int n;'),c)
t("span", f"`{P.rstrip()}`")
t("span prose", f"Here it is: `{P.rstrip()}` It is fast.")
t("span lines", f"Here it is:\n\n`\n{P}`\n\nIt is fast.")
t("double span", f"Use ``{P.rstrip()}`` instead.")
t("one line span", f"Use `{LINE}` instead.", LINE+"\n")
t("each line a span", "".join(f"`{l}`\n" for l in P.splitlines()))
t("span then fence", f"Your `{D.rstrip()}` is slow.\n{fenced(P)}")
t("spans of both", f"Original: `{D.rstrip()}`\n\nOptimized: `{P.rstrip()}`\n")
t("span in a comment", fenced(c:=P.replace("int n;","int n; // not `int main() { return 1; }`")),c)
t("include span mention", f"I removed `#include <iostream>`.\n\n{P}")
t("br", BR)
t("br/", P.rstrip().replace("\n","<br/>"))
t("br nl", P.rstrip().replace("\n","<br />\n"))
t("br prose", f"Here is it:<br><br>{BR}<br>It is fast.")
t("br fenced", f"```cpp<br>{BR}<br>```")
t("br in fence", fenced(BR+"<br>\n"))
t("br pre", f"<pre>{BR}</pre>")
t("br esc", P.rstrip().replace('&','&amp;').replace('<','&lt;').replace('>','&gt;').replace("    ","&nbsp;&nbsp;&nbsp;&nbsp;").replace("\n","<br>"))
t("br nbsp", P.rstrip().replace("    ","&nbsp;&nbsp;&nbsp;&nbsp;").replace("\n","<br>"))
t("br own", fenced(c:=P.replace('int n;','puts("x;<br>");')),c)
t("br both", fenced(P.rstrip().replace('int n;','puts("x;<br>");').replace("\n","<br>\n")+"\n"),P.replace('int n;','puts("x;<br>");'))

# thinking
t("internal tag", f"<internal>\nLet me try.\n{G}</internal>\n{F}")
t("self-talk tag", f"<inner_speech>\n{G}</inner_speech>\n{F}")
t("thinking in an HTML comment", f"<!--\nthinking: maybe\n{D}\n-->\n{F}")
t("thinking in an HTML comment, bare code", f"<!-- draft:\n{D}-->\n{P}")
t("ruminate", f"<rumination>\n{G}</rumination>\n{F}")
t("bold Thinking: then a rule", f"**Thinking:** try a loop.\n\n{G}\n---\n\n{F}")
t("THOUGHT: / ACTION:", f"THOUGHT: The loop can go.\n{G}\nACTION: submit\n{F}")
t("react", f"Thought: loops are slow.\nAction: write_file\nAction Input:\n{G}Observation: wrong on 3.\nThought: fix it.\nFinal Answer:\n{F}")
t("react, observation behind", f"Action Input:\n{F}Observation: ok")
t("thinking as a quote block", "> Let me think.\n" + "".join(f"> {l}\n" for l in G.splitlines()) + f"\n{F}")
t("details Thoughts, answer behind", f"<details>\n<summary>My thoughts</summary>\n\n{G}\n</details>\n\n{F}")
t("details solution within", f"I removed the loop.\n\n<details>\n<summary>Optimized code</summary>\n\n{F}\n</details>\n")
t("details original behind", f"{F}\n<details>\n<summary>Original</summary>\n\n{G}\n</details>\n")
t("reasoning as JSON field", json.dumps({"reasoning": "I first tried\n" + D, "code": P}))
t("code before reasoning as JSON", json.dumps({"optimized_code": P, "original_code": D}))
t("JSON original then optimized", json.dumps({"original_code": D, "optimized_code": P}))
t("JSON list of steps", json.dumps([{"step": "original", "code": D}, {"step": "optimized", "code": P}]))
t("JSON fence inside field", json.dumps({"answer": "Here it is:\n" + F}))
t("JSON with prose around", "Here is the JSON:\n" + json.dumps({"code": P}) + "\nDone.")
t("XML tool parameter", f'<function_calls>\n<invoke name="submit">\n<parameter name="code">\n{P}</parameter>\n</invoke>\n</function_calls>')
t("XML elements", f"<response>\n<original_code>\n{D}</original_code>\n<optimized_code>\n{P}</optimized_code>\n</response>")
t("XML elements last original", f"<optimized>\n{P}</optimized>\n<original>\n{D}</original>\n")
t("channel with spaces dropped", f"assistantanalysis\n{G}\nassistantfinal\n{F}")
t("think tag in bold", f"**<think>**\n{G}**</think>**\n{F}")
t("think with a heading", f"## Thinking process\n{G}## Response\n{F}")
t("unclosed think and heading", f"<think>\nLet me see.\n{G}", "truncated", "length")
t("ellipsis think", f"(thinking)\n{G}(end thinking)\n{F}")
t("asterisk actions", f"*thinks*\n{G}*answers*\n{F}")
# which
t("Attempt 1,2,3", f"### Attempt 1\n{G}### Attempt 2\n{G}### Attempt 3\n{F}")
t("step-wise; last is verification", f"### Step 1: remove the loop\n{F}### Step 2: verify\nTrace with n = 3:\n{fenced('n = 3 -> 6' + chr(10), '')}")
t("a before/after table in one block", fenced(f"// BEFORE:\n/*\n{D}*/\n// AFTER:\n{P}"), f"// BEFORE:\n/*\n{D}*/\n// AFTER:\n{P}")
t("original in #if 0", fenced(c := f"#if 0\n{D}#endif\n{P}"), c)
t("two files, cpp and header", f"fast.h\n{fenced('#pragma once' + chr(10) + 'inline int twice(int n) {' + chr(10) + '    return 2 * n;' + chr(10) + '}' + chr(10))}main.cpp\n{fenced(m := '#include ' + chr(34) + 'fast.h' + chr(34) + chr(10) + P.replace('2 * n', 'twice(n)'))}", '#pragma once\ninline int twice(int n) {\n    return 2 * n;\n}\n' + P.replace('2 * n', 'twice(n)'))
t("what changed, then 'Old:' 'New:'", f"Old:\n{G}New:\n{F}")
t("New before Old", f"New:\n{F}Old:\n{G}")
t("❌ ✅", f"❌\n{G}✅\n{F}")
t("✅ ❌", f"✅ Do:\n{F}❌ Don't:\n{G}")
t("do not use", f"{F}\nDo not use this, it overflows:\n{G}")
t("instead of", f"Use this:\n{F}instead of this:\n{G}")
t("rather than", f"You should write\n{F}rather than\n{G}")
t("slow in the info string", f"```cpp slow\n{D}```\n```cpp fast\n{P}```\n")
t("LeetCode style class too", f"As a class:\n{fenced('class Solution {' + chr(10) + 'public:' + chr(10) + '    int twice(int n) { return 2 * n; }' + chr(10) + '};' + chr(10))}As a program:\n{F}")
t("tie: language C last", f"C++:\n{F}The same in C:\n{fenced(D, 'c')}")
t("tie: in C at the end, heading", f"{F}\n## C version\n{fenced(D, 'c')}")
t("OpenMP version last", f"{F}\nWith OpenMP, if your judge has it:\n{G}")
t("recommended first of two", f"**Option A (recommended)**\n{F}\n**Option B**\n{G}")
t("recommended last of two", f"**Option A**\n{G}\n**Option B (recommended)**\n{F}")
t("I would choose the first", f"Approach 1:\n{F}\nApproach 2:\n{G}\nI recommend Approach 1.")
t("apology", f"{G}I apologize, the code above has an error. Here it is again:\n{F}")
t("strikethrough", f"~~\n{G}~~\n{F}")
t("git conflict", fenced(f"<<<<<<< original\n{D}=======\n{P}>>>>>>> optimized\n"), P)
t("search/replace blocks", f"<<<<<<< SEARCH\n{D}=======\n{P}>>>>>>> REPLACE\n")
t("unified diff of a whole file", "```diff\n" + "".join("-" + l + "\n" for l in D.splitlines()) + "".join("+" + l + "\n" for l in P.splitlines()) + "```\n", "no_code")
t("French", f"Voici le code original :\n{G}Voici la version optimisée :\n{F}")
t("Chinese, original last", f"优化后的代码：\n{F}原始代码：\n{G}")
t("Japanese, original last", f"最適化後のコード：\n{F}元のコード：\n{G}")
t("Spanish, original last", f"Código optimizado:\n{F}Código original:\n{G}")
t("German, original last", f"Optimierter Code:\n{F}Ursprünglicher Code:\n{G}")
t("Russian, original last", f"Оптимизированный код:\n{F}Исходный код:\n{G}")
t("Korean, original last", f"최적화된 코드:\n{F}원본 코드:\n{G}")
# where
t("heredoc", f"```bash\ncat > main.cpp << 'EOF'\n{P}EOF\ng++ -O2 main.cpp\n```\n")
t("heredoc bare", f"cat > main.cpp <<EOF\n{P}EOF\n")
t("jupyter magic", fenced(f"%%writefile main.cpp\n{P}"))
t("diff-like gutter", fenced("".join(f"| {l}\n" for l in P.splitlines())))
t("table cell", "| before | after |\n|---|---|\n| `x` | `y` |\n\n" + F)
t("fence with 3 and code ends with comment of fences", fenced(c := within("    // ```")), c)
t("fence indent inside list, closed less", f"- Fast:\n  ```cpp\n{textwrap.indent(P, '  ')}```\n", textwrap.indent(P, '  '))
t("tabs fence", f"\t```cpp\n{textwrap.indent(P, chr(9))}\t```\n", textwrap.indent(P, chr(9)))
t("smart quotes", fenced(P.replace('"%d"', "“%d”")), P.replace('"%d"', "“%d”"))
t("form feed and NEL", F.replace("int main", "\x0cint main"), P.replace("int main", "\x0cint main"))
t("line separators U+2028", "\u2028".join(F.split("\n")))
t("vertical tab fence", f"```cpp\u2028{P}```")
t("unicode escapes literal", F.replace("<", "\\u003c").replace(">", "\\u003e").replace('"', "\\u0022").replace("&","\\u0026"))
t("markdown escaped", P.replace("#", "\\#").replace("<", "\\<").replace(">", "\\>").replace("*", "\\*").replace("_", "\\_"))
t("markdown escaped include only", "\\#include <cstdio>" + P[len("#include <cstdio>"):])
t("string literal newline escapes", '"' + P.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"')
t("escaped newlines without quotes", P.replace("\\n", "\\\\n").rstrip().replace("\n", "\\n"))
t("escaped newlines in a fence", "```cpp\\n" + P.replace("\\n", "\\\\n").replace("\n", "\\n") + "```")
t("code fence by colons", f":::cpp\n{P}:::\n")
t("code fence by dollars", f"$$\n{P}$$\n")
t("code fence by dashes", f"-----\n{P}-----\n")
t("code fence by ====", f"=== main.cpp ===\n{P}=== end ===\n")
t("BEGIN/END", f"BEGIN CODE\n{P}END CODE\n")
t("// end of file prose", f"{P}// That is the whole program.\n", P)
t("[code] upper", f"[CODE]\n{P}[/CODE]\n")
t("reasoning behind unclosed fence", f"```cpp\n{P}\nLet me double check: for n = 3 it prints 6; good.\n")
t("cut inside the second of two", f"{F}\nA variant that reads faster:\n```cpp\n#include <cstdio>\nint main() {{\n    int", P, "length")
t("cut inside a test", f"Optimized:\n{F}\nTo test it:\n```bash\ng++", P, "length")
t("main with attributes", fenced(c := P.replace("int main()", "__attribute__((optimize(\"O3\"))) int main()")), c)
t("main in extern", fenced(c := P.replace("int main() {", "extern \"C\" int main() {")), c)
t("main in namespace-qualified type", fenced(c := P.replace("int main", "std::int32_t main")), c)
t("inline asm braces", fenced(c := within('    asm volatile("{ }}" ::: "memory");')), c)
t("char brace", fenced(c := within("    char c = '}', d = '\\'', e = '{';")), c)
t("main K&R macro rep", fenced(c := "#include <cstdio>\n#define rep(i,n) for(int i=0;i<(n);i++)\n#define Main signed main\nMain(){\n    rep(i,3) puts(\"x\");\n}\n"), c)

# what the rules must leave alone
t("a quine's escapes", fenced(c := '#include <cstdio>\nint main() {\n    puts("#include <cstdio>\\nint main() { puts(\\"x\\"); }");\n}\n'), c)
t("a quine's escapes, bare", c, c)
t("lines that begin with a bar", fenced(c := within("    int a = 1\n    | 2\n    | 4;")), c)
t("a table of code", "| before | after |\n|---|---|\n| int x; | int y; |\n| int z; | int w; |\n\n" + F)
t("shifts at a line's start", fenced(c := P.replace('printf("%d\\n", 2 * n);', 'std::cout\n<<<<<<< x;')), c)
t("not recommended", f"{F}\n**Recursive (not recommended)**\n{G}")
t("one block, tagged c", fenced(P, "c"))
t("recommends what it has once", f"I recommend this version:\n{F}\nTry it.")
t("a span beside the program", f"`int main() {{ return 1; }}` was slow.\n\n{P}")
t("cut in a plan", f"<plan>\n{G}and then", "truncated", "length")

# fmt: on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_the_answer_is_read_as_a_person_reads_it(case) -> None:
    _, text, expected, finish_reason = case
    found = extract_code(text, finish_reason)
    assert (found.code or found.reason) == expected, f"{found.rule}; passed over: {found.passed_over}"
