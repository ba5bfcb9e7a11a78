"""Answers by hand, many of each kind: thinking, which block, where code begins and ends, why an answer ended.

One line a case: its name, the text, and the program in it (by default P) or why there is none.
"""

import pytest

from pie_bench.prompting.extract import extract_code

# fmt: off
P = '#include <cstdio>\nint main() {\n    int n;\n    scanf("%d", &n);\n    printf("%d\\n", 2 * n);\n    return 0;\n}\n'
D=P.replace('2 * n','n')


def B(code, tag='cpp'):
    return f'```{tag}\n{code}```\n'


C = []


def t(name, text, want=P, fr='stop', **k):
    C.append((name, text, want, fr, k))


for o,c in (('<think>','</think>'),('<thought>','</thought>'),('<|thinking|>','<|/thinking|>'),('<reflection>','</reflection>'),('<scratchpad>','</scratchpad>'),('<inner_thoughts>','</inner_thoughts>'),('[REASONING]','[/REASONING]'),('<Thinking>','</Thinking>'),('<|begin_of_thinking|>','<|end_of_thinking|>'),('<analysis>','</analysis>'),('<|think_start|>','<|think_end|>'),('<reasoning_process>','</reasoning_process>'),('<|begin▁of▁thinking|>','<|end▁of▁thinking|>')):
    t('th '+o, f'{o}\n{B(D)}no\n{c}\n{B(P)}')
    t('th-unclosed '+o, f'{o}\n{B(D)}no', 'truncated')
    t('th-unclosed-len '+o, f'{o}\n{B(D)}no', 'truncated','length')
    t('th-template '+o, f'try\n{B(D)}no\n{c}\n{B(P)}')
    t('th-inline '+o, f'{o}try {D} no{c}{B(P)}')
    t('th-later '+o, f"Sure, let me think.\n{o}\n{B(D)}\n{c}\n{B(P)}")
    t('th-mention '+o, B(P)+f'I did not use {o} or {c} here.')
    t('th-string '+o, B(P.replace('    return 0', f'    puts("{o} {c}");\n    return 0')), P.replace('    return 0', f'    puts("{o} {c}");\n    return 0'))
    t('th-comment '+o, B(P.replace('    return 0', f'    // {c} ends it\n    return 0')), P.replace('    return 0', f'    // {c} ends it\n    return 0'))
    t('th-rawstr '+o, B(f'const char* s = R"(\n{o}\n{c}\n)";\n'+P), f'const char* s = R"(\n{o}\n{c}\n)";\n'+P)
t('own tags','<<T>>\n'+B(D)+'<</T>>\n'+B(P),P,reasoning=('<<T>>','<</T>>'))
t('own open','<<T>>\n'+B(D),'truncated',reasoning=('<<T>>','<</T>>'))
t('harm final only','<|start|>assistant<|channel|>final<|message|>'+B(P))
t('harm analysis only','<|channel|>analysis<|message|>try\n'+B(D),'truncated')
t('harm skipped unclosed','analysisWe try\n'+B(D),'truncated')
t('harm commentary','<|channel|>commentary<|message|>plan<|end|><|start|>assistant<|channel|>final<|message|>'+P+'<|return|>')
t('rust first', 'Rust:\n'+B('fn main() {\n    println!("hi");\n}\n','rust')+'C++:\n'+B(P))
for tag,code in (('go','package main\nimport "fmt"\nfunc main() {\n    fmt.Println(1)\n}\n'),('kotlin','fun main() {\n    println(1)\n}\n'),('csharp','using System;\nclass P { static void Main() { Console.WriteLine(1); } }\n'),('javascript','function main() {\n  console.log(1);\n}\nmain();\n'),('python','def main():\n    print(1)\n\nmain()\n'),('rust','fn main() {\n    println!("hi");\n}\n'),('java','public class Main {\n    public static void main(String[] args) { int x; }\n}\n'),('','class Main {\n    public static void main(String[] args) { int x; }\n}\n'),('dart','void main() {\n  print(1);\n}\n'),('d','import std.stdio;\nvoid main() {\n writeln(1);\n}\n'),('swift','func main() {\n print(1)\n}\nmain()\n'),('','fun main() {\n    println(1)\n}\n'),('','package main\n\nfunc main() {\n}\n'),('cpp','public class Main {\n    public static void main(String[] args) { int x; }\n}\n'),('php','<?php\nfunction main() {\n echo 1;\n}\n'),('zig','pub fn main() void {\n}\n'),('scala','object Main { def main(args: Array[String]): Unit = { println(1) } }\n'),('sh','g++ -O2 a.cpp && ./a.out\n'),('pseudocode','main() {\n  read n\n  print 2n\n}\n')):
    t(f'only {tag!r}', B(code,tag),'no_code'); t(f'first {tag!r}', B(code,tag)+'And then:\n'+B(P)); t(f'last {tag!r}', B(P)+'In another language:\n'+B(code,tag))
