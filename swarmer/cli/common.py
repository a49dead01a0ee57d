"""Common parts of the commands of `swarmer`: the description, its rehearsal, one form of errors."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from swarmer.adapters import process
from swarmer.cli.exit_statuses import EXIT_STATUSES
from swarmer.core import description
from swarmer.core.errors import UserError
from swarmer.local import aws_daemon, environment, node_containers
from swarmer.local.environment import Environment

DEFAULT = str(environment.ROOT / "servers.yml")
PORT_VARIABLE: Final = "SWARMER_AWS_PORT"
NO_REHEARSAL = "no rehearsal of {} runs here: `make up` makes one"
servers_option = click.option(
    *("-f", "--servers"),
    default=DEFAULT,
    envvar="SWARMER_SERVERS",
    help="Description of the cluster [$SWARMER_SERVERS, else servers.yml].",
)


def load(servers: str, aws_port: int | None = None) -> Environment:
    """Load the description and choose the port of its AWS.

    The port is that of the running daemon, else `aws_port`, else the one in the environment.
    """
    cluster = description.load(Path(servers))
    first = _port_of_environment()
    env = Environment(
        cluster=cluster,
        servers=Path(servers).resolve(),
        aws_port=aws_port or first,
        is_port_named=aws_port is not None,
    )
    return replace(env, aws_port=aws_daemon.remembered_port(env) or env.aws_port)


def _port_of_environment() -> int:
    text = os.environ.get(PORT_VARIABLE, str(environment.AWS_PORT))
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise UserError(f"{PORT_VARIABLE}: {text!r} is no port; take a number from 1 to 65535")
    return int(text)


def load_running(servers: str) -> Environment:
    """Load the description as `load` does. Raises UserError if no rehearsal of it runs."""
    env = load(servers)
    if not aws_daemon.daemon_pid(env):
        raise UserError(NO_REHEARSAL.format(env.cluster.name), status=1)
    return env


def find_container(env: Environment, text: str) -> str:
    """Name of the container of the one node that matches `text`."""
    known = node_containers.addresses(env)
    if not known:
        raise UserError(NO_REHEARSAL.format(env.cluster.name), status=1)
    return node_containers.container_name(env, node_containers.find(env, known, text))


SECTIONS: Final = {
    "Description": ("validate", "diagram", "reference", "facts"),
    "Rehearsal on this machine": ("doctor", "up", "down", "dns-proxy"),
    "Cluster": (
        *(
            "deploy",
            "destroy",
            "status",
            "address",
            "events",
            "scale",
            "resume",
            "handover",
            "recover",
            "bucket",
            "registrator",
        ),
    ),
    "One node": ("logs", "exec", "shell", "reboot", "kill", "terminate"),
    "Machines without AWS": ("machines", "cloud-init", "vagrant"),
    "Command line": ("completion",),
}
"""Sections of `swarmer --help`: headings, and commands in the order in which an operator needs them."""


class Command(click.Group):
    """Outermost command: it turns exceptions into a line on standard error and an exit status."""

    def all_commands(self, ctx: click.Context) -> dict[str, click.Command]:
        """All commands by name, in the order of their names."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        return {name: command for name, command in found.items() if command}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in sections, by their purpose."""
        known = self.all_commands(ctx)
        named = [name for section in SECTIONS.values() for name in section]
        others = tuple(name for name in known if name not in named)
        width = max(map(len, known))
        for heading, section in {**SECTIONS, "Others": others}.items():
            rows = [
                (f"{name:<{width}}", known[name].get_short_help_str(limit=90))
                for name in section
                if name in known
            ]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit status"):
            formatter.write_dl(EXIT_STATUSES)
        formatter.write_paragraph()
        formatter.write_text(
            "Commands with the option --on act on AWS or on the rehearsal of this machine. The other "
            "commands about nodes act on the rehearsal only."
        )
        formatter.write_paragraph()
        formatter.write_text(
            "`swarmer COMMAND --help` explains a command. docs/reference/cli.md explains all of them, and "
            "docs/guides/daily-use.md shows daily use."
        )

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except description.Invalid as exc:
            lines, status = [str(problem) for problem in exc.problems], 2
        except UserError as exc:
            lines, status = [f"swarmer: {exc}"], exc.status
        except process.Failed as exc:
            lines, status = [f"swarmer: {exc}"], 1
        except OSError as exc:
            # A file without write permission or a full disk is a user's problem; all others are bugs.
            if exc.filename is None and exc.errno != errno.ENOSPC:
                raise
            lines, status = [f"swarmer: {exc.filename or 'standard output'}: {exc.strerror}"], 1
        except KeyboardInterrupt:
            # The hint is only for these two commands. After others `make down` would remove a good cluster.
            left = "; `make down` removes what is left" if ctx.invoked_subcommand in ("up", "down") else ""
            lines, status = [f"swarmer: interrupted{left}"], 130
        click.echo("\n".join(lines), err=True)
        ctx.exit(status)
