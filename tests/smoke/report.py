"""Report of a smoke test: Markdown that its reader may attach to an issue, without secrets. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
PLACEHOLDERS: Final[tuple[tuple[str, str], ...]] = (
    (r"\x1b\[[0-9;]*[A-Za-z]", ""),
    (r"\barn:aws[\w-]*:[^\s\"'`,|)]+", "ARN"),
    (r"https?://[^\s\"'`,|)]+", "URL"),
    (r"\bs3://[^\s\"'`,|)]+", "URL"),
    (r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{12,}\b", "KEY"),
    (r"(?<![\w/+=])(?:[A-Za-z0-9/+=]{40}|[A-Za-z0-9/+=]{100,})(?![\w/+=])", "KEY"),
    (r"\bSWMTKN-[\w-]+", "TOKEN"),
    (r"[\w.+-]+@[\w-]+\.[\w.-]+", "E-MAIL"),
    (
        r"\b(i|ami|vpc|vpce|subnet|sg|sgr|eni|eni-attach|nat|eipalloc|eipassoc|vol|snap|lt|igw|rtb|rtbassoc"
        r"|acl|fl|r|key|mi|s)-[0-9a-f]{8,17}\b",
        r"\1-ID",
    ),
    (r"\b[\w.-]*-(?:bucket|assets)[\w-]*-[\w-]+", "BUCKET"),
    (r"(?<!\d)\d{12}(?!\d)", "ACCOUNT"),
    (rf"(?<![\w.])(?:{OCTET}\.){{3}}{OCTET}(?![\w.]\d)(?:[:/]\d+)?", "ADDRESS"),
    (r"(?<![\w:.])(?=[\da-fA-F:]*::|(?:[\da-fA-F]+:){4})[\da-fA-F]*:[\da-fA-F:]+(?![\w:])", "ADDRESS"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"),
    (r"\bip-\d+-\d+-\d+-\d+[\w.-]*", "HOST"),
    (r"(?i)\b(secret\w*|password|token)(\s*[=:]\s*)\S+", r"\1\2SECRET"),
    (r"(?<![\w/.])/(?:home|root|tmp|Users)(?:/[^\s\"'`:,|)]*)?", "PATH"),
)
"""Pattern of something that belongs to one account or person, and the word in its place."""


class Verdict(StrEnum):
    """Result of a step, and of the run."""

    PASSED = "passed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NOT_RUN = "not run"


@dataclass(kw_only=True)
class Result:
    """One step of the run."""

    name: str
    promise: str
    verdict: Verdict = Verdict.NOT_RUN
    seconds: float = 0.0
    finding: str = ""
    """Line with the finding of the step; after a failure with its reason."""


@dataclass(kw_only=True)
class Report:
    """Findings of one run."""

    place: str
    """Words for where it ran, without the account: `AWS, us-east-1`."""
    release: str
    """Release and commit of Swarmer."""
    began: str
    """Time of the beginning, in UTC."""
    results: list[Result]
    versions: dict[str, str] = field(default_factory=dict)
    """Release of each program, by its name."""
    left: list[str] = field(default_factory=list)
    """One line for each resource that the run leaves in the account."""
    log: Sequence[str] = ()
    """Last lines of the command that failed."""
    secrets: tuple[str, ...] = ()
    """Words of this run that no pattern knows, such as the name of the bucket."""

    @property
    def verdict(self) -> Verdict:
        """Result of the run: the worst of its steps."""
        found = {each.verdict for each in self.results}
        for worst in (Verdict.INTERRUPTED, Verdict.FAILED, Verdict.NOT_RUN):
            if worst in found:
                return worst
        return Verdict.PASSED

    def markdown(self) -> str:
        """The whole report, without what belongs to one account or person."""
        return redacted("\n".join([*self._head(), *self._steps(), *self._facts()]) + "\n", self.secrets)

    def _head(self) -> list[str]:
        total_s = sum(each.seconds for each in self.results)
        return [
            f"# Smoke test: {self.verdict}",
            "",
            "| | |",
            "| --- | --- |",
            f"| where | {self.place} |",
            f"| Swarmer | {self.release} |",
            f"| begun | {self.began} |",
            f"| seconds | {total_s:.0f} |",
            "",
        ]

    def _steps(self) -> list[str]:
        rows = [
            f"| {each.name} | {each.promise} | {each.seconds:.0f} | {each.verdict} | {_cell(each.finding)} |"
            for each in self.results
        ]
        return ["| step | promise | seconds | verdict | finding |", "| --- | --- | --- | --- | --- |", *rows]

    def _facts(self) -> list[str]:
        lines = []
        if self.versions:
            lines += ["", "## Versions", "", "| program | version |", "| --- | --- |"]
            lines += [f"| {name} | {_cell(version)} |" for name, version in self.versions.items()]
        lines += ["", "## What is left in the account", ""]
        lines += [f"- {each}" for each in self.left] or ["Nothing."]
        if self.log:
            lines += ["", "## Last lines of the command that failed", "", "```", *self.log, "```"]
        return lines


def redacted(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without account IDs, ARNs, addresses, resource IDs, keys, URLs, paths and `secrets`."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "REMOVED")
    for pattern, word in PLACEHOLDERS:
        text = re.sub(pattern, word, text)
    return text


def _cell(text: str) -> str:
    """Text for one cell of a table."""
    return " ".join(text.replace("|", "\\|").split())
