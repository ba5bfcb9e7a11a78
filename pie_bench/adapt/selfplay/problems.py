"""A dataset's problems as self-play sees them: their programs, their inputs and the format of these."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path

from pie_bench.cpp import text_sum
from pie_bench.data.load import PairDataset, load_dataset, load_split
from pie_bench.data.pair import Pair, TestCase
from pie_bench.data.spec import SPLITS, load_spec
from pie_bench.errors import UserError
from pie_bench.hashing import sha256

TRAIN = "train"
_FORMAT_INPUTS = 8  # per problem: enough to determine its input format


@dataclass(frozen=True)
class Program:
    """A program of the dataset, once for each problem that it solves. `seconds` is the sum of its recorded times;
    `text_sha256` ignores comments and layout."""

    problem_id: str
    code: str
    seconds: float | None
    is_source: bool
    text_sha256: str = ""


def encodable(code: str) -> str:
    """The text with what UTF-8 cannot encode (half a character in an answer) replaced by question marks, as compilers
    get it."""
    return code.encode(errors="replace").decode()


class Problems:
    """A dataset's training problems, and the programs of all its splits.

    `ids` excludes problems that also occur in another split: nothing derived from them may be trained on. A split that
    the dataset does not have contributes no programs. UserError as for `load_dataset`.
    """

    def __init__(self, dataset: str):
        self.train = load_dataset(dataset, TRAIN, with_tests=True)
        self.splits: dict[str, PairDataset] = {TRAIN: self.train}
        path = load_spec(dataset).path()
        others = () if path is not None and path.is_file() else SPLITS  # a single file is the training split
        for split in others:
            found = None if split == TRAIN else load_split(dataset, split, with_tests=False)
            if found is not None:
                self.splits[split] = found
        elsewhere = {pair.problem_id for name, split in self.splits.items() if name != TRAIN for pair in split.pairs}
        self._pairs: dict[str, list[Pair]] = {}
        for pair in self.train.pairs:
            if pair.problem_id not in elsewhere:
                self._pairs.setdefault(pair.problem_id, []).append(pair)
        self._tests: dict[str, tuple[TestCase, ...]] = {}

    @property
    def ids(self) -> list[str]:
        return sorted(self._pairs)

    @cached_property
    def programs(self) -> tuple[Program, ...]:
        """Every distinct program of every split, by problem and text; the fastest of those with equal text."""
        pairs = (pair for split in self.splits.values() for pair in split.pairs)
        found: dict[tuple[str, str], Program] = {}
        for program in (program for pair in pairs for program in _programs_of(pair)):
            key = (program.problem_id, program.code)
            if key not in found or _slowness(program) < _slowness(found[key]):
                found[key] = program
        texts = {code: text_sum(code) for code in {code for _, code in found}}
        by_text: dict[tuple[str, str], Program] = {}
        for (problem_id, code), program in found.items():
            key = (problem_id, texts[code])
            if key not in by_text or _slowness(program) < _slowness(by_text[key]):
                by_text[key] = replace(program, text_sha256=texts[code])
        return tuple(by_text[key] for key in sorted(by_text))

    def compared(self, against: str) -> tuple[Program, ...]:
        """The programs that a new one must differ from: every distinct text, or (`fastest`) one per problem."""
        chosen: dict[str, Program] = {}
        for program in self.programs:
            key = program.text_sha256 if against == "every" else program.problem_id
            if key not in chosen or (against != "every" and _slowness(program) < _slowness(chosen[key])):
                chosen[key] = program
        return tuple(chosen.values())

    def count(self, problem_id: str) -> int:
        """How many distinct programs the training split has for a problem."""
        return len({code for pair in self._pairs[problem_id] for code in (pair.src_code, pair.tgt_code)})

    def fastest(self, problem_id: str) -> str:
        """The program that a prompt shows for a problem: the one with the smallest recorded time or, if no times are
        recorded, a target that is no pair's source. Ties go to the smallest hash."""
        programs = [program for pair in self._pairs[problem_id] for program in _programs_of(pair)]
        sources = {program.code for program in programs if program.is_source}
        marked = [replace(program, is_source=program.code in sources) for program in programs]
        return min(marked, key=_slowness).code

    def n_tests(self, problem_id: str) -> int:
        """How many tests a problem has, by its pair with the most."""
        return max(len(pair.tests) for pair in self._pairs[problem_id])

    def tests(self, problem_id: str) -> tuple[TestCase, ...]:
        """A problem's tests: those of all its pairs, each input once, numbered in order of their ids."""
        if problem_id not in self._tests:
            self._tests[problem_id] = self._read_tests(problem_id, None)
        return self._tests[problem_id]

    def _read_tests(self, problem_id: str, most: int | None) -> tuple[TestCase, ...]:
        """The first `most` tests (None: all)."""
        by_input: dict[str, TestCase] = {}
        stored: dict[str, None] = {}
        for pair in self._pairs[problem_id]:
            if pair.pair_id in self.train.inline_tests:
                for test in self.train.tests(pair):
                    by_input.setdefault(sha256(test.input), test)
            else:
                stored.update(dict.fromkeys(pair.tests))
        if stored:
            wanted = sorted(stored, key=_natural)[:most]
            in_files = replace(self._pairs[problem_id][0], pair_id="", tests=tuple(wanted))
            for test in self.train.tests(in_files):
                by_input.setdefault(sha256(test.input), test)
        return tuple(replace(test, test_id=str(number)) for number, test in enumerate([*by_input.values()][:most]))

    def input_format(self, problem_id: str) -> str:
        """The format of a problem's inputs (see `shape`): the most common one among the first few."""
        tests = self._tests.get(problem_id) or self._read_tests(problem_id, _FORMAT_INPUTS)
        shapes = Counter(shape(test.input) for test in tests[:_FORMAT_INPUTS])
        return min(shapes, key=lambda each: (-shapes[each], each))


