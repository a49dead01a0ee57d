"""`make audit-deps`: asks the database OSV for known vulnerabilities of every pinned package.

    python -m tests.audit [--database URL] [--ignore ID …]

Exit status: 0 no vulnerability is known; 1 a pinned package has one, and a line says which; 2 the database
does not answer, or a package is not pinned.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from swarmer.core.errors import UserError
from tests.audit import pins
from tests.audit.findings import Finding, of_report
from tests.docs.pages import ROOT

PIP_AUDIT = ROOT / ".venv/audit/bin/pip-audit"
DATABASE = "https://api.osv.dev/v1/query"


def findings(files: Mapping[pins.Pin, Sequence[str]], options: Sequence[str]) -> list[Finding]:
    """Findings for all pins. pip-audit takes one version of a package at a time. Raises UserError."""
    found: list[Finding] = []
    for some in pins.rounds(files):
        found += of_report(audited(some, options), files)
    return found


def audited(some: Sequence[pins.Pin], options: Sequence[str]) -> str:
    """pip-audit's report of some pins, as JSON. Raises UserError if the database does not answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "requirements.txt")
        path.write_text("".join(f"{name}=={version}\n" for name, version in some))
        argv = [str(PIP_AUDIT), "-r", str(path), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        argv += ["--format", "json", "--vulnerability-service", "osv", "--cache-dir", folder, *options]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    # pip-audit has the same exit status for a vulnerability and for a failure: only the first has a report.
    if not done.stdout.startswith("{"):
        raise UserError(reason(done.stderr))
    return done.stdout


def reason(errors: str) -> str:
    """Reason in the errors of pip-audit, whose last line may be the name of an exception only."""
    known: list[str] = re.findall(r"\[Errno -?\d+\] [^)\"'\n]+|\d{3} (?:Client|Server) Error[^\n]*", errors)
    return (known or errors.strip().splitlines() or ["it says nothing"])[-1]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--database", default=DATABASE, metavar="URL", help="another address of OSV's API")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="ID", help="a vulnerability to leave out"
    )
    known = parser.parse_args(arguments)
    options = ["--osv-url", known.database, *(f"--ignore-vuln={each}" for each in known.ignore)]
    try:
        files = pins.in_files(ROOT)
    except UserError as exc:
        return refused(str(exc))
    try:
        found = findings(files, options)
    except UserError as exc:
        return refused(
            f"the database of vulnerabilities at {known.database} does not answer ({exc}): try again later,"
            " or name another one with --database URL"
        )
    for each in found:
        print(each)  # noqa: T201 - this is a command
    print(f"pinned packages: {len(files)}, known vulnerabilities: {len(found)}")  # noqa: T201
    return 1 if found else 0


def refused(why: str) -> int:
    print(f"audit-deps: {' '.join(why.split())}", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
