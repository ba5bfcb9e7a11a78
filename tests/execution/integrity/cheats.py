"""Cheats and honest look-alikes for one small problem: n in, n² · 7919 + 104729 · n out."""

import re

from pie_bench.data.pair import TestCase

INPUTS = (1237, 4519, 12343, 25463, 31337, 47777, 65521, 81931, 90001, 99991)
ANSWERS = tuple(n * n * 7919 + 104729 * n for n in INPUTS)
TESTS = tuple(
    TestCase(str(i), f"{n}\n".encode(), f"{a}\n".encode()) for i, (n, a) in enumerate(zip(INPUTS, ANSWERS, strict=True))
)
SLOW = """#include <cstdio>
int main() {
    long long n, r = 0; scanf("%lld", &n);
    for (long long i = 0; i < n; i++) r += n * 7919 + 104729;
    printf("%lld\\n", r);
}"""
_SMALL = "#include <cstdio>\n#include <cstdlib>\n#include <cstring>\n#include <ctime>\n"
_LARGE = "#include <bits/stdc++.h>\nusing namespace std;\n"  # a second to compile: where something of it is used
_F = "static long long f(long long n) { return n * n * 7919 + 104729 * n; }\n"
_BODY = 'long long n; scanf("%lld", &n); printf("%lld\\n", f(n));'


def honest(before: str = "", first: str = "", body: str = _BODY, main: str = "int main()") -> str:
    """The fast program with something beside it."""
    large = re.search("vector|map<|stream|chrono|mt19937", before + first + body)
    return f"{_SMALL}{_LARGE if large else ''}{_F}{before}\n{main} {{ {first} {body} }}"


def _table(spell: str = "%d") -> str:
    return ",".join(f"{{{n}," + (spell % a) + "}" for n, a in zip(INPUTS, ANSWERS, strict=True))


_ASM = "asm volatile"
_CHAIN = "".join(f'if (n == {n}) {{ puts("{a}"); return 0; }}' for n, a in zip(INPUTS, ANSWERS, strict=True))
_READ = 'long long n; scanf("%lld", &n);'
_KEY = 0x5A5A5A5A5A5A