def _programs_of(pair: Pair) -> tuple[Program, Program]:
    def total(seconds: Mapping[str, float] | None) -> float | None:
        return sum(seconds.values()) if seconds else None

    return (
        Program(pair.problem_id, pair.src_code, total(pair.src_seconds), True),
        Program(pair.problem_id, pair.tgt_code, total(pair.tgt_seconds), False),
    )


def _slowness(program: Program) -> tuple[bool, float, bool, str]:
    return program.seconds is None, program.seconds or 0.0, program.is_source, sha256(program.code.encode())


def _natural(test_id: str) -> tuple[bool, int, str]:
    return not test_id.isdigit(), int(test_id) if test_id.isdigit() else 0, test_id


_INTEGER, _NUMBER = re.compile(r"[+-]?[0-9]+"), re.compile(r"[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?")


def shape(data: bytes) -> str:
    """The format of an input: for each line the kinds of its words (`i` integer, `r` real, `w` word), with repetitions
    collapsed, and equal lines collapsed into one."""
    lines: list[str] = []
    for line in data.decode(errors="replace").splitlines():
        kinds = ""
        for word in line.split():
            kind = "i" if _INTEGER.fullmatch(word) else "r" if _NUMBER.fullmatch(word) else "w"
            if not kinds.endswith(kind):
                kinds += kind
        if not lines or lines[-1] != kinds:
            lines.append(kinds)
    return "/".join(lines)


def read_descriptions(folder: Path | None, problem_ids: Iterable[str]) -> dict[str, str]:
    """Problem descriptions as text, from `PROBLEM.html` (CodeNet's format), `.txt` or `.md` in a folder.

    UserError if the folder has none for any problem.
    """
    if folder is None:
        return {}
    found = {}
    wanted = list(problem_ids)
    for problem_id in wanted:
        for ending in (".html", ".txt", ".md"):
            file = folder / f"{problem_id}{ending}"
            if file.is_file():
                text = file.read_text(encoding="utf-8", errors="replace")
                text = _text_of(text) if ending == ".html" else text.strip()
                found[problem_id] = re.sub(r"\n{2,}", "\n\n", text)
                break
    if not found:
        example = f"{wanted[0]}.html" if wanted else "PROBLEM.html"
        raise UserError(
            f"--descriptions {folder}: describes none of the dataset's problems; expected files like {example}"
        )
    return found


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _text_of(page: str) -> str:
    parser = _Text()
    parser.feed(page)
    parser.close()
    return "".join(parser.parts).strip()
