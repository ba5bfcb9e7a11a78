"""How an answer labels its code blocks: answer, original, draft, alternative or demonstration.

Models label a block in the lines before it, in a heading or title, or in its first comment. Within a sentence, the
first phrase counts, whatever it is compared with; "final" and "corrected" take precedence over all others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_CODE = (
    r"(?:c\+\+ |cpp )?"
    r"(?:code|programs?|versions?|solutions?|implementations?|answers?|approach|submission|snippet|file)"
)


def _any(*phrases: str) -> re.Pattern[str]:
    """A pattern for any of these phrases, where CODE stands for any word for a program."""
    return re.compile("|".join(phrases).replace("CODE", _CODE), re.IGNORECASE)


_FINAL = _any(
    r"\bfinal\b[^\n]{0,60}\bCODE\b",
    r"\bcorrected\b|\bcorrection:|\brevised\b|\bfix(?:ed)?:",
    r"\b(?:bug-?)?fixed (?:it|one|CODE)\b",
    r"\bcorrect (?:\w+ )?CODE\b",
    r"\b(?:here is|here's|with) the fix\b",
    r"\blet(?:'s| me| us) (?:fix|correct|redo|rewrite)\b",
    r"最终|最終|修正[版后後]|최종|수정된|\bendgültig\w*|\bfinale[rs]?\b|\bитогов\w+|\bисправленн\w+|\bcorregid[oa]\b|\bcorrigée?\b",
)
_CALLED = {
    "demonstration": _any(
        r"\bto (?:test|verify|measure|benchmark|compare|check|generate)\b",
        r"\b(?:can|could|may) (?:test|verify|check|measure|benchmark)\b",
        r"\b(?:for|unit|stress|quick|simple|small)[- ]test(?:ing|s)?\b",
        r"\btest (?:program|harness|driver|cases?|code|file|it)\b|\btesting\b|\b(?:timing )?harness\b|\bdriver\b",
        r"\bbenchmark\w*|\bgenerator\b|\bchecker\b|\bbrute[- ]?force\b|\bsanity check\b",
        r"\busage\b|\bhow to use\b|\bdemonstrat\w+|\billustrat\w+",
        r"\b(?:toy|simple|minimal|small) example\b|\bexample of\b|\bexpected output\b|\bsample (?:input|output|run)\b",
    ),
    "alternative": _any(
        r"\balternativ\w+|\bvariants?\b|\boptional(?:ly)?\b|\bbonus\b|\balso possible\b|\bnot recommended\b",
        r"\banother (?:\w+ )?(?:way|option|possibility|variant|one|CODE)\b",
        r"\bif (?:you|your|one|the|memory|speed|portability|needed|c\+\+)(?!\w)",
        r"\b(?:you|one|we) (?:could|can|may|might) (?:also|even)\b|\b(?:could|can) also\b",
        r"\bfor (?:comparison|reference|completeness)\b|\bor,? (?:with|using|even|in)\b",
        r"\bnearly as fast\b|\b(?:slower|simpler) but\b|\beven simpler\b",
    ),
    "pseudo-code": _any(r"\bpseudo-?code\b"),
    "answer": _any(
        r"\boptimi[sz]ed\b|(?<!before )\boptimi[sz]ation\b|\boptimi[sz]e\w* (?:\w+ )?further\b",
        r"\bfast(?:er|est)\b|\bimproved\b|\befficient\b|\bbetter\b|\bsped[- ]up\b",
        r"\brewritten\b|\brewrite\b|\brefactored\b|\bupdated\b|\bmodified\b|\benhanced\b",
        r"\b(?:new|result(?:ing)?) CODE\b|\b(?:full|complete|whole) (?:\w+ )?CODE\b|\bsolution\b|\banswer\b",
        r"\b(?:all|everything) together\b|^\W*(?:after|new|fast)\b|\brecommended\b|\bpreferred\b|✅|🚀",
        r"优化(?!前)|優化(?!前)|改进|改進|最適化(?!前)|高速化|改善|최적화(?! ?전)|개선",
        r"\boptimiert\w*|\bverbessert\w*|\bschneller\w*",
        r"\bоптимизированн\w+|\bулучшенн\w+|\boptimizad[oa]\b|\bmejorad[oa]\b|\botimizad[oa]\b|\bottimizzat[oa]\b",
    ),
    "original": _any(
        r"\b(?:original|initial|given|provided|existing|current|old|previous|input|reference) (?:[\w+]+ ){0,2}CODE\b",
        r"\b(?:slow(?:er)?|unoptimi[sz]ed|na[iï]ve|baseline|inefficient) (?:[\w+]+ ){0,2}CODE\b",
        r"^\W*(?:the )?(?:original|before|slow|old|unoptimi[sz]ed|question|problem)\b|\boriginal:",
        r"\byour (?:\w+ )?CODE\b|\byou (?:gave|provided|posted|sent|shared|wrote)\b",
        r"❌|🚫|🐢|\bdo(?: not|n['’]t) (?:use|do|write|submit)\b|^\W*(?:don['’]t|bad)\W*$",
        r"\b(?:instead of|rather than|in place of|replac(?:es|ing))(?: this| that| the following)?\W*$",
        r"原始|原来|原來|原代码|原程序|[优優]化前|元の|最適化前|원본|원래|최적화 ?전",
        r"\bursprünglich\w*|\bисходн\w+|\bоригинальн\w+",
        r"\boriginales?\b|\bd['’]origine\b",
        r"\bbefore optimi[sz]\w+|\b(?:slow|hot) (?:part|loop|path)\b|\bbottleneck\b",
    ),
    "draft": _any(
        r"\b(?:first|initial|my) (?:attempt|try|draft|idea|version|cut)\b|\bdraft\b|\bwrong\b",
    ),
}
# Mentioned only in a comparison: "faster than the original program", "the optimized version of your code".
_COMPARED = _any(
    r"\b(?:than|unlike|like|as|from|instead of|compared (?:to|with)|replac\w+|of|to|over|in|for|with|on|preserv\w+"
    r"|keep\w*|match\w*|optimi[sz]\w+|improv\w+|rewrit\w+)"
    r" (?:the|your|this|its|that|an?)?(?: ?\w+)? ?"
    r"(?:original|given|provided|existing|current|slow(?:er)?|na[iï]ve|initial|old|input|your|brute[- ]?force)"
    r"(?: CODE)?(?:'s)?\b(?! ?:)",
)
_TAKEN_BACK = _any(
    r"^\W*(?:wait|hmm+|oops|no,|no\.|actually,? (?:this|that|it|no)|sorry|on second thou?ght)\b",
    r"\b(?:this|that|it|above|code|version|program|attempt)(?: \w+)?"
    r" (?:is|was|has|contains|had|fails|doesn't|does not|won't|isn't)(?: \w+){0,3}"
    r" (?:wrong|incorrect|bugs?|mistake|error|broken|compile|correct|work|fail\w*)\b",
)

_HEADING = re.compile(r"^[ \t]*(?:\#{1,6}[ \t]|\*\*[^*\n]{1,120}\*\*:?[ \t]*$|\d+[.)][ \t]+\*\*|={3,}|<h\d>|<summary>)")
_HTML = re.compile(r"</?(?:summary|details|h\d|b|strong|p)>")
_COMMENT = re.compile(r"\s*(?://+|/\*+)[ \t]*([^\n]{0,200})")
_TOLD = re.compile(
    r"(?:'s)? (?:can|could|may|might|should|must|needs?|uses?|used|has|had|runs?|takes?|reads?|does|is (?!as\b))"
)
_SHORT = 6  # words: so short a line announces what follows even without a colon
_LINES = 3  # lines before a block that describe it
_CHARACTERS = 300  # read per line
_HEADING_DECIDES = ("alternative", "demonstration", "draft", "pseudo-code")


def called(before: Sequence[str], heading: str, title: str, code: str) -> str | None:
    """The block's label: "final", "answer", "draft", "alternative", "demonstration", "original", "pseudo-code", or
    None.


    `before`: the lines between it and the previous block; `heading`: the heading above it; `title`: the text on its
    fence after the language.
    """
    own_heading = next((line for line in reversed(before) if _HEADING.match(line)), "")
    said = [line for line in before if line.strip()][-_LINES:]
    # Nearest first: text above a heading is about something else.
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
    """The last heading among the lines."""
    return next((line for line in reversed(lines) if _HEADING.match(line)), otherwise)


def taken_back(after: Sequence[str]) -> bool:
    """Whether the lines after a block say that it is wrong."""
    said = [line for line in after if line.strip()][:2]
    return any(_TAKEN_BACK.search(line[:_CHARACTERS]) for line in said[:1]) or any(
        _TAKEN_BACK.match(line[:_CHARACTERS]) for line in said[1:]
    )


def _named(line: str) -> str | None:
    line = _HTML.sub("", line[:_CHARACTERS])
    if not line.strip():
        return None
    for sentence in reversed(re.split(r"(?<=[.!?;])\s+", line)):
        bare = _COMPARED.sub(" ", sentence)
        if _FINAL.search(bare):
            return "final"
        # A passing mention of the original ("the original code's loop is slow") does not announce it.
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
