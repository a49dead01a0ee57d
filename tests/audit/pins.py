"""Packages and versions that the requirement files of the repository pin."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from swarmer.core.errors import UserError

FILES: Final = (
    "requirements.txt",
    "requirements-dev.txt",
    "constraints.txt",
    "lambdas/requirements.txt",
    "node/requirements.txt",
    "docs/site/requirements.txt",
    "tests/audit/requirements.txt",
    "tests/templates/requirements.txt",
)
"""Paths of the requirement files, from the root of the repository."""
Pin = tuple[str, str]
"""Name of a package, in lower case with hyphens, and its version."""
_PIN: Final = re.compile(r"(?P<name>[\w.-]+)(\[[\w,-]+\])?==(?P<version>[\w.!+-]+)$")


def in_files(root: Path) -> dict[Pin, list[str]]:
    """Each pin with the files that have it. Raises UserError for a package without an exact version."""
    files: dict[Pin, list[str]] = defaultdict(list)
    for name in FILES:
        for pin in _of_file(name, (root / name).read_text()):
            files[pin].append(name)
    return dict(sorted(files.items()))


def _of_file(name: str, text: str) -> Iterator[Pin]:
    for number, line in enumerate(text.splitlines(), 1):
        requirement = line.partition("#")[0].strip()
        if not requirement or requirement.startswith("-r "):
            continue
        if not (found := _PIN.match(requirement)):
            raise UserError(f"{name}:{number}: '{requirement}' has no exact version: write NAME==VERSION")
        yield re.sub(r"[-_.]+", "-", found["name"]).lower(), found["version"]


def rounds(pins: Iterable[Pin]) -> list[list[Pin]]:
    """The pins in lists that have each package only once: the first versions, the second ones, and so on."""
    found: list[list[Pin]] = []
    for name, version in pins:
        place = next((each for each in found if name not in dict(each)), None)
        if place is None:
            found.append(place := [])
        place.append((name, version))
    return found
