"""Rules for sentences that a machine can check. CONTRIBUTING.md has all rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.prose.sentences import Docstring, Sentence

LONGEST: Final = 30
"""Number of words that a sentence may have."""
_OPENS: Final = re.compile(
    r"(and |but )?(who|whom|whose|what|whatever|whoever|whichever|which)\b", re.IGNORECASE
)
_FRAGMENT: Final = re.compile(
    r"(of|as|so|in|by|for|with|at|on|from|to|longer|until|after|before|like|than|there|they|it|its|their|not|no"
    r"|one|all|both|those|such|what|who|whose|which)\b",
    re.IGNORECASE,
)
_NOUN_PHRASE: Final = re.compile(r"(no|one|all|both|its|their) \w+|as many|at (least|most)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    place: str
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}: {self.text}"


def of_sentence(sentence: Sentence, place: str, retired: Mapping[str, str]) -> list[Finding]:
    """Findings in a sentence. `retired`: retired words, with what to use instead."""
    found = []
    if (number := len(sentence.words)) > LONGEST:
        found.append(Finding(place, f"{number} words; make two sentences of it", sentence.text))
    if _OPENS.match(sentence.text) and not sentence.text.rstrip("\"')*").endswith("?"):
        found.append(Finding(place, "begins with a relative clause; name the subject", sentence.text))
    for pattern, instead in retired.items():
        if used := re.search(rf"\b{pattern}\b", sentence.text, re.IGNORECASE):
            found.append(Finding(place, f'"{used[0]}" is retired; write {instead}', sentence.text))
    return found


def of_docstring(docstring: Docstring, place: str) -> list[Finding]:
    """Finding if a docstring begins with neither a noun nor a verb."""
    first = docstring.text.strip().split("\n")[0]
    if _FRAGMENT.match(first) and not _NOUN_PHRASE.match(first):
        rule = (
            f"docstring of {docstring.owner or 'an expression'} has no head noun; begin with a noun or a verb"
        )
        return [Finding(place, rule, first)]
    return []
