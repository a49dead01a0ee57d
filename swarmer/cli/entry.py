"""The entry point `swarmer`: the registrator, which is resident and starts in a moment, or all the rest."""

from __future__ import annotations

import sys


def main() -> None:
    """What stands behind `swarmer` on the command line; ends the process."""
    if sys.argv[1:2] == ["registrator"]:
        from node import registrator_command

        sys.exit(registrator_command.main(sys.argv[2:]))
    from swarmer.cli import main

    main.main()
