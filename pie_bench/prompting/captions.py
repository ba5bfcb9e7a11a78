"""What a text calls the code that it shows: its answer, the original, a draft, an alternative, a demonstration.

Models say so in the lines before a block, in its heading, its title, or its first comment. Of a sentence the phrase that
stands first counts, whatever it compares with; "final" and "corrected" count before all others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_CODE = r"(?:c\+\+ |cpp )?(?:code|programs?|versions?|solutions?|implementations?|answers?|approach|submission|snippet|file)"
_FINAL = re.compile(
    rf"\bfinal\b[^\n]{{0,60}}\b{_CODE}\b|\bcorrected\b|\bcorrection:|\b(?:bug-?)?fixed (?:it|one|{_CODE})\b"
    rf"|\bcorrect (?:\w+ )?{_CODE}\b|\b(?:here is|here's|with) the fix\b|\brevised\b|\bfix(?:ed)?:"
    r"|\blet(?:'s| me| us) (?:fix|correct|redo|rewrite)\b",
    re.IGNORECASE,
)
_CALLED = {
    "demonstration": re.compile(
        r"\b(?:to (?:test|verify|measure|benchmark|compare|check|generate)|(?:for|unit|stress|quick|simple|small)[- ]test(?:ing|s)?"
        r"|test (?:program|harness|driver|case|cases|code|file|it)|testing|benchmark\w*|brute[- ]?force|generator|example usage"
        r"|usage(?: example)?|how to use|demonstrat\w+|sanity check|(?:can|could|may) (?:test|verify|check|measure|benchmark)|driver|timing harness|toy example|(?:simple|minimal|small) example"
        r"|illustrat\w+|example of|checker|expected output|sample (?:input|output|run))\b",
        re.IGNORECASE,
    ),
    "alternative": re.compile(
        r"\b(?:alternativ\w+|another (?:\w+ )?(?:way|option|possibility|variant|one|" + _CODE + r")"
        r"|if (?:you|your|one|the|memory|speed|portability|needed|c\+\+)\b|(?:you|one|we) (?:could|can|may|might) (?:also|even)"
        r"|(?:could|can) also|optional(?:ly)?|variants?|bonus|for (?:comparison|reference|completeness)|nearly as fast|slower but"
        r"|simpler but|also possible|or,? (?:with|using|even|in)|even simpler|not recommended)\b",
        re.IGNORECASE,
    ),
    "answer": re.compile(
        r"\b(?:optimi[sz]ed|(?<!before )optimi[sz]ation|faster|fastest|improved|(?:more )?efficient|rewritten|rewrite|refactored"
        r"|sped[- ]up|updated|modified|enhanced|better|optimi[sz]e\w* (?:\w+ )?further|new "
        + _CODE
        + r"|(?:full|complete|whole) (?:\w+ )?"
        + _CODE
        + r"|solution|answer"
        r"|all together|everything together|result(?:ing)? " + _CODE + r")\b|^\W*after\b",
        re.IGNORECASE,
    ),
    "original": re.compile(
        r"\b(?:original|initial|given|provided|existing|current|old|slow(?:er)?|unoptimi[sz]ed|na[iï]ve|baseline|input|previous"
        rf"|reference|inefficient) (?:[\w+]+ ){{0,2}}{_CODE}\b|^\W*(?:the )?(?:original|before|slow|old|unoptimi[sz]ed|question|problem)\b"
        rf"|\byour (?:\w+ )?{_CODE}\b|\byou (?:gave|provided|posted|sent|shared|wrote)\b|\bbefore optimi[sz]\w+"
        r"|\b(?:slow|hot) (?:part|loop|path)\b|\bbottleneck\b|\boriginal:",
        re.IGNORECASE,
    ),
    "draft": re.compile(
        r"\b(?:first|initial|my) (?:attempt|try|draft|idea|version|cut)\b|\bdraft\b|\bwrong\b", re.IGNORECASE
    ),
}
# What is only compared with: "faster than the original program", "the optimized version of your code".
_COMPARED = re.compile(
    r"\b(?:than|unlike|like|as|from|instead of|compared (?:to|with)|replac\w+|of|to|over|in|for|with|on|preserv\w+|keep\w*|match\w*)"
    r" (?:the|your|this|its|that|an?)?(?: ?\w+)? ?(?:original|given|provided|existing|current|slow(?:er)?|na[iï]ve|initial|old|input"
    rf"|your|brute[- ]?force)(?: {_CODE})?(?:'s)?\b(?! ?:)",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"^\W*(?:wait|hmm+|oops|no,|no\.|actually,? (?:this|that|it|no)|sorry|on second thou?ght)\b"
    r"|\b(?:this|that|it|above|code|version|program|attempt)(?: \w+)? (?:is|was|has|contains|had|fails|doesn't|does not|won't|isn't)"
    r"(?: \w+){0,3} (?:wrong|incorrect|bugs?|mistake|error|broken|compile|correct|work|fail\w*)\b",
    re.IGNORECASE,
)

_HEADING = re.compile(r"^[ \t]*(?:\#{1,6}[ \t]|\*\*[^*\n]{1,120}\*\*:?[ \t]*$|\d+[.)][ \t]+\*\*|={3,}|<h\d>)")
_COMMENT = re.compile(r"\s*(?://+|/\*+)[ \t]*([^\n]{0,200})")
_TOLD = re.compile(
    r"(?:'s)? (?:can|could|may|might|should|must|needs?|uses?|used|has|had|runs?|takes?|reads?|does|is (?!as\b))"
)
_SHORT = 6  # words of a line that announces what follows without a colon
_LINES = 3  # before a block that are about it
_CHARACTERS = 300  # of a line that are read
_HEADING_DECIDES = ("alternative", "demonstration", "draft")


def called(before: Sequence[str], heading: str, title: str, code: str) -> str | None:
    """What a block is called: "final", "answer", "draft", "alternative", "demonstration", "original", or None.

    `before`: the lines between it and the block before; `heading`: the one that it stands under; `title`: what its fence
    says beside the language.
    """
    own_heading = next((line for line in reversed(before) if _HEADING.match(line)), "")
    said = [line for line in before if line.strip()][-_LINES:]
    # Nearest first: what stands above a heading is about something else.
    near: list[str] = []
    for line in reversed(said):
        near.append(line)
        if _HEADING.match(line):
            break
    found = next((name for name in map(_named, near) if name is not None), None)
    if found == "final":
        return found
    under = _named(own_heading)
    if under in _HEADING_DECIDES or (under == "final" and found in (None, "answer")):
        return under
    if found is not None:
        return found
    comment = _COMMENT.match(code)
    for text in (title, comment[1] if comment else "", heading):
        name = _named(text)
        if name is not None:
            return name
    return None


def heading_in(lines: Sequence[str], otherwise: str) -> str:
    """The last heading among lines."""
    return next((line for line in reversed(lines) if _HEADING.match(line)), otherwise)


def taken_back(after: Sequence[str]) -> bool:
    """Whether the lines behind a block say that it is wrong."""
    said = [line for line in after if line.strip()][:2]
    return any(_TAKEN_BACK.search(line[:_CHARACTERS]) for line in said[:1]) or any(
        _TAKEN_BACK.match(line[:_CHARACTERS]) for line in said[1:]
    )


def _named(line: str) -> str | None:
    line = line[:_CHARACTERS]
    if not line.strip():
        return None
    for sentence in reversed(re.split(r"(?<=[.!?;])\s+", line)):
        bare = _COMPARED.sub(" ", sentence)
        if _FINAL.search(bare):
            return "final"
        # What is merely said of the original ("the original code's loop is slow") does not announce it.
        announces = sentence.rstrip("* \t").endswith(":") or len(sentence.split()) <= _SHORT or _HEADING.match(line)
        places = (
            (match.start(), name)
            for name, pattern in _CALLED.items()
            if (match := pattern.search(bare))
            and (name != "original" or (announces and not _TOLD.match(bare, match.end())))
        )
        first = min(places, default=None)
        if first is not None:
            return first[1]
    return None
