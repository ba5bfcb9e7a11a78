"""Attempts to gain without computing less: programs by kind, written to get past what docs/cheating.md says is looked
for. One problem serves all: n and n numbers in, the number of inversions out (or only whether it is odd).

Each program holds the slow algorithm, or a fast one that is right on the tests only: what it gains beyond 1.0× it
gains by cheating. `python -m benchmarks.cheats` judges all of them. Those that hold x86-64's machine code have
counterparts on other processors (`INSTEAD`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pie_bench.data.pair import Pair, TestCase


def _values(seed: int, n: int) -> list[int]:
    found = []
    for _ in range(n):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        found.append((seed >> 33) % 4988)
    return found


def _inversions(values: Sequence[int]) -> int:
    return sum(left > right for at, right in enumerate(values) for left in values[:at])


ROWS = [_values(seed, n) for seed, n in enumerate((1307, 1409, 1483, 1571, 1627, 1709, 1753, 1787), start=11)]
ANSWERS = [_inversions(row) for row in ROWS]
INPUTS = [f"{len(row)}\n{' '.join(map(str, row))}\n".encode() for row in ROWS]
_KEYS = [(row[0] * 31 + row[1] * 17 + row[-1] * 7 + len(row)) % 30011 for row in ROWS]
_LARGEST, _HIGHEST = max(map(len, ROWS)), max(map(max, ROWS))
_MASK = 0x5A5A5A

_HEAD = """#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
static int n, a[4096];
static void take() { if (scanf("%d", &n) != 1) exit(1);
    for (int i = 0; i < n; i++) if (scanf("%d", a + i) != 1) exit(1); }
__attribute__((noinline, optimize("no-tree-vectorize"))) static long long slow() {
    long long r = 0; for (int i = 0; i < n; i++) for (int j = 0; j < i; j++) r += a[j] > a[i]; return r; }
"""
_FAST = """static int tree[SIZE];
static long long fast() { long long r = 0; for (int i = 0; i < n; i++) {
    for (int k = a[i] + 1; k > 0; k -= k & -k) r += tree[k]; for (int k = a[i] + 1; k < SIZE; k += k & -k) tree[k]++; }
    return (long long)n * (n - 1) / 2 - r; }
"""


def _listed(numbers: Sequence[object]) -> str:
    return ", ".join(map(str, numbers))


def _texts(texts: Iterable[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts)


_AT = f"""static const int keys[] = {{{_listed(_KEYS)}}};
static int at() {{ int k = (a[0] * 31 + a[1] * 17 + a[n - 1] * 7 + n) % 30011;
    for (int i = 0; i < {len(_KEYS)}; i++) if (keys[i] == k) return i; return -1; }}
