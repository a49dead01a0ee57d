"""`make recording`: runs `make up` on a terminal, and writes its screens as docs/up.svg.

    python -m tests.recording [FILE]

It removes the rehearsals of this checkout before and after. It runs `make up` once before it records, so that
downloads are left out.
Exit status: 0 the file is written; 1 the command failed, and the file stays as it was.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from swarmer.core.errors import UserError
from tests import prerequisites
from tests.docs.pages import ROOT
from tests.recording import animation, screens

TITLE: Final = "Recording of make up: each node boots, then the cluster is validated"
TYPED: Final = r"printf '\033[90m$\033[0m \033[1mmake up\033[0m\n'; exec make up"
"""The command, and a prompt as if a person had typed it."""


def main(arguments: Sequence[str]) -> int:
    prerequisites.ensure_or_exit("bench-up")
    target = Path(arguments[0]) if arguments else ROOT / "docs/up.svg"
    try:
        for before in ("down", "up", "down"):
            _make(before)
        recording = screens.recorded(["bash", "-c", TYPED], cwd=ROOT)
        target.write_text(animation.svg(recording, TITLE))
    except (screens.Failed, UserError) as exc:
        print(f"recording: make up failed, so {target} stays as it was:\n{exc}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        with suppress(UserError):
            _make("down")
    print(f"{target}: {len(recording)} screens in {recording[-1].at_s:.0f} s")  # noqa: T201
    return 0


def _make(goal: str) -> None:
    done = subprocess.run(["make", "-s", goal], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"make {goal}: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
