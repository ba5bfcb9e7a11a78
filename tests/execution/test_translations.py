"""What children translated their server translates too: told apart, sent once, and without any effect on a count."""

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators import cachegrind, translations
from pie_bench.execution.simulators.cachegrind import CachegrindSimulator
from pie_bench.execution.simulators.translations import Translations, translator_in
from pie_bench.execution.toolchain import Toolchain

SAID = (
    b"==2== Cachegrind\n"
    b"==== SB 12 (evchecks 880) [tid 1] 0x109100 main /w/program+0x1100\n"
    b"SYSCALL[2,1](0) sys_read ( 0, 0x1ffefff958, 832 )\n"
    b"==== SB 13 (evchecks 901) [tid 1] 0x4a01b70 UNKNOWN_FUNCTION UNKNOWN_OBJECT+0x0\n"
    b"==== SB 14 (evchecks 901) [tid 1] 0x109100 main /w/program+0x1100\n"
)
SUM = '#include <cstdio>\nint main(){ long n, s = 0; while (scanf("%ld", &n) == 1) s += n; printf("%ld", s); }'
# Addresses of nothing, the heap, the stack, another instruction's middle, the kernel's half, and too many to be true.
LIAR = r"""
#include <cstdio>
#include <cstdlib>
int main() {
    int n; scanf("%d", &n);
    unsigned long lies[] = {0, 1, (unsigned long)malloc(64), (unsigned long)&n, (unsigned long)main + 1, ~0ul};
    for (unsigned long lie : lies) fprintf(stderr, "==== SB 9 (evchecks 9) [tid 1] 0x%lx main x+0x0\n", lie);
    for (int i = 0; i < 60000; i++) fprintf(stderr, "==== SB 9 (evchecks 9) [tid 1] 0x%lx main x+0x0\n", i + 0x100ul);
    printf("%d", n);
}"""


def addresses(packet: bytes) -> list[int]:
    tag, *rest = (number for (number,) in struct.iter_unpack("<Q", packet))
    assert tag == translations.TRANSLATE
    return rest


def test_each_block_is_told_once() -> None:
    told = Translations()
    assert [addresses(packet) for packet in told.packets(SAID)] == [[0x109100, 0x4A01B70]]
    assert list(told.packets(SAID)) == []
    more = SAID + b"==== SB 15 (evchecks 1) [tid 1] 0x109140 main+64 /w/program+0x1140\n"
    assert [addresses(packet) for packet in told.packets(more)] == [[0x109140]]


def test_many_blocks_are_told_in_packets_and_not_without_end() -> None:
    said = b"".join(b"==== SB %d (evchecks 9) [tid 1] 0x%x f x+0x0\n" % (i, i) for i in range(70_000))
    packets = list(Translations().packets(said))
    assert max(map(len, packets)) == 8192
    assert [a for packet in packets for a in addresses(packet)] == list(range(50_000))


@given(st.lists(st.sampled_from([b"==== SB 1 (evchecks 1) [tid 1] 0x", b"f" * 9, b"0", b" ", b"\n", b"-", b"g\xff"])))
def test_whatever_a_program_says_there_are_only_numbers(pieces: list[bytes]) -> None:
    for packet in Translations().packets(b"".join(pieces)):
        assert all(0 <= address < 1 << 64 for address in addresses(packet))


class Pinned:
    """Simulators of the pinned environment, whose valgrind is a known build, and what children were told to say."""

    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
        spec = load_environment_spec("cachegrind")
        environment = open_environment(spec, sandbox)
        self.root = environment.root
        self._toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, environment.root)
        monkeypatch.setattr(cachegrind, "is_verified", lambda *_: False)
        self.forked = CachegrindSimulator(environment, sandbox)
        self.forked._fork_known_to_work = True
        self.apart = CachegrindSimulator(environment, sandbox, fork=False)
        self.told: list[int] = []
        packets = Translations.packets

        def counted(known: Translations, said: bytes) -> list[bytes]:
            new = list(packets(known, said))
            self.told.append(sum(len(addresses(packet)) for packet in new))
            return new

        monkeypatch.setattr(Translations, "packets", counted)

    def measure(self, code: str, inputs: Sequence[bytes]) -> None:
        """Both ways, with the same counts."""
        binary = self._toolchain.compile(code).binary
        assert binary is not None
        measured = list(self.forked.measure(binary, inputs))
        assert [m.outcome for m in measured] == ["ok"] * len(inputs)
        assert measured == list(self.apart.measure(binary, inputs))


@pytest.fixture
def pinned(cache: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Pinned:
    return Pinned(sandbox, monkeypatch)


def test_later_children_translate_nothing_again(pinned: Pinned) -> None:
    pinned.measure(SUM, [b"12 30\n", b"7\n", b"7\n", b"12345678901 2\n"])
    start_up, first, _, third = pinned.told
    assert start_up < 20
    assert first > 300
    assert third == 0


def test_another_valgrind_is_left_alone(pinned: Pinned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translations, "_OF_BUILD", {})
    assert translator_in(pinned.root) is None
    pinned.measure(SUM, [b"12 30\n", b"7\n"])
    assert pinned.told == []


def test_a_program_that_lies_about_its_code_changes_no_count(pinned: Pinned) -> None:
    pinned.measure(LIAR, [b"1\n", b"2\n", b"3\n"])
    assert max(pinned.told) > 40_000