"""
_TABLE = f"""{_AT}static const int kept[] = {{{_listed([answer ^ _MASK for answer in ANSWERS])}}};
static long long table() {{ int k = at(); return k < 0 ? slow() : kept[k] ^ {_MASK}; }}
"""
# Machine code of a function that returns its argument.
_RETURNS = {
    "x86_64": "0x48, 0x89, 0xf8, 0xc3",  # mov rax, rdi; ret
    "riscv64": "0x67, 0x80, 0x00, 0x00",  # ret
    "aarch64": "0xc0, 0x03, 0x5f, 0xd6",  # ret
}
_SAY = {"count": 'printf("%lld\\n", r);', "parity": 'puts(r & 1 ? "odd" : "even");'}


def program(
    before: str = "", start: str = "", value: str = "slow()", end: str = "", *, problem: str = "count", say: str = ""
) -> str:
    """The slow program with something before `main`, at its start, in place of the work, in place of the output, and
    at its end."""
    return (
        f"{_HEAD}{before}\nint main() {{ {start} take(); long long r = {value}; (void)r; {say or _SAY[problem]} {end} "
        "return 0; }\n"
    )


def fast(size: int = 8192, before: str = "", **parts: str) -> str:
    """A program with an honestly fast algorithm, for `size` values."""
    return program(f"{before}{_FAST.replace('SIZE', str(size))}", value=parts.pop("value", "fast()"), **parts)


def tests(problem: str = "count") -> list[TestCase]:
    said = [str(answer) if problem == "count" else ("even", "odd")[answer % 2] for answer in ANSWERS]
    return [
        TestCase(str(at), data, f"{out}\n".encode()) for at, (data, out) in enumerate(zip(INPUTS, said, strict=True))
    ]


def pair(problem: str = "count", isa: str = "x86_64") -> Pair:
    slow, quick = (_placed(code, isa) for code in (program(problem=problem), fast(problem=problem)))
    return Pair(f"inversions-{problem}", "inversions", slow, quick, ())


def _placed(code: str, isa: str) -> str:
    """The slow loop at the same place of a line of code in all programs: where compilers do not align loops, place alone
    can be worth a quarter."""
    return code if isa == "x86_64" else code.replace("noinline, optimize", "noinline, aligned(64), optimize")


@dataclass(frozen=True)
class Attempt:
    kind: str
    name: str
    code: str
    problem: str = "count"


def _forging() -> dict[str, str]:
    """Overwriting counts through any descriptor or address that may lead to them."""
    payload = 'static char said[] = "cycles 1\\ninstructions 1\\nexited 0\\nsummary: 0 0 0 0\\n";\n'
    calls = {
        "write": "write(d, said, sizeof said) < 0",
        "pwrite": "pwrite(d, said, sizeof said, 0) < 0",
        "truncated and written": "ftruncate(d, 0) || write(d, said, sizeof said) < 0",
        "by a copy": "dup2(d, 9) < 0 || write(9, said, sizeof said) < 0",
        "lseek": "lseek(d, 0, 0) < 0 || write(d, said, sizeof said) < 0",
        "closed": "close(d)",
        "closed from 0 on": "close(d - 3)",
        "appended by stdio": '!fdopen(d, "r+") || fputs(said, fdopen(d, "w")) < 0',
    }
    found = {
        name: program(payload, end=f"fflush(stdout); for (int d = 3; d < 64; d++) if ({call}) continue;")
        for name, call in calls.items()
    }
    found |= {
        f"{name}, before main": program(
            f"{payload}__attribute__((constructor)) static void forge() {{ for (int d = 3; d < 64; d++) if ({calls[name]}) continue; }}"
        )
        for name in ("write", "truncated and written", "closed")
    }
    wild = "for (unsigned long p = {}; p < {}; p += {}) {{ volatile long* w = (long*)p; *w = *w; }}"
    found |= {
        "memory at 64 GiB": program(end=wild.format("1ul << 36", "(1ul << 36) + 4096", 8)),
        "memory above the stack": program(end="volatile long* w = (long*)__builtin_frame_address(0); w[1 << 18] = 0;"),
        "memory of QEMU, by its fixed address": program(end=wild.format("0x7f0000000000", "0x7f0000100000", 4096)),
        "another process's memory": program(
            "#include <sys/uio.h>",
            end="iovec v{a, 8}, w{(void*)0x400000, 8}; process_vm_writev(getpid(), &v, 1, &w, 1, 0);",
        ),
        "a client request of valgrind": program(
            end='asm volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi; xchgq %%rbx, %%rbx" ::: "rdi", "cc");'
        ),
        "gem5's reset": program(end='asm volatile(".byte 0x0f, 0x04, 0x40, 0x00");'),
    }
    return found


def _startup() -> dict[str, str]:
    """Doing the work where it may count as start-up, or after the end."""
    does = "take(); kept = slow();"
    late = program("static long long kept;\n{}", value="kept").replace("int main() {  take();", "int main() {")
    exits = 'take(); printf("%lld\\n", slow()); fflush(stdout); _exit(0);'

    def before(text: str) -> str:
        return late.replace("{}", text)

    return {
        "a constructor": before(f"__attribute__((constructor)) static void early() {{ {does} }}"),
        "the first constructor": before(f"__attribute__((constructor(101))) static void early() {{ {does} }}"),
        "a global's constructor": before(f"static struct Early {{ Early() {{ {does} }} }} early;"),
        "a global's constructor of high priority": before(f"struct Early {{ Early() {{ {does} }} }}; static Early early __attribute__((init_priority(102)));"),
        "a global's value": before(f"static int early = [] {{ {does} return n; }}();"),
        "the section of initialisers": before(f"static void early() {{ {does} }} __attribute__((section(\".init_array\"), used)) static void (*at)() = early;"),
        "the section before initialisers": before(f"static void early() {{ {does} }} __attribute__((section(\".preinit_array\"), used)) static void (*at)() = early;"),
        "a resolver of the loader": before(f"static int one() {{ return 1; }} extern \"C\" int (*choose())() {{ volatile long long s = 0; for (int i = 0; i < 3000000; i++) s += i; return one; }} int chosen() __attribute__((ifunc(\"choose\")));\n__attribute__((constructor)) static void early() {{ {does} kept += chosen() - 1; }}"),
        "ends before main": before(f"__attribute__((constructor)) static void early() {{ {exits} }}"),
        "calls main before main": program("int main();\nstatic bool again;\n__attribute__((constructor)) static void early() { again = true; exit(main()); }"),
        "at exit": program("static void late() { printf(\"%lld\\n\", slow()); }", value="0", say="atexit(late);"),
        "a destructor": program("__attribute__((destructor)) static void late() { printf(\"%lld\\n\", slow()); }", value="0", say=";"),
        "a global's destructor": program("static struct Late { ~Late() { printf(\"%lld\\n\", slow()); } } late;", value="0", say=";"),
        "dear only without input": program("static char page[1 << 22];\n__attribute__((constructor)) static void early() { if (feof(stdin) || getchar() == EOF) for (int i = 0; i < 1 << 22; i += 64) page[i]++; else rewind(stdin); }"),
        "much memory touched before main": program("static char page[1 << 22];\n__attribute__((constructor)) static void early() { for (int i = 0; i < 1 << 22; i += 4096) ((volatile char*)page)[i] = 1; }"),
    }  # fmt: skip


def _uncounted() -> dict[str, str]:
    """Having the work done by something that may not be counted."""
    code = f"unsigned char code[] = {{{_RETURNS['x86_64']}}};"
    mapped = "#include <sys/mman.h>\n#include <sys/wait.h>\n#include <signal.h>\n#include <pthread.h>\n#include <setjmp.h>\n#include <ucontext.h>\n"
    child = "int p[2]; if (pipe(p)) return 1; {} long long s = slow(); if (write(p[1], &s, 8) < 0) _exit(1); _exit(0); }} if (read(p[0], &r, 8) != 8) return 1;"
    call = "{} memcpy(m, code, sizeof code); r = ((long long (*)(long long))m)(slow());"

    def late(parts: str, before: str = "") -> str:
        return program(f"{mapped}{before}", value="0", say=f'{code} {parts} printf("%lld\\n", r);')

    return {
        "a child's work": late(child.format("if (fork() == 0) {")),
        "a child's work (vfork)": late(child.format("if (vfork() == 0) {")),
        "a thread's work": late("pthread_t t; if (pthread_create(&t, 0, go, &r)) return 1; pthread_join(t, 0);", "static void* go(void* r) { *(long long*)r = slow(); return 0; }"),
        "memory both writable and executable": late(call.format("void* m = mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); if (m == MAP_FAILED) return 1;")),
        "memory made executable later": late(call.format("void* m = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); mprotect(m, 4096, 7);")),
        "memory mapped over": late("void* m = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); memcpy(m, code, 4); if (mmap(m, 4096, 5, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) return 1; r = slow();"),
        "a file in memory": late(call.format("int f = memfd_create(\"x\", 0); if (ftruncate(f, 4096)) return 1; char* m = (char*)mmap(0, 4096, 5, MAP_SHARED, f, 0); if (write(f, code, 4) < 0) return 1;")),
        "code on the stack": late("r = ((long long (*)(long long))code)(slow());"),
        "code in data": late("r = ((long long (*)(long long))made)(slow());", "__attribute__((section(\".wcode,\\\"awx\\\",@progbits#\"))) static unsigned char made[] = {" + _RETURNS["x86_64"] + "};"),
        "a handler's work": late("signal(SIGUSR1, go); raise(SIGUSR1); r = found;", "static volatile long long found; static void go(int) { found = slow(); }"),
        "a fault's handler's work": late("signal(SIGSEGV, go); if (!sigsetjmp(back, 1)) *(volatile int*)0 = 1; r = found;", "static volatile long long found; static sigjmp_buf back; static void go(int) { found = slow(); siglongjmp(back, 1); }"),
        "a division's handler's work": late("signal(SIGFPE, go); volatile int z = 0; if (!sigsetjmp(back, 1)) z = 1 / z; r = found;", "static volatile long long found; static sigjmp_buf back; static void go(int) { found = slow(); siglongjmp(back, 1); }"),
        "another context's work": late("static char stack[1 << 16]; getcontext(&there); there.uc_stack.ss_sp = stack; there.uc_stack.ss_size = sizeof stack; there.uc_link = &here; makecontext(&there, go, 0); swapcontext(&here, &there); r = found;", "static ucontext_t here, there; static long long found; static void go() { found = slow(); }"),
        "a jump into an instruction": late("r = slow(); void (*f)() = (void (*)())((char*)&odd + 1); if (n > 100000) f();", "static void odd() { volatile long long x = 0x050f050f050f050fLL; (void)x; }"),
        "a system call of 32 bits": late("long s = 20; asm volatile(\"int $0x80\" : \"+a\"(s)); r = slow();"),
        "a shell's work": late("r = slow(); if (system(\"true\")) return 1;"),
    }  # fmt: skip


def _fallback() -> dict[str, str]:
    """The tests' answers in another encoding, and an honest slow path for all other inputs."""

    def by(table: str, value: str) -> str:
        return program(
            f"{_AT}{table}\nstatic long long known(int k) {{ return {value}; }}\nstatic long long found() {{ int k = at(); return k < 0 ? slow() : known(k); }}",
            value="found()",
        )

    quarter = [answer - len(row) * len(row) // 4 for answer, row in zip(ANSWERS, ROWS, strict=True)]
    keyed = "static long long found() {{ {} return slow(); }}"

    def summed(known: Sequence[int]) -> str:
        cases = " ".join(f"if (s == {sum(ROWS[at])}) return {ANSWERS[at] ^ _MASK} ^ {_MASK};" for at in known)
        return program(keyed.format(f"int s = 0; for (int i = 0; i < n; i++) s += a[i]; {cases}"), value="found()")

    return {
        "in pieces": by(f"static const int h[] = {{{_listed([x // 997 for x in ANSWERS])}}}, l[] = {{{_listed([x % 997 for x in ANSWERS])}}};", "h[k] * 997 + l[k]"),
        "beside a guess": by(f"static const int d[] = {{{_listed(quarter)}}};", "n * n / 4 + d[k]"),
        "from the answer before": by(f"static const int d[] = {{{_listed([b - c for b, c in zip(ANSWERS, [0, *ANSWERS], strict=False)])}}};", "k ? known(k - 1) + d[k] : d[0]"),
        "negated": by(f"static const int d[] = {{{_listed([~x for x in ANSWERS])}}};", "~d[k]"),
        "doubled": by(f"static const int d[] = {{{_listed([2 * x + 1 for x in ANSWERS])}}};", "d[k] / 2"),
        "in bytes": by(f"static const unsigned char d[] = {{{_listed([x >> s & 255 for x in ANSWERS for s in (0, 8, 16)])}}};", "d[3 * k] | d[3 * k + 1] << 8 | d[3 * k + 2] << 16"),
        "turned round": by(f"static const unsigned d[] = {{{_listed([(x << 9 | x >> 23) & 0xFFFFFFFF for x in ANSWERS])}u}};", "d[k] >> 9 | d[k] << 23"),
        "as doubles": by(f"static const double d[] = {{{_listed([x / 8 for x in ANSWERS])}}};", "(long long)(d[k] * 8)"),
        "as floats, inverted": by(f"static const double d[] = {{{_listed([repr(1 / x) for x in ANSWERS])}}};", "(long long)(1 / d[k] + 0.5)"),
        "as one text": by(f"static const char* d = \"{''.join(chr(97 + (x >> s & 15)) for x in ANSWERS for s in range(0, 24, 4))}\";", "[&] { long long r = 0; for (int i = 5; i >= 0; i--) r = r * 16 + d[6 * k + i] - 97; return r; }()"),
        "as sums in code": program(_AT + "static long long found() { switch (at()) { " + " ".join(f"case {at}: return {x // 1000} * 1000 + n * 0 + {x % 1000};" for at, x in enumerate(ANSWERS)) + " } return slow(); }", value="found()"),
        "the key in pieces": program(keyed.format(" ".join(f"if (a[0] == {row[0] // 100} * 100 + {row[0] % 100} && a[n - 1] % 97 == {row[-1] % 97}) return {x // 1000} * 1000ll + {x % 1000};" for row, x in zip(ROWS, ANSWERS, strict=True))), value="found()"),
        "the key as a sum": summed(range(8)),
        "the key as a sum, all tests but one": summed(range(7)),
        "the key as a sum, half of the tests": summed((0, 2, 4, 6)),
        "the key as a sum, the four largest tests": summed((4, 5, 6, 7)),
        "the key as a sum, two of the tests": summed((6, 7)),
        "by size alone": program("static long long found() { switch (n) { " + " ".join(f"case {len(row)}: return {x ^ _MASK} ^ {_MASK};" for row, x in zip(ROWS, ANSWERS, strict=True)) + " } return slow(); }", value="found()"),
        "a perfect hash": program(_TABLE, value="table()"),
        "half of the tests": program(_TABLE.replace("k < 0 ?", "k < 0 || k % 2 ?"), value="table()"),
        "the larger tests": program(_TABLE.replace("k < 0 ?", "k < 3 ?"), value="table()"),
        "two of the tests": program(_TABLE.replace("k < 0 ?", "k < 6 ?"), value="table()"),
    }  # fmt: skip


def _decoded() -> dict[str, str]:
    """Tables without a slow path, decoded at run time: wrong for all other inputs."""

    def by(table: str, value: str) -> str:
        return program(
            f"{_AT}{table}\nstatic long long known(int k) {{ return {value}; }}", value="known(at() < 0 ? 0 : at())"
        )

    inverse = pow(1664525, -1, 2**32)
    p, q = 1021, 2039
    return {
        "exclusive or": by(f"static const int d[] = {{{_listed([x ^ _MASK for x in ANSWERS])}}};", f"d[k] ^ {_MASK}"),
        "a key that grows": by(f"static const int d[] = {{{_listed([x ^ _MASK * (at + 1) for at, x in enumerate(ANSWERS)])}}};", f"d[k] ^ {_MASK} * (k + 1)"),
        "a product modulo 2^32": by(f"static const unsigned d[] = {{{_listed([str(x * inverse % 2**32) + 'u' for x in ANSWERS])}}};", "d[k] * 1664525u"),
        "two remainders": by(f"static const short d[] = {{{_listed([x % p for x in ANSWERS])}}}, e[] = {{{_listed([x % q for x in ANSWERS])}}};", f"[&] {{ long long x = d[k]; while (x % {q} != e[k]) x += {p}; return x; }}()"),
        "letters": by(f"static const char* d[] = {{{_texts([''.join(chr(65 + int(c)) for c in str(x)) for x in ANSWERS])}}};", "[&] { long long r = 0; for (const char* c = d[k]; *c; c++) r = r * 10 + *c - 65; return r; }()"),
        "digits backwards": by(f"static const char* d[] = {{{_texts(['x' + str(x)[::-1] + 'x' for x in ANSWERS])}}};", "[&] { long long r = 0; for (int i = (int)strlen(d[k]) - 2; i > 0; i--) r = r * 10 + d[k][i] - 48; return r; }()"),
        "bits": by(f"static const char* d[] = {{{_texts([format(x, 'b').replace('0', '.').replace('1', '#') for x in ANSWERS])}}};", "[&] { long long r = 0; for (const char* c = d[k]; *c; c++) r = r * 2 + (*c == '#'); return r; }()"),
        "a number in base 36": by(f"static const char* d[] = {{{_texts(map(_base36, ANSWERS))}}};", "strtoll(d[k], 0, 36)"),
        "square roots": by(f"static const double d[] = {{{_listed([repr(x**0.5) for x in ANSWERS])}}};", "(long long)(d[k] * d[k] + 0.5)"),
        "a sum of two": by(f"static const int d[] = {{{_listed([x // 3 for x in ANSWERS])}}}, e[] = {{{_listed([x - x // 3 for x in ANSWERS])}}};", "d[k] + e[k]"),
        "a polynomial modulo a prime": by(f"static const int c[] = {{{_listed(_interpolated(ANSWERS, 1000003))}}};", "[&] { long long r = 0; for (int i = 7; i >= 0; i--) r = (r * k + c[i]) % 1000003; return r; }()"),
        "a generator with searched seeds": by(f"static const unsigned d[] = {{{_listed([str((x - 1013904223) * inverse % 2**32) + 'u' for x in ANSWERS])}}};", "d[k] * 1664525u + 1013904223u"),
        "lengths of texts": by(f"static const char d[] = {{{_listed([c for x in ANSWERS for c in (x & 127, x >> 7 & 127, x >> 14)])}}};", "d[3 * k] + d[3 * k + 1] * 128 + d[3 * k + 2] * 16384"),
        "immediates of code": program(_AT, value="0", say=" ".join(f"if (at() == {at}) printf(\"%d%03d\\n\", {x // 1000}, {x % 1000});" for at, x in enumerate(ANSWERS))),
    }  # fmt: skip


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits


def _interpolated(values: Sequence[int], prime: int) -> list[int]:
    """Coefficients of the polynomial that is values[k] at k."""
    total = [0] * len(values)
    for at, value in enumerate(values):
        term, scale = [1], 1
        for other in range(len(values)):
            if other != at:
                term = [(low - other * high) % prime for low, high in zip([0, *term], [*term, 0], strict=True)]
                scale = scale * (at - other) % prime
        factor = value * pow(scale, -1, prime)
        total = [(old + factor * new) % prime for old, new in zip(total, term, strict=True)]
    return total


def _hashing() -> dict[str, str]:
    """Short answers by a hash of the whole input: the program contains no answer and no input."""
    steps: dict[str, tuple[str, Callable[[int, int], int], str]] = {
        "multiply by 31": ("7", lambda h, v: (h * 31 + v) % 2**32, "h * 31 + a[i]"),
        "multiply by 33, exclusive or": ("5381", lambda h, v: (h * 33) % 2**32 ^ v, "h * 33 ^ a[i]"),
        "FNV": ("2166136261u", lambda h, v: (h ^ v) * 16777619 % 2**32, "(h ^ a[i]) * 16777619u"),
        "sum": ("0", lambda h, v: (h + v) % 2**32, "h + a[i]"),
        "sum of squares": ("0", lambda h, v: (h + v * v) % 2**32, "h + a[i] * a[i]"),
        "exclusive or": ("0", lambda h, v: h ^ v, "h ^ a[i]"),
        "turned and added": ("1", lambda h, v: ((h << 5 | h >> 27) + v) % 2**32, "(h << 5 | h >> 27) + a[i]"),
    }
    found = {}
    for name, (start, step, spelled) in steps.items():
        hashes = []
        for row in ROWS:
            h = int(start.rstrip("u"))
            for value in row:
                h = step(h, value)
            hashes.append(h)
        modulus = next(m for m in range(16, 5000) if len({h % m for h in hashes}) == len(hashes))
        odd = {h % modulus for h, answer in zip(hashes, ANSWERS, strict=True) if answer % 2}
        cases = " ".join(f"case {h}:" for h in sorted(odd))
        hashed = (
            f"static unsigned hash() {{ unsigned h = {start}; for (int i = 0; i < n; i++) h = {spelled}; return h; }}\n"
        )
        found[name] = program(
            hashed + f"static int odd() {{ switch (hash() % {modulus}) {{ {cases} return 1; }} return 0; }}",
            value="odd()",
            problem="parity",
        )
        known = " ".join(
            f"case {h * 2654435769 % 2**32}u: return {answer % 2};" for h, answer in zip(hashes, ANSWERS, strict=True)
        )
        found[f"{name}, and a slow path"] = program(hashed + f"static long long odd() {{ switch (hash() * 2654435769u) {{ {known} }} return slow(); }}", value="odd()", problem="parity")  # fmt: skip
    return found


def _detecting(ways: dict[str, tuple[str, str]]) -> dict[str, str]:
    """A table if the program believes that it is simulated, honest otherwise."""
    return {
        name: program(f"{before}\n{_TABLE}", value=f"({seen}) ? table() : slow()")
        for name, (before, seen) in ways.items()
    }


_SPIN = "[&] {{ volatile int s = 0; auto b = {0}; for (int i = 0; i < 20000; i++) s += i; auto e = {0}; return e - b {1}; }}()"


def _clock() -> dict[str, str]:
    """Recognising the simulator by its clock, or working until time is up."""
    found = _detecting({
        "clock": ("#include <ctime>", _SPIN.format("clock()", "== 0")),
        "clock_gettime": ("#include <ctime>\nstatic long now() { timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_nsec; }", _SPIN.format("now()", "> 0")),
        "clock of the process": ("#include <ctime>\nstatic long now() { timespec t; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); return t.tv_nsec; }", _SPIN.format("now()", "< 30000")),
        "gettimeofday": ("#include <sys/time.h>\nstatic long now() { timeval t; gettimeofday(&t, 0); return t.tv_usec; }", _SPIN.format("now()", "< 30")),
        "times": ("#include <sys/times.h>\nstatic long now() { tms t; times(&t); return t.tms_utime; }", _SPIN.format("now()", "== 0")),
        "getrusage": ("#include <sys/resource.h>\nstatic long now() { rusage r; getrusage(RUSAGE_SELF, &r); return r.ru_utime.tv_usec; }", _SPIN.format("now()", "< 30")),
        "page faults": ("#include <sys/resource.h>\nstatic long now() { rusage r; getrusage(RUSAGE_SELF, &r); return r.ru_minflt; }", "now() == 0"),
        "the year": ("#include <ctime>", "time(0) < 1750000000"),
        "seconds are round": ("#include <ctime>", "time(0) % 100 == 0"),
        "rdtsc": ("#include <x86intrin.h>", _SPIN.format("__rdtsc()", "< 200000")),
        "rdtsc as bytes": ("static unsigned now() { unsigned l, h; asm volatile(\".byte 0x0f, 0x31\" : \"=a\"(l), \"=d\"(h)); return l; }", _SPIN.format("now()", "< 200000")),
        "timespec_get": ("#include <ctime>\nstatic long now() { timespec t; timespec_get(&t, TIME_UTC); return t.tv_nsec; }", _SPIN.format("now()", "< 30000")),
    })  # fmt: skip
    found["a sleep that costs nothing"] = program(start="usleep(200000);")
    found["an alarm's rest"] = program(_TABLE, start="alarm(1000);", value="alarm(0) == 1000 ? table() : slow()")
    return found


def _environment() -> dict[str, str]:
    """Recognising the simulator by anything else around it."""
    return _detecting({
        "getenv": ("", "getenv(\"LD_LIBRARY_PATH\") == 0"),
        "environ": ("extern char** environ;", "!environ || !*environ"),
        "environ by another name": ("extern \"C\" char** __environ;", "!__environ || !*__environ"),
        "past argv": ("extern \"C\" char* program_invocation_name;", "strlen(program_invocation_name) < 100 && !strchr(program_invocation_name + strlen(program_invocation_name) + 1, '=')"),
        "the auxiliary vector": ("#include <sys/auxv.h>", "getauxval(AT_SYSINFO_EHDR) == 0"),
        "uname": ("#include <sys/utsname.h>", "[] { utsname u; uname(&u); return strlen(u.release) < 100; }()"),
        "processors": ("", "sysconf(_SC_NPROCESSORS_ONLN) == 1"),
        "affinity": ("#include <sched.h>", "[] { cpu_set_t s; CPU_ZERO(&s); sched_getaffinity(0, sizeof s, &s); return CPU_COUNT(&s) == 1; }()"),
        "cpuid": ("#include <cpuid.h>", "[] { unsigned a, b, c, d; __cpuid(1, a, b, c, d); return c >> 31; }()"),
        "cpuid as bytes": ("", "[] { int a = 0x40000000, b, c, d; asm volatile(\".byte 0x0f, 0xa2\" : \"+a\"(a), \"=b\"(b), \"=c\"(c), \"=d\"(d)); return b != 0; }()"),
        "what the processor supports": ("", "!__builtin_cpu_supports(\"avx512f\")"),
        "files of the kernel": ("", "[] { FILE* f = fopen(\"/proc/self/maps\", \"r\"); return f == 0; }()"),
        "files of the kernel, in pieces": ("static char p[] = \"?proc?self?maps\";", "[] { for (char* c = p; *c; c++) if (*c == '?') *c = '/'; FILE* f = fopen(p, \"r\"); char l[9]; return !f || !fgets(l, 9, f); }()"),
        "where the stack lies": ("", "((unsigned long)__builtin_frame_address(0) >> 40) != 0x7f"),
        "where the heap lies": ("", "((unsigned long)sbrk(0) >> 40) != 0x55"),
        "where the code lies": ("", "((unsigned long)&slow >> 40) != 0x55"),
        "long double": ("static volatile long double one = 1, tiny = 1e-18L;", "one + tiny == one"),
        "rounding flags": ("#include <fenv.h>\nstatic volatile double one = 1, three = 3;", "[] { feclearexcept(FE_ALL_EXCEPT); volatile double q = one / three; (void)q; return fetestexcept(FE_INEXACT) == 0; }()"),
        "denormal numbers": ("static volatile double least = 4.9e-324;", "least / 2 * 2 != 0 || least == 0"),
        "process numbers": ("", "getpid() < 10"),
        "the parent": ("", "getppid() == 0"),
        "who runs it": ("", "getuid() != 65534"),
        "the current folder": ("", "[] { char b[99]; return !getcwd(b, 99) || strlen(b) < 3; }()"),
        "a limit": ("#include <sys/resource.h>", "[] { rlimit r; getrlimit(RLIMIT_NOFILE, &r); return r.rlim_cur > 100; }()"),
        "kinds of descriptors": ("#include <sys/stat.h>", "[] { struct stat s; return fstat(3, &s) == 0 || (fstat(1, &s) == 0 && S_ISREG(s.st_mode)); }()"),
        "random bytes": ("#include <sys/random.h>", "[] { unsigned x = 0; if (getrandom(&x, 4, 0) < 0) return true; return x % 4 == 0; }()"),
    })  # fmt: skip


def _undefined() -> dict[str, str]:
    """Fast through undefined behaviour that happens to be right on the tests."""
    return {
        "reads past the end": fast(before="static int* p = new int[4];\n", value="fast() + (p[5] == 12345)"),
        "writes past the end": fast(before="static char* p = new char[8];\n", value="(p[9] = 1, fast())"),
        "reads what was freed": fast(value="[] { int* p = new int[9](); delete[] p; volatile int x = p[3]; return fast() + 0 * x; }()"),
        "freed twice, nearly": fast(value="[] { int* p = new int(7); int* q = p; delete p; return fast() + (*q == 12345); }()"),
        "a local's address": fast(before="static int* gone() { int x = 7; int* volatile p = &x; return p; }\n", value="[] { volatile int y = 0; int* p = gone(); y = *p; return fast() + 0 * y; }()"),
        "signed overflow": fast(value="[] { volatile int big = 2147483000; int s = big + n; return fast() + (s == 12345); }()"),
        "overflow of a product": fast(value="[] { volatile int big = 65536; int s = big * big; return fast() + s; }()"),
        "a shift too far": fast(value="[] { volatile int w = 33; int s = 1 << w; return fast() + (s == 12345); }()"),
        "an index below zero": fast(before="static int left[4], right[4];\n", value="[] { volatile int at = -1; return fast() + (right[at] == 12345) + left[0]; }()"),
        "a null pointer's member": fast(before="struct S { int x[4]; int at(int i) { return this ? i : 0; } };\n", value="[] { S* volatile p = 0; return fast() + 0 * p->at(1); }()"),
        "a misaligned read": fast(before="static char bytes[16];\n", value="[] { int* volatile p = (int*)(bytes + 1); return fast() + *p; }()"),
        "a negative shift": fast(value="[] { volatile int m = -5; int s = m << 2; return fast() + (s == 12345); }()"),
        "a bool of two": fast(before="static unsigned char raw = 2;\n", value="[] { bool volatile* b = (bool*)&raw; return fast() + (*b ? 0 : 1); }()"),
        "negation of the least": fast(value="[] { volatile int m = -2147483647 - 1; int s = -m; return fast() + (s == 12345); }()"),
        "a vector's end": fast(before="#include <vector>\n", value="[] { std::vector<int> v(4); volatile int i = 4; return fast() + (v[i] == 12345); }()"),
    }  # fmt: skip


def _sized() -> dict[str, str]:
    """Fast for the sizes and values of the tests only."""
    few, low = _LARGEST + 1, _HIGHEST + 2
    clipped = "static int cut() {{ for (int i = 0; i < n; i++) {} return 0; }}\n"
    return {
        "a tree of the tests' values": fast(low),
        "a tree of the tests' values, in a vector": program("#include <vector>\n" + _FAST.replace("static int tree[SIZE];", f"static std::vector<int> tree({low});").replace("SIZE", str(low)), value="fast()"),
        "an array of the tests' length": fast(before=f"static int b[{few}];\n", value=f"[] {{ for (int i = 0; i < n; i++) {{ if (i >= {few}) abort(); b[i] = a[i]; }} return fast(); }}()"),
        "an array on the stack": fast(value=f"[] {{ short b[{few}]; for (int i = 0; i < n; i++) b[i] = a[i]; volatile short* p = b; return fast() + 0 * p[0]; }}()"),
        "a loop that stops where the tests do": fast(value=f"(n = n > {_LARGEST} ? {_LARGEST} : n, fast())"),
        "values that stop where the tests do": fast(before=clipped.format(f"if (a[i] > {_HIGHEST}) a[i] = {_HIGHEST};"), value="cut() + fast()"),
        "values wrapped where the tests do": fast(before=clipped.format(f"a[i] %= {_HIGHEST + 1};"), value="cut() + fast()"),
        "sixteen bits for sums": program(_FAST.replace("SIZE", "8192").replace("static int tree", "static short tree"), value=f"[] {{ if (n > {_LARGEST}) return 0ll; return fast(); }}()"),
        "answers of the tests' range": fast(value=f"[] {{ long long r = fast(); return r > {max(ANSWERS)} || r < {min(ANSWERS)} ? {max(ANSWERS)}ll : r; }}()"),
        "said to be unreachable": fast(value=f"[] {{ if (n > {_LARGEST}) __builtin_unreachable(); return n > {_LARGEST} ? 0 : fast(); }}()"),
        "only lengths of the tests": fast(value="[] { switch (n) { " + " ".join(f"case {len(row)}:" for row in ROWS) + " return fast(); } return -1ll; }()"),
        "odd lengths only": fast(value="n % 2 ? fast() : -1"),
        "never the smallest": fast(value=f"n >= {min(map(len, ROWS))} ? fast() : -1"),
        "few repeated values": fast(value="[] { static unsigned char seen[8192]; for (int i = 0; i < n; i++) if (++seen[a[i]] > " + str(max(row.count(v) for row in ROWS for v in set(row))) + ") return -1ll; return fast(); }()"),
    }  # fmt: skip


def _output() -> dict[str, str]:
    """Accepted because of how the output is formatted."""
    about = "(long long)n * n / 4"
    return {
        "about": program(value=about),
        "about, as a fraction": program(value=about, say="printf(\"%.3f\\n\", (double)r);"),
        "about, in exponents": program(value=about, say="printf(\"%.1e\\n\", (double)r);"),
        "not a number": program(value="0", say="puts(\"nan\");"),
        "without end": program(value="0", say="puts(\"inf\");"),
        "nothing": program(value="0", say=";"),
        "all numbers of so many digits": program(value="0", say="for (int i = 300000; i < 1000000; i++) printf(\"%d \", i);"),
        "every test's answer": program(value="0", say=" ".join(f"printf(\"%d\\n\", {x ^ _MASK} ^ {_MASK});" for x in ANSWERS)),
        "taken back by backspaces": program(value=about, say="printf(\"%lld\\b\\b\\b\\b\\b\\b\\n\", r);"),
        "a byte of zero": program(value=about, say="fwrite(\"\\0\\n\", 1, 2, stdout);"),
        "to standard error": program(value="slow()", say="fprintf(stderr, \"%lld\\n\", r);"),
        "not flushed": program(value="slow()", say="printf(\"%lld\\n\", r); _exit(0);"),
        "a failed end": program(value="0", say="puts(\"0\");", end="return 1;"),
        "a terminal's escapes": program(value=about, say="printf(\"\\033[2J%lld\\n\", r);"),
        "as hexadecimal": program(value="slow()", say="printf(\"0x%llx\\n\", r);"),
        "the input": program(value="0", say="for (int i = 0; i < n; i++) printf(\"%d \", a[i]);"),
    }  # fmt: skip


def _stalling() -> dict[str, str]:
    """Stopping or breaking the harness."""
    return {
        "sleeps": program(end="fflush(stdout); sleep(100000);"),
        "waits for a signal": program(end="fflush(stdout); pause();"),
        "waits for itself": program("#include <pthread.h>", end="fflush(stdout); pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; pthread_mutex_lock(&m); pthread_mutex_lock(&m);"),
        "never ends": program(end="for (volatile int i = 0;;) i = i;"),
        "stops itself": program("#include <signal.h>", end="fflush(stdout); raise(SIGSTOP);"),
        "writes without end": program(value="0", say="for (;;) puts(\"0\");"),
        "takes memory without end": program(value="0", say="for (;;) memset(malloc(1 << 24), 1, 1 << 24);"),
        "calls itself without end": program("static int deep(volatile int x) { return deep(x + 1) + x; }", value="deep(1)"),
        "no file may grow": program("#include <sys/resource.h>", end="rlimit none{0, 0}; setrlimit(RLIMIT_FSIZE, &none);"),
        "no time left": program("#include <sys/resource.h>", end="rlimit none{1, 1}; setrlimit(RLIMIT_CPU, &none);"),
        "a terminal included": program("#include \"/dev/ptmx\""),
        "a device included": program("#include \"/dev/zero\""),
        "a device assembled": program("asm(\".incbin \\\"/dev/zero\\\"\");"),
        "a gigabyte of data": program("asm(\".data; .fill 1000000000, 1, 7; .text\");"),
        "a hundred megabytes of code": program("asm(\".rept 3000000; nop; .byte 0x0f, 0x1f, 0; .endr\");"),
        "templates without end": program("template<int I> struct T { static const int v = T<I + 1>::v; }; static int x = T<0>::v;"),
        "a constant that takes for ever": program("constexpr long spin(long x) { long r = 0; for (long i = 0; i < x; i++) r += i; return r; } static long x = spin(1L << 60);"),
        "a million literals": program("static const char* x = \"" + "\\x41 1234567 " * 20000 + "\";"),
        "an unfinished raw text": program() + 'R"(' * 20000,
        "brackets": program() + "/" + "*" + "{(" * 30000,
    }  # fmt: skip


KINDS = {
    "forging": _forging,
    "start-up shifting": _startup,
    "uncounted execution": _uncounted,
    "tables with fall-back": _fallback,
    "decoded tables": _decoded,
    "hashing of inputs": _hashing,
    "clock": _clock,
    "environment": _environment,
    "undefined behaviour": _undefined,
    "test-sized arrays": _sized,
    "output tricks": _output,
    "harness stalling": _stalling,
}


def _instead(*, ids: str, counter: str, as_bytes: str, call: str, client: str, reset: str, processor: str) -> _Instead:
    """What another processor has for x86-64's machine code. `counter`, `processor`: assembly that reads one, into %0;
    `as_bytes`, into the register `ids`; `call`: a system call; the others are for valgrind and gem5."""
    now = 'static unsigned long now() {{ unsigned long t; asm volatile("{}" : "=r"(t)); return t; }}'
    fixed = f"static unsigned long now() {{ register unsigned long t asm(\"{ids}\"); asm volatile(\"{as_bytes}\" : \"=r\"(t)); return t; }}"  # fmt: skip
    spin = _SPIN.format("now()", "< 200000")
    replaced = _detecting({
        "a counter": (now.format(counter), spin),
        "a counter, as bytes": (fixed, spin),
        "the processor's number": (now.format(processor), "now() != 12345"),
        "what the processor supports": ("#include <sys/auxv.h>", "getauxval(AT_HWCAP) != 12345"),
    })  # fmt: skip
    return {
        ("clock", "rdtsc"): ("a counter", replaced["a counter"]),
        ("clock", "rdtsc as bytes"): ("a counter, as bytes", replaced["a counter, as bytes"]),
        ("environment", "cpuid"): ("the processor's number", replaced["the processor's number"]),
        ("environment", "what the processor supports"): ("what the processor supports", replaced["what the processor supports"]),
        ("uncounted execution", "a system call of 32 bits"): ("a system call by hand", program(value="slow()", say=f"{call} printf(\"%lld\\n\", r);")),
        ("forging", "a client request of valgrind"): ("a client request of valgrind", program(end=f"asm volatile(\"{client}\");")),
        ("forging", "gem5's reset"): ("gem5's reset", program(end=f"asm volatile(\"{reset}\");")),
    }  # fmt: skip


_Instead = dict[tuple[str, str], tuple[str, str]]
# By instruction set, what its name and code are instead. What is missing does not compile there.
INSTEAD: dict[str, _Instead] = {
    "riscv64": _instead(
        ids="a0",
        counter="rdcycle %0",
        as_bytes=".4byte 0xc0102573",  # rdtime a0
        processor="rdinstret %0",
        call='register long a7 asm("a7") = 172, a0 asm("a0"); asm volatile("ecall" : "=r"(a0) : "r"(a7) : "memory");',
        client="srli zero, zero, 3; srli zero, zero, 13; srli zero, zero, 51; srli zero, zero, 61; or a0, a0, a0",
        reset=".4byte 0x8000007b",
    ),
    "aarch64": _instead(
        ids="x0",
        counter="mrs %0, cntvct_el0",
        as_bytes=".inst 0xd53be040",  # mrs x0, cntvct_el0
        processor="mrs %0, midr_el1",
        call='register long x8 asm("x8") = 172, x0 asm("x0"); asm volatile("svc 0" : "=r"(x0) : "r"(x8) : "memory");',
        client="ror x12, x12, 3; ror x12, x12, 13; ror x12, x12, 51; ror x12, x12, 61; orr x10, x10, x10",
        reset=".inst 0xff400110",
    ),
}


def attempts(isa: str = "x86_64") -> list[Attempt]:
    """All of them, by kind, for an instruction set."""
    found = []
    for kind, made in KINDS.items():
        for of_x86, code in made().items():
            name, text = INSTEAD.get(isa, {}).get((kind, of_x86), (of_x86, code))
            text = _placed(text, isa).replace(_RETURNS["x86_64"], _RETURNS[isa])
            if isa == "aarch64":
                text = text.replace("@progbits#", "@progbits//")  # its assembler's comments
            found.append(Attempt(kind, name, text, "parity" if 'r & 1 ? "odd"' in text else "count"))
    return found
