"""The entry point `swarmer`: the registrator, which is resident and starts in a moment, or all the rest."""

from __future__ import annotations

import sys

from swarmer.cli import registrator


def main() -> None:
    """What stands behind `swarmer` on the command line; ends the process."""
    if sys.argv[1:2] == ["registrator"]:
        registrator.replace_process(sys.argv[2:])
    from swarmer.cli import main  # half a second of imports that the registrator does not need

    main.main()