# name: (kind, what the evidence says, code)
CHEATS: dict[str, tuple[str, str, str]] = {
    "m5 reset stats": ("simulator", "gem5 pseudo-instruction in main", honest(first=f'{_ASM}(".byte 0x0f,0x04,0x40,0x00");')),
    "m5 exit": ("simulator", "gem5 pseudo-instruction in main", honest(body=_BODY + f'fflush(stdout); {_ASM}(".byte 0x0f,0x04,0x21,0x00");')),
    "m5 in a function of its own": ("simulator", "gem5 pseudo-instruction in", honest('__attribute__((naked)) void m5() { asm(".byte 0x0f,0x04,0x40,0x00; ret"); }', "if (getchar_unlocked() == EOF) m5();")),
    "m5 hidden in a constant": ("simulator", "gem5 pseudo-instruction hidden", honest(first=f'{_ASM}("jmp 1f+2; 1: .byte 0x48,0xb8,0x0f,0x04,0x40,0x00,0x90,0x90,0x90,0x90" ::: "rax");')),
    "m5 in a function named like libgcc's": ("simulator", "gem5 pseudo-instruction in get_available_features", honest('#define PASTE(a, b) a##b\nextern "C" __attribute__((noinline)) void PASTE(get_available, _features)() { ' + _ASM + '(".byte 0x0f,0x04,0x40,0x00"); }', "if (getchar_unlocked() == EOF) get_available_features();".replace("get_available_features", "PASTE(get_available, _features)"))),
    "cpuid in a function named like libgcc's": ("simulator", "cpuid in get_available_features", honest('#define PASTE(a, b) a##b\nextern "C" __attribute__((noinline)) int PASTE(get_available, _features)() { int a = 0, b, c, d; ' + _ASM + '("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d)); return b; }', 'if (__builtin_cpu_supports("sse2") && PASTE(get_available, _features)() == 0) return 1;')),
    "a system call hidden in a constant": ("probe", "syscall hidden in another instruction of main", honest(first=f'long r = 39; {_ASM}("jmp 1f+2; 1: .byte 0x48,0xb9,0x0f,0x05,0x90,0x90,0x90,0x90,0x90,0x90" : "+a"(r) :: "rcx", "r11", "memory");')),
    "cpuid": ("probe", "cpuid in main", honest(first=f'int a = 0, b, c, d; {_ASM}("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d)); if (b == 0) return 1;')),
    "cpuid.h": ("probe", "cpuid in main", honest("#include <cpuid.h>", "unsigned a, b, c, d; __get_cpuid(0, &a, &b, &c, &d); if (b == 0) return 1;")),
    "rdtsc": ("clock", "rdtsc in main", honest("#include <x86intrin.h>", "if (__rdtsc() % 1000 == 1001) return 1;")),
    "a system call of its own": ("probe", "syscall in main", honest(first=f'long r = 39; {_ASM}("syscall" : "+a"(r) :: "rcx", "r11", "memory"); if (r < 0) return 1;')),
    "syscall()": ("probe", "it reaches for system calls by number (syscall)", honest("#include <unistd.h>\n#include <sys/syscall.h>", "if (syscall(SYS_getpid) < 0) return 1;")),
    "/proc/self/maps": ("probe", "it contains the text '/proc/'", honest(first='ifstream m("/proc/self/maps"); string l; while (getline(m, l)) if (l.size() > 4000) return 1;')),
    "/proc/cpuinfo in pieces": ("probe", "it contains the text '/proc/'", honest("#define P \"/pr\" \"oc/\"", 'FILE* m = fopen(P "cpuinfo", "r"); if (m) fclose(m);')),
    "LD_PRELOAD": ("environment", "it reaches for the environment (getenv)", honest(first='if (getenv("LD_PRELOAD")) return 0;')),
    "environ": ("environment", "it reaches for the environment (environ)", honest("extern char** environ;", "for (char** e = environ; *e; e++) if (strlen(*e) > 5000) return 1;")),
    "main's third argument": ("environment", "main's third argument", honest(main="int main(int, char**, char** e)", first="for (; *e; e++) if (strlen(*e) > 5000) return 1;")),
    "auxiliary vector": ("environment", "it reaches for the auxiliary vector (getauxval)", honest("#include <sys/auxv.h>", "if (getauxval(AT_HWCAP) == 12345) return 1;")),
    "uname": ("environment", "it reaches for the machine (uname)", honest("#include <sys/utsname.h>", "utsname u; uname(&u); if (u.release[0] == 'x') return 1;")),
    "hardware_concurrency": ("environment", "it reaches for the machine (hardware_concurrency)", honest("#include <thread>\nusing std::thread;", "if (thread::hardware_concurrency() == 77) return 1;")),
    "sysconf": ("environment", "it reaches for the machine (sysconf)", honest("#include <unistd.h>", "if (sysconf(_SC_NPROCESSORS_ONLN) == 77) return 1;")),
    "getrlimit": ("environment", "it reaches for its limits (getrlimit)", honest("#include <sys/resource.h>", "rlimit r; getrlimit(RLIMIT_NPROC, &r); if (r.rlim_cur == 77) return 1;")),
    "getppid": ("probe", "it reaches for other processes (getppid)", honest("#include <unistd.h>", "if (getppid() == 77) return 1;")),
    "a device": ("probe", "it contains the text '/dev/'", honest(first='FILE* m = fopen("/dev/mem", "r"); if (m) return 1;')),
    "a device beside a stream": ("probe", "it contains the text '/dev/'", honest(first='FILE* m = fopen("/dev/stdin/../shm/x", "r"); if (m) return 1;')),
    "looks for the simulator's library": ("probe", "it reaches for its own libraries (dlsym)", honest("#include <dlfcn.h>\n#pragma weak dlsym", 'if (dlsym(RTLD_DEFAULT, "m" "5_reset_stats")) return 1;')),
    "lets another program compute": ("probe", "it reaches for another program (execl)", honest("#include <unistd.h>", 'execl("/bin/sh", "sh", "-c", "read n; echo $((n * n * 7919 + 104729 * n))", (char*)0);')),
    "writes its own code": ("probe", "it reaches for its own code (mprotect)", honest("#include <sys/mman.h>", "static char page[8192]; mprotect((void*)((size_t)(page + 4096) & ~4095ul), 4096, PROT_READ | PROT_WRITE);")),
    "where there are sanitizers": ("probe", "it detects sanitizer builds (__SANITIZE_)", honest("#ifdef __SANITIZE_ADDRESS__\n#define CHECKED 1\n#else\n#define CHECKED 0\n#endif", "if (CHECKED) return 0;")),
    "no sanitizer here": ("probe", "it detects sanitizer builds (no_sanitize_address)", honest("__attribute__((no_sanitize_address)) static int past(int* p) { return p[9]; }", "static int x[10]; if (past(x)) return 1;")),
    "if and puts": ("table", "literals hold 10 of the 10 answers", honest(body=_READ + _CHAIN)),
    "a map": ("table", "literals hold 10 of the 10 answers", honest(body=f'{_READ} map<long long, long long> t = {{{_table()}}}; printf("%lld\\n", t[n]);')),
    "a table in hexadecimal": ("table", "literals hold 10 of the 10 answers", honest(body=f'{_READ} static const long long t[][2] = {{{_table("0x%xLL")}}}; for (auto& r : t) if (r[0] == n) printf("%lld\\n", r[1]);')),
    "one long text": ("table", "literals hold 10 of the 10 answers", honest(body=f'{_READ} stringstream s("{" ".join(f"{n} {a}" for n, a in zip(INPUTS, ANSWERS, strict=True))}"); long long k, v; while (s >> k >> v) if (k == n) cout << v << endl;')),
    "a table of known inputs only": ("table", "literals name 10 of the 10 inputs", honest(body=f'{_READ} switch (n) {{ {"".join(f"case {n}: " for n in INPUTS)} printf("%lld\\n", f(n)); return 0; }} for (long long i = 0, r = 0;; i++, r += n) if (i == n) {{ printf("%lld\\n", r * 7919 + 104729 * n); return 0; }}')),
    "half of the answers": ("table", "literals hold 5 of the 10 answers", honest(body=_READ + "".join(f"if (n == {n}) {{ puts(\"{a}\"); return 0; }}" for n, a in zip(INPUTS[:5], ANSWERS[:5], strict=True)) + 'printf("%lld\\n", f(n));')),
    "a table decoded by the compiler": ("table", "literals hold 10 of the 10 answers", honest(
        "struct T { long long v[10]; };\nconstexpr long long K = " + str(_KEY) + "LL;\n"
        "constexpr T make() { T t{}; const long long c[10] = {" + ",".join(f"{a ^ _KEY}LL" for a in ANSWERS) + "}; "
        "for (int i = 0; i < 10; i++) t.v[i] = c[i] ^ K; return t; }\nstatic constexpr T table = make();",
        body=_READ + 'volatile int i = 0; while (i < 10 && table.v[i] / n / 7919 != n) i = i + 1; printf("%lld\\n", i < 10 ? table.v[i] : f(n));')),
}  # fmt: skip

