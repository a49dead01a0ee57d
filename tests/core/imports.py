"""Static imports of this repository's modules: which files a program loads, directly or through others."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from swarmer.core.software import ROOT


def loaded_by(programs: Iterable[str]) -> set[Path]:
    """Files that the modules load, themselves and packages included, relative to ROOT.

    Imports within functions count as well, because they run sooner or later.
    """
    found: set[Path] = set()
    left = list(programs)
    while left:
        for path in set(_files(left.pop())) - found:
            found.add(path)
            left.extend(_imported(ROOT / path))
    return found


def _files(module: str) -> Iterator[Path]:
    """The module's own file and the `__init__.py` of each package around it; none of other distributions."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        within = Path(*parts[:end])
        candidates = (within.with_suffix(".py"), within / "__init__.py")
        yield from (path for path in candidates if (ROOT / path).is_file())


def _imported(path: Path) -> Iterator[str]:
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            yield from (each.name for each in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.module, f"{path}: relative imports are not followed"
            assert not statement.level, f"{path}: relative imports are not followed"
            # A name may be a module of a package, or whatever a module holds.
            yield from (f"{statement.module}.{each.name}" for each in statement.names)
