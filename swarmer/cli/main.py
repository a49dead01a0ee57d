"""The `swarmer` command: its parts, each a module with some commands.

Exit status: 0 success; 1 a check failed or the work could not be done; 2 invalid input or unsuitable machine.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from swarmer.cli.common import Command
from swarmer.cli.registrator import replace_process

PARTS: Final = (
    *("address", "cluster", "completion", "describe", "diagram", "dns_proxy", "doctor", "groups"),
    *("machines", "nodes", "reference", "rehearsal", "status"),
)
"""Names of the modules of this package that have COMMANDS."""


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="swarmer", message="swarmer %(version)s")
def main() -> None:
    """Private Docker Swarm clusters with Consul: rehearse them here, deploy them on AWS."""


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def registrator(arguments: tuple[str, ...]) -> None:
    """Declare containers in Consul (run), or show what would be declared (plan)."""
    replace_process(arguments)


for part in PARTS:
    for command in import_module(f"swarmer.cli.{part}").COMMANDS:
        main.add_command(command)