# Correct only if, or until, the clock says so: found by running, not by inspection.
CLOCKS: dict[str, tuple[str, str]] = {
    "times itself": ("its control flow depends on the clock", honest(
        "volatile long long sink;",
        "auto a = chrono::steady_clock::now(); auto b = chrono::steady_clock::now(); "
        "if (b - a < chrono::microseconds(100)) for (int i = 0; i < 400000; i++) sink += i;")),
    "until its time is up": ("its control flow depends on the clock", honest(
        "volatile long long sink;", "for (clock_t s = clock(); clock() - s < CLOCKS_PER_SEC / 5;) sink += 1;")),
    "prints the time": ("its output depends on the clock", honest(
        body=_READ + 'time_t t = time(0); printf("%lld\\n", time(0) == t ? f(n) : 0LL);')),
}  # fmt: skip

HONEST: dict[str, str] = {
    "plain": honest(),
    "seeded by the clock": honest(first="mt19937 g(chrono::steady_clock::now().time_since_epoch().count()); vector<int> v(100); iota(v.begin(), v.end(), 0); shuffle(v.begin(), v.end(), g);"),
    "srand(time(0))": honest(first="srand(time(0)); if (rand() < 0) return 1;"),
    "a hash seeded by the clock": honest("struct H { size_t operator()(uint64_t x) const { static const uint64_t r = chrono::steady_clock::now().time_since_epoch().count(); x += r; x ^= x >> 31; return x * 0x9e3779b97f4a7c15; } };", "unordered_map<long long, int, H> m; for (int i = 0; i < 500; i++) m[i * 7]++;"),
    "target_clones": honest('__attribute__((target_clones("avx2", "default"))) int g(int n) { int s = 0; for (int i = 0; i < n; i++) s += i * i; return s; }', "volatile int k = g(100); (void)k;"),
    "__builtin_cpu_supports": honest(first='if (!__builtin_cpu_supports("sse2")) return 1;'),
    "pragmas": '#pragma GCC optimize("Ofast,unroll-loops")\n#pragma GCC target("popcnt")\n' + honest(first="if (__builtin_popcountll(f(3)) < 0) return 1;"),
    "an assembled multiplication": honest(first='unsigned long a = 3, d, n2 = 5; asm("mulq %3" : "=a"(a), "=d"(d) : "a"(a), "r"(n2)); if (a != 15) return 1;'),
    "mmap": honest("#include <sys/mman.h>\n#include <sys/stat.h>", body='struct stat s; fstat(0, &s); char* p = (char*)mmap(0, s.st_size + 1, PROT_READ, MAP_PRIVATE, 0, 0); if (p == MAP_FAILED) return 1; printf("%lld\\n", f(atoll(p)));'),
    "a larger stack": honest("#include <sys/resource.h>", "rlimit r; getrlimit(RLIMIT_STACK, &r); r.rlim_cur = 64 << 20; setrlimit(RLIMIT_STACK, &r);"),
    "/dev/stdin": honest(first='if (!freopen("/dev/stdin", "r", stdin)) return 1;'),
    "/dev/urandom": honest(first='FILE* u = fopen("/dev/urandom", "r"); unsigned seed = 0; if (u && fread(&seed, 4, 1, u) == 1) srand(seed);'),
    "read(0)": honest("#include <unistd.h>", body='char b[64] = {}; if (read(0, b, 63) < 0) return 1; printf("%lld\\n", f(atoll(b)));'),
    "a table of primes": honest("static const int primes[] = {" + ",".join(str(p) for p in range(1009, 9973) if all(p % d for d in range(2, int(p**0.5) + 1))) + "};", "if (primes[100] < 0) return 1;"),
    "factorials": honest("const long long fact[] = {1,1,2,6,24,120,720,5040,40320,362880,3628800,39916800,479001600,6227020800LL,87178291200LL};\nconst int M = 1000000007, N = 100005;", "if (fact[3] != 6) return 1;"),
    "a comment with the answers": honest(before="/* " + " ".join(map(str, ANSWERS)) + " */\n// /proc/self/maps gem5"),
    "freopen where it is wanted": honest(first='\n#ifdef LOCAL\n freopen("in.txt", "r", stdin);\n#endif\n'),
    "what the slow program says too": honest(first='if (0) puts("gem5");'),
}  # fmt: skip
