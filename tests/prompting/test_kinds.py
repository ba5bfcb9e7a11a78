"""Handwritten answers, many of each kind: reasoning, which block, where code begins and ends, why an answer ended.

One line a case: its name, the text, and the program in it (by default P) or why there is none.
"""

import json

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
HELPER = 'long long twice(long long n) {\n    return 2 * n;\n}\n'
WITH_HELPER = '#include <cstdio>\nint main() {\n    long long n;\n    scanf("%lld", &n);\n    printf("%lld\\n", twice(n));\n}\n'


def within(line):
    return P.replace('    return 0;\n', f'{line}\n    return 0;\n')


# thinking
t('unclosed, answer tag cut', f"<think>\n{B(D)}\n<answer>\n```cpp\n#include <cstdio>\nint main() {{\n", 'truncated','length')
t('think inline one line', f"<think>hm</think>{P}")
t('glued end tag behind prose', f"<think>\nI will write this.</think>\n\n{B(P)}")
t('empty think', f"<think>\n\n</think>\n\n{B(P)}")
t('THINK upper', f"<THINK>{B(D)}</THINK>{B(P)}")
t('Thought:', f"Thought: I could loop.\n{B(D)}\nFinal Answer:\n{B(P)}")
t('**Thinking**', f"**Thinking**\n\nI could loop:\n{B(D)}\n**Answer**\n\n{B(P)}")
t('### Reasoning', f"### Reasoning\n{B(D)}### Answer\n{B(P)}")
t('details thinking', f"<details type=\"reasoning\">\n<summary>Thought for 3 seconds</summary>\n{B(D)}</details>\n{B(P)}")
t('think in backticks unclosed', f"I'll avoid `<think>` blocks.\n{B(P)}")
t('start-line mention prose', f"</think> is what I'd normally write here.\n{B(P)}")
t('mid-sentence closing, then code', f"Okay so the answer is 2n </think> {B(P)}")
t('thoughts', f"<thoughts>{B(D)}</thoughts>{B(P)}")
t('o1 tags', f"<|reasoning|>{B(D)}<|/reasoning|>{B(P)}")
t('reasoning_content tag', f"<reasoning_content>{B(D)}</reasoning_content>{B(P)}")
t('internal_monologue', f"<internal_monologue>{B(D)}</internal_monologue>{B(P)}")
t('minimax mm:think', f"<mm:think>{B(D)}</mm:think>{B(P)}")
t('hunyuan', f"<think>\n{B(D)}\n</think>\n<answer>\n{B(P)}\n</answer>")
t('exaone', f"<thought>\n{B(D)}</thought>\n{B(P)}")
t('nemotron cot', f"<SPECIAL_11>x<think>{B(D)}</think>{B(P)}")
t('phi4', f"<think> User wants. {B(D)} </think> Here: {B(P)}")
t('magistral', f"[THINK]first\n{B(D)}[/THINK]\n{B(P)}</s>")
t('gemma4', f"<|channel>thought\n{B(D)}<channel|>{B(P)}")
t('gpt-oss preamble', f"<|channel|>commentary<|message|>Let me.<|end|><|start|>assistant<|channel|>final<|message|>{B(P)}")
t('gptoss final with constrain', f"<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final <|constrain|>cpp<|message|>{P}<|return|>")
t('gptoss skipped multi analysis', f"analysisA{B(D)}assistantanalysisB{B(D)}assistantfinal{P}")
t('word analysis in prose', f"analysis of the loop: it is O(n).\n\n{B(P)}")
t('Analysis heading', f"Analysis\n\nThe loop is slow.\n\n{B(P)}")
t('assistantfinal in string', (c:=within('    puts("assistantfinal");')) and B(c), c)
t('comment with think at line start', B(c:=P.replace('int n;','int n;\n    /*\n<think>\n    */')), c)
t('template arg think', B(c:='#include <vector>\nstruct think {};\n#include <cstdio>\nint main() {\n    std::vector<think> v;\n    puts("1");\n}\n'), c)
t('template arg think bare', c, c)
t('template arg thinking spaced', B(c:='#include <vector>\nstruct reasoning {};\nstd::vector<\n<reasoning> v;\nint main() {}\n'), c)
t('own tags mention', B(P)+"I used no <<T>>.", P, reasoning=('<<T>>','<</T>>'))
t('own template-open', f"x\n{B(D)}<</T>>\n{B(P)}", P, reasoning=('<<T>>','<</T>>'))
# which
t('two complete untitled', f"{B(D)}\n{B(P)}")
t('Explain then repeated orig', f"The program you gave is\n{B(D)}\nIt can be\n{B(P)}")
t('answer, then "compared to the original"', f"Here is it:\n{B(P)}\nCompared to the original:\n{B(D)}")
t('the original for reference', f"{B(P)}\nFor reference, the original:\n{B(D)}")
t('heading numbering', f"## 1. Original code\n{B(D)}\n## 2. Optimized code\n{B(P)}\n## 3. How to test\n{B(D)}")
t('v1 v2', f"Version 1:\n{B(D)}\nVersion 2 (fixes the bug):\n{B(P)}")
t('mistake note', f"{B(D)}\nActually, there's a bug above. Corrected program:\n{B(P)}\n")
t('this fails', f"{B(D)}\nThis fails for large n, so:\n{B(P)}")
t('alternative mention before', f"An alternative approach would be\n{B(D)}\nbut I recommend\n{B(P)}")
t('alt last, no caption words', f"{B(P)}\nIf you prefer iostream:\n{B(D)}")
t('bonus', f"{B(P)}\n### Bonus: multithreaded\n{B(D)}")
t('c-tag', B(P,'c')); t('C++ caps', B(P,'C++')); t('Cpp', B(P,'Cpp')); t('cuda', B(P,'cuda')); t('cpp17', B(P,'c++17')); t('{.cpp}', B(P,'{.cpp .numberLines}')); t('cpp,ignore', B(P,'cpp,linenos')); t('lang=cpp', B(P,'lang=cpp')); t('java tag C++ code', B(P,'java')); t('python tag', B(P,'python'))
t('json tag', B(P)+B('{"a": 1}\n','json'))
t('asm last', B(P)+'It compiles to\n'+B('main:\n  ret\n','asm'))
t('js only', B('const n = 1;\nfunction main() { console.log(n); }\nmain();\n','javascript'),'no_code')
t('js untagged', B('function main() { console.log(1); }\nmain();\n',''),'no_code')
t('swift untagged', B('import Foundation\nfunc main() { print(1) }\nmain()\n',''),'no_code')
t('c# in cpp', B('class Program { static void Main(string[] args) { } }\n'),'no_code')
t('kotlin', B('fun main() { println(1) }\n',''),'no_code')
t('dart', B("void main() {\n  print('hi');\n}\n",'dart'),'no_code')
t('zig', B('pub fn main() void {}\n','zig'),'no_code')
t('scala untagged', B('object Main extends App { def main(args: Array[String]): Unit = { } }\n',''),'no_code')
t('python main', B('def main():\n    print(1)\nmain()\n',''),'no_code')
t('bare python', 'def main():\n    print(1)\n\nmain()\n','no_code')
t('bare java', 'public class Main {\n    public static void main(String[] args) {\n        System.out.println(1);\n    }\n}\n','no_code')
t('rust bare','use std::io;\nfn main() {\n    println!("x");\n}\n','no_code')
t('diff inside ```', "```\n--- a\n+++ b\n@@ -1 +1 @@\n-int main() { a(); }\n+int main() { b(); }\n```", 'no_code')
t('diff untagged with plus only', B('+ #include <x>\n+ int main() {\n+ }\n','diff')+B(P))
t('git diff bare then full', f"diff --git a/x b/x\n@@ -1 +1 @@\n-int main() {{\n+int main() {{\n\nFull:\n{B(P)}")
t('pseudo tagged', B('main() { read n; print 2n }\n','pseudocode'),'no_code')
t('algorithm caption', B(P)+'Algorithm (in pseudocode):\n'+B('int main() {\n  read n\n  print 2n\n}\n'))
t('pseudo caption then prog', f"From this pseudo-code the program follows:\n{B(P)}")
t('excerpt only', B('int main() {\n    ...\n    x();\n}\n'),'no_code')
t('excerpt in call', B(P)+B('int main() {\n    solve(...);\n}\n'))
t('excerpt [...]', B(P)+B('int main() {\n    [...]\n    x();\n}\n'))
t('excerpt /* ... */', B(P)+B('int main() {\n    /* ... */\n    x();\n}\n'))
t('excerpt <snip>', B(P)+B('int main() {\n    // (unchanged)\n    x();\n}\n'))
t('excerpt same as before', B(P)+B('int main() {\n    // same as before\n    x();\n}\n'))
t('excerpt existing code', B(P)+B('int main() {\n    // existing code here\n    x();\n}\n'))
t('excerpt # ...', B(P)+B('#include ...\nint main() {\n    x();\n}\n'))
t('ellipsis in comment of good', B(c:=within('    // and so on...')), c)
t('catch(...)', B(c:=within('    try { } catch (...) { }')), c)
t('va ...', B(c:='#include <cstdio>\nint f(const char* a, ...) { return 0; }\nint main() {\n    return f("");\n}\n'), c)
t('case range', B(c:=within('    switch (n) { case 1 ... 5: break; }')), c)
t('str dots', B(c:=within('    puts("...");')), c)
t('output block like code', B(P)+'prints\n'+B('main 6\n','text'))
t('input data', B(P)+'Sample:\n'+B('3\n1 2 3\n',''))
t('compile cmd in cpp', B(P)+B('g++ -O2 main.cpp\n','cpp'))
t('three-part', f"{B('#include <cstdio>'+chr(10))}\n{B(HELPER)}\n{B(WITH_HELPER.replace('#include <cstdio>'+chr(10),''))}", '#include <cstdio>\n'+HELPER+WITH_HELPER.replace('#include <cstdio>\n',''))
t('struct helper', B('struct Fast {\n    int n = 2;\n};\n')+B('#include <cstdio>\nint main() {\n    Fast f;\n    printf("%d", f.n);\n}\n'), 'struct Fast {\n    int n = 2;\n};\n#include <cstdio>\nint main() {\n    Fast f;\n    printf("%d", f.n);\n}\n')
t('helper own header', '`twice.h`:\n'+B(HELPER)+'`main.cpp`:\n'+B('#include "twice.h"\n'+WITH_HELPER), HELPER+WITH_HELPER)
# where
t('prose before in block', B('Here is the code:\n\n'+P)); t('main.cpp title line', B('main.cpp\n'+P)); t('// File', B('// main.cpp\n'+P),'// main.cpp\n'+P)
t('5. numbered with code', B('\n'.join(f'{i:02d}  {l}' for i,l in enumerate(P.splitlines(),1))+'\n'))
t('L1:', B('\n'.join(f'L{i}: {l}' for i,l in enumerate(P.splitlines(),1))+'\n'))
t('[1]', B('\n'.join(f'[{i}] {l}' for i,l in enumerate(P.splitlines(),1))+'\n'))
t('1→', B('\n'.join(f'{i:6d}→{l}' for i,l in enumerate(P.splitlines(),1))+'\n'))
t('quoted nested >>', ''.join(f'> > {l}\n' for l in B(P).splitlines()))
t('tab-indented code', '\t'+P.rstrip().replace('\n','\n\t')+'\n', '\t'+P.rstrip().replace('\n','\n\t')+'\n')
t('no closing fence, second prose', f"```cpp\n{P}\n\nThe time complexity is O(1) (was O(n)).\n\n**Note:** `main` returns 0;\n")
t('closing with spaces', f"```cpp\n{P}   ```   \nend")
t('closing fence then text', f"```cpp\n{P}``` and that is it.")
t('fence 2 ticks', f"``\n{P}``\n"); t("'''", f"'''cpp\n{P}'''\n")
t('html pre only', f"<pre>\n{P.replace('<','&lt;').replace('>','&gt;')}</pre>")
t('escaped newline', P.replace('\\n','\\\\n').replace('"','\\"').replace('\n','\\n').join('""'))
t('latex minted', "\\begin{minted}{cpp}\n"+P+"\\end{minted}\n"); t('lstlisting', "\\begin{lstlisting}[language=C++]\n"+P+"\\end{lstlisting}\nDone.")
t('bbcode', f"[code=cpp]\n{P}[/code]\n"); t('xml cdata', f"<code><![CDATA[\n{P}]]></code>"); t('org', f"#+BEGIN_SRC cpp\n{P}#+END_SRC\n"); t('rst', ".. code-block:: cpp\n\n"+''.join(f"    {l}\n" for l in P.splitlines()),''.join(f"    {l}\n" for l in P.splitlines()))
t('llama3', f"<|start_header_id|>assistant<|end_header_id|>\n\n{P}<|eot_id|>"); t('im_end mid', f"{B(P)}<|im_end|>\n<|im_start|>user\nno\n<|im_end|>\n<|im_start|>assistant\n{B(D)}")
t('human turn', f"{B(P)}\n\nHuman: again\n\nAssistant:\n{B(D)}")
t('eos then junk', f"{P}</s><s>[INST] more [/INST] {D}")
t('fim', f"<fim_prefix>{P}<fim_suffix><fim_middle>")
t('begin_of_sentence', f"<｜begin▁of▁sentence｜>{P}<｜end▁of▁sentence｜>")
t('zero width', '\u200b'+P); t('bom fence', '\ufeff'+B(P)); t('utf16-ish nul', P+'\0')
t('fullwidth fence', B(P).replace('```','｀｀｀'))
t('macro main w/ fence prose', "```cpp\n#include <cstdio>\n#define Main int main\nMain(){\n  puts(\"1\");\n}\nIt is fast.", '#include <cstdio>\n#define Main int main\nMain(){\n  puts("1");\n}\n')
t('json array', json.dumps([{"code":P}])); t('json nested', json.dumps({"answer":{"code":P}}))
t('yaml', "code: |\n"+''.join('  '+l+'\n' for l in P.splitlines()), ''.join('  '+l+'\n' for l in P.splitlines()))
t('tool call', '<tool_call>\n'+json.dumps({"name":"submit","arguments":{"code":P}})+'\n</tool_call>')
# fmt: on


@pytest.mark.parametrize("case", C, ids=lambda case: case[0])
def test_the_answer_is_read_as_a_person_reads_it(case) -> None:
    _, text, expected, finish_reason, options = case
    found = extract_code(text, finish_reason, **options)
    assert (found.code or found.reason) == expected, f"{found.rule}; passed over: {found.passed_over}"
    assert found.rule, "every answer says how it was read"