t('only diff',B('--- a\n+++ b\n@@ -1,3 +1,3 @@\n #include <cstdio>\n-int main() {\n+int main(void) {\n }\n','diff'),'no_code')
t('untagged diff',B('-#include <iostream>\n+#include <cstdio>\n int main() {\n-    cin >> n;\n+    scanf("%d", &n);\n }\n','')+'Full:\n'+B(P))
t('pseudo','Pseudo-code:\n'+B('function main():\n  read n\n  print 2*n\n','')+B(P))
t('pseudo2',B('int main() {\n    read n;\n    // loop\n    ...\n    print result\n}\n')+B(P))
t('excerpt last',B(P)+'The key part:\n'+B('int main() {\n    // ...\n    printf("%d", 2*n);\n}\n'))
t('excerpt rest',B('#include <cstdio>\nint main() {\n    // same as before\n    // ... existing code ...\n}\n')+'Whole:\n'+B(P))
t('expected output',B(P)+'Output:\n'+B('int main() is called\n4\n','text'))
t('before/after','**Before**\n'+B(D)+'**After**\n'+B(P)); t('after/before','**After**\n'+B(P)+'**Before**\n'+B(D))
t('before in code',B('// Before\n'+D)+B('// After\n'+P),'// After\n'+P); t('orig in code',B('// original (slow)\n'+D)+B('// optimized\n'+P),'// optimized\n'+P)
t('opt then orig','## Optimized\n'+B(P)+'## Original (for reference)\n'+B(D))
t('final among', 'Version 1:\n'+B(D)+'Version 2 (final):\n'+B(P)+'To test:\n'+B(D.replace('scanf','//')))
t('no label last', B(D)+'Hmm, that prints n.\n'+B(P))
t('I made a mistake', B(D)+'I made a mistake in the code above. Here is the right one:\n'+B(P))
t('sorry', B(D)+'Sorry, the factor 2 is missing:\n'+B(P))
t('updated', B(D)+'Updated code:\n'+B(P)); t('improved further', 'Optimized:\n'+B(D)+'We can optimize further:\n'+B(P))
t('even faster','Here is the optimized code:\n'+B(D)+'An even faster version:\n'+B(P))
t('unit test last',B(P)+'### Unit test\n'+B('#include <cassert>\nint main() {\n    assert(2*2==4);\n}\n'))
t('driver',B(P)+'You can verify the result with this driver:\n'+B('#include <cassert>\nint main() {\n    assert(2*2==4);\n}\n'))
t('timing','Final code:\n'+B(P)+'Timing harness:\n'+B(D))
t('helper after main','Main:\n'+B('#include <cstdio>\nint twice(int);\nint main() {\n    int n;\n    scanf("%d", &n);\n    printf("%d\\n", twice(n));\n}\n')+'Helper:\n'+B('int twice(int a) { return 2 * a; }\n'),'#include <cstdio>\nint twice(int);\nint main() {\n    int n;\n    scanf("%d", &n);\n    printf("%d\\n", twice(n));\n}\nint twice(int a) { return 2 * a; }\n')
h='struct Reader {\n    int next() { int x; scanf("%d", &x); return x; }\n};\n'; m='int main() {\n    Reader r;\n    printf("%d\\n", 2 * r.next());\n}\n'
t('helper struct with include','Reader:\n'+B('#include <cstdio>\n'+h)+'Then\n'+B(m),'#include <cstdio>\n'+h+m)
t('header macros','First the macros:\n'+B('#include <cstdio>\n#define READ(x) scanf("%d", &x)\n')+'and\n'+B('int main() {\n    int n;\n    READ(n);\n    printf("%d\\n", 2 * n);\n}\n'),'#include <cstdio>\n#define READ(x) scanf("%d", &x)\nint main() {\n    int n;\n    READ(n);\n    printf("%d\\n", 2 * n);\n}\n')
t('includes apart','Includes:\n'+B('#include <cstdio>\n')+'Code:\n'+B(P.replace('#include <cstdio>\n','')),P)
t('unclosed special','```cpp\n'+P+'<|im_end|>'); t('unclosed s','```cpp\n'+P+'</s>'); t('eot', P+'<|endoftext|>'); t('glued', P.rstrip()+'<|eot_id|>'); t('close+prose','```cpp\n'+P+'``` This is faster.\n')
t('fence own line','```cpp #include <cstdio>\n'+P.split('\n',1)[1]+'```'); t('fence own line2','```#include <cstdio>\n'+P.split('\n',1)[1]+'```')
t('bom in fence',B('\ufeff'+P)); t('cpp word','cpp\n'+P); t('C++: ','C++:\n'+P); t('lang word in fence','```\ncpp\n'+P+'```\n'); t('filename in fence','```\nmain.cpp\n'+P+'```\n')
t('html pre','<pre><code>'+P.replace('&','&amp;').replace('<','&lt;').replace('>','&gt;')+'</code></pre>'); t('html dbl',B(P.replace('&','&amp;amp;').replace('<','&amp;lt;').replace('>','&amp;gt;')))
t('html bare',P.replace('&','&amp;').replace('<','&lt;').replace('>','&gt;'))
lt='#include <cstdio>\nint main() {\n    puts("&lt;b&gt;");\n}\n'; t('entity in string',B(lt),lt)
t('numbered bare','\n'.join(f'{i+1}: {l}' for i,l in enumerate(P.rstrip().split('\n')))); t('num |',B('\n'.join(f'{i+1:2d} | {l}' for i,l in enumerate(P.rstrip().split('\n')))+'\n'))
t('num zero',B('\n'.join(f'{i+1:03d} {l}' for i,l in enumerate(P.rstrip().split('\n')))+'\n'))
t('quoted bare','\n'.join('> '+l for l in P.rstrip().split('\n'))); t('quoted fence','Here:\n'+'\n'.join('> '+l for l in B(P).rstrip().split('\n')))
t('tilde long','~~~~cpp\n'+P+'~~~~\n'); t('5 ticks','`````cpp\n'+P+'`````\n'); t('nested md','```markdown\n# T\n```cpp\n'+P+'```\n```\n')
cf=P.replace('    return 0','    /*\n```\nx\n```\n    */\n    return 0'); t('fence in comment',B(cf),cf)
rs='const char* d = R"x(\n```cpp\nint main(){}\n```\n)x";\n'+P; t('fence in raw',B(rs),rs); t('fence in raw bare',rs,rs)
for mac,head in (('#define Program int main()','Program {'),('#define BEGIN int main() {','BEGIN'),('#define M main','int M() {'),('#define J(a,b) a##b','int J(ma,in)() {'),('#define MAIN int main(int argc, char** argv)','MAIN {'),('#define RUN(x) int main() { x; }','RUN(')):
    body='\n    int n;\n    scanf("%d", &n);\n    printf("%d\\n", 2 * n);\n'
    c=f'#include <cstdio>\n{mac}\n{head}{body}}}\n' if 'RUN' not in mac else f'#include <cstdio>\n{mac}\nvoid f() {{{body}}}\nRUN(f())\n'
    t('macro '+mac,c,c); t('macro fence '+mac,B(c),c)
