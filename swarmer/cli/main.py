"""The `swarmer` command, assembled from modules with some commands each.

Exit status: 0 success; 1 a check failed or the work could not be done; 2 invalid input or unsuitable machine.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from swarmer.cli.common import Command
from swarmer.cli.registrator import replace_process

COMMANDS_OF: Final = {
    "address": ("address",),
    "cluster": ("bucket", "handover", "recover"),
    "completion": ("completion",),
    "deploy": ("deploy", "destroy"),
    "describe": ("validate",),
    "diagram": ("diagram",),
    "dns_proxy": ("dns-proxy",),
    "doctor": ("doctor",),
    "facts": ("facts",),
    "groups": ("events", "resume", "scale", "terminate"),
    "machines": ("cloud-init", "machines", "vagrant"),
    "nodes": ("exec", "kill", "logs", "reboot", "shell"),
    "reference": ("reference",),
    "rehearsal": ("down", "up"),
    "status": ("status",),
}
"""Names of the commands by module of this package. A module holds its commands in COMMANDS."""
MODULE_OF: Final = {command: module for module, commands in COMMANDS_OF.items() for command in commands}


class Main(Command):
    """Outermost command. It imports a module when one of the module's commands is typed.

    The import of all modules takes 0.4 s. Most commands need only one module.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *MODULE_OF})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in MODULE_OF and cmd_name not in self.commands:
            for command in import_module(f"swarmer.cli.{MODULE_OF[cmd_name]}").COMMANDS:
                self.add_command(command)
        return super().get_command(ctx, cmd_name)


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="swarmer", message="swarmer %(version)s")
def main() -> None:
    """Private Docker Swarm clusters with Consul: rehearse them here, deploy them on AWS."""


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def registrator(arguments: tuple[str, ...]) -> None:
    """Declare containers in Consul (run), or show the declarations without making them (plan)."""
    replace_process(arguments)
