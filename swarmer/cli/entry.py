"""Entry point of `swarmer`: the resident registrator, because it must start fast, or all other commands."""

from __future__ import annotations

import sys

from swarmer.cli import registrator


def main() -> None:
    """Run the command line `swarmer` and end the process."""
    if sys.argv[1:2] == ["registrator"]:
        registrator.replace_process(sys.argv[2:])
    from swarmer.cli import main  # these imports take half a second, and the registrator does not need them

    main.main()