t('content_filter',B(P),P,'content_filter')
for r in('length','LENGTH','max_tokens','MAX_TOKENS','FINISH_REASON_MAX_TOKENS','max_output_tokens','model_length','token_limit','maxTokens','model_context_window_exceeded','MaxTokens','length_capped'):
    t('fr '+r,'```cpp\n#include <cstdio>\nint main() {','truncated',r); t('fr empty '+r,'','truncated',r)
for r in('stop','end_turn','eos','STOP','eos_token','stop_sequence','tool_calls','unknown',''): t('fr '+r,'```cpp\n'+P,P,r)
t('answer in both', '<answer>\n'+B(P)+'</answer>\nOriginal:\n'+B(D)); t('answer tag inline','Here: <answer>'+P+'</answer>')
t('CODE tag',f'[CODE]\n{P}[/CODE]\nThat is it.'); t('INST','[INST] x [/INST]\n'+P); t('boxed code','<code>\n'+P+'</code>'); t('cpp tag','<cpp>\n'+P+'</cpp>'); t('artifact','<antArtifact identifier="a" type="application/vnd.ant.code" language="cpp" title="x">\n'+P+'</antArtifact>')
t('details','<details>\n<summary>Code</summary>\n\n'+B(P)+'</details>'); t('table','| a | b |\n|---|---|\n'+B(P)); t('cut later',B(P)+'Further, ```cpp\n#include <x>\nint ma',P,'length')
t('cut final','First draft:\n'+B(D)+'Final version:\n```cpp\n#include <cstdio>\nint main() {\n int','truncated','length')
t('two unfenced',"Original:\n\n"+D+"\nOptimized:\n\n"+P); t('two unfenced2',"Optimized:\n\n"+P+"\nOriginal:\n\n"+D)
t('repeat src',B(D)+'is slow. Use\n'+B(P),P,src_code=D); t('repeat src last',B(P)+'It replaces\n'+B(D),P,src_code=D)
t('main of a class', B('struct A {\n    int main() {\n        return 0;\n    }\n};\n'), 'no_code')
# fmt: on


@pytest.mark.parametrize("case", C, ids=lambda case: case[0])
def test_the_answer_is_read_as_a_person_reads_it(case) -> None:
    _, text, expected, finish_reason, options = case
    found = extract_code(text, finish_reason, **options)
    assert (found.code or found.reason) == expected, f"{found.rule}; passed over: {found.passed_over}"
    assert found.rule, "every answer says how it was read"
