"""Vulnerabilities in a report of pip-audit, one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from tests.audit.pins import Pin


class _Vulnerability(BaseModel):
    id: str
    fix_versions: list[str]
    description: str


class _Dependency(BaseModel):
    name: str
    version: str
    vulns: list[_Vulnerability]


class _Report(BaseModel):
    dependencies: list[_Dependency]


@dataclass(frozen=True)
class Finding:
    pin: Pin
    files: tuple[str, ...]
    """Paths of the files that pin the version."""
    vulnerability: str
    """ID of the vulnerability in the database."""
    fixed_in: tuple[str, ...]
    """Versions that have the fix; empty if no release has it."""
    description: str

    def __str__(self) -> str:
        fix = f"fixed in {' and '.join(self.fixed_in)}" if self.fixed_in else "no release has a fix"
        name, version = self.pin
        return f"{name} {version} ({', '.join(self.files)}): {self.vulnerability}, {fix}: {self.description}"


def of_report(report: str, files: Mapping[Pin, Sequence[str]]) -> list[Finding]:
    """Findings of a report in JSON. `files`: the files of each pin."""
    return [
        Finding(pin, tuple(files[pin]), each.id, tuple(each.fix_versions), each.description)
        for dependency in _Report.model_validate_json(report).dependencies
        for pin in [(dependency.name, dependency.version)]
        for each in dependency.vulns
    ]
