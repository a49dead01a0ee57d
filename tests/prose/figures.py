"""Figures of a page: words per sentence, relative clauses and negations per sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.prose.sentences import Sentence

RELATIVE: Final = re.compile(
    r"\b(who|whom|whose|which|what|where|whatever|whoever|whichever|(?<!so )that)\b", re.I
)
"""Words that open relative clauses. "so that" opens a reason."""
NEGATION: Final = re.compile(
    r"\b(no|not|never|none|nobody|nothing|nowhere|neither|nor|cannot|\w+n['’]t)\b", re.I
)
LONGEST: Final = 28
"""Goal for words per sentence, at the 90th percentile."""
RELATIVES: Final = 0.30
"""Goal for relative clauses per sentence."""
NEGATIONS: Final = 0.15
"""Goal for negations per sentence."""


@dataclass(frozen=True)
class Figures:
    sentences: int
    median: int
    p90: int
    """Words per sentence, at the 90th percentile."""
    longest: int
    relatives: float
    """Relative clauses per sentence."""
    negations: float
    """Negations per sentence."""

    @property
    def misses(self) -> tuple[str, ...]:
        """Names of the figures that miss their goals."""
        goals = (("p90", self.p90 > LONGEST), ("relatives", self.relatives > RELATIVES))
        return tuple(name for name, missed in (*goals, ("negations", self.negations > NEGATIONS)) if missed)


def of(sentences: Sequence[Sentence]) -> Figures:
    """Figures of at least one sentence."""
    lengths = sorted(len(each.words) for each in sentences)
    number = len(sentences)
    return Figures(
        sentences=number,
        median=lengths[number // 2],
        p90=lengths[min(number - 1, number * 9 // 10)],
        longest=lengths[-1],
        relatives=round(sum(len(RELATIVE.findall(each.text)) for each in sentences) / number, 2),
        negations=round(sum(len(NEGATION.findall(each.text)) for each in sentences) / number, 2),
    )
