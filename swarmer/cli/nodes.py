"""Commands about single nodes: `logs`, `exec`, `shell`, `reboot`, `kill`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import click

from swarmer.cli import place
from swarmer.cli.common import find_container, load, servers_option
from swarmer.cli.completion import complete_nodes
from swarmer.cli.exit_statuses import epilog
from swarmer.cli.progress import working
from swarmer.core import names
from swarmer.core.errors import NodeUnreachable, UserError
from swarmer.core.health import Expected
from swarmer.core.selection import one
from swarmer.local import engine, node_containers
from swarmer.local.environment import Environment
from swarmer.provider import Provider

RESTART_TIMEOUT_S: Final = 120.0
"""Timeout for rehearsed machines to start again, in seconds."""
JOURNAL_TIMEOUT_S: Final = 60.0
"""Timeout for a journal, in seconds."""


@click.command(epilog=epilog("logs"))
@servers_option
@place.on_option
@click.argument("node", shell_complete=complete_nodes)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Number of lines, counted from the newest.",
)
@click.option("-u", "--unit", help="Show only lines of this systemd unit.")
@click.option("--follow", is_flag=True, help="Also show new lines, until Ctrl-C.")
def logs(servers: str, on: str | None, node: str, lines: int, unit: str | None, follow: bool) -> None:
    """Show the journal of NODE, or its console if the node does not answer.

    NODE is a node's name or a part of it.
    """
    provider = place.find(servers, on)
    found = _dead_or_alive(provider, node)
    journal = ["journalctl", "--no-pager", "-n", str(lines), *(["-u", unit] if unit else [])]
    try:
        if follow:
            sys.exit(provider.session(found, [*journal, "-f"]))
        sys.exit(provider.run(found, journal, timeout_s=JOURNAL_TIMEOUT_S, write=_write))
    except NodeUnreachable as exc:
        click.echo(f"{exc}:", err=True)
    console = provider.console(found).splitlines()
    click.echo("\n".join(console[max(0, len(console) - lines) :]))


def _dead_or_alive(provider: Provider, text: str) -> Expected:
    """The node of that name. A whole name also finds a node that EC2 does not list any more. Raises
    UserError."""
    try:
        return one(provider.nodes(), cluster=provider.cluster.name, text=text)
    except UserError:
        instance_id = names.instance_id(text)
        if instance_id == text:
            raise
        return Expected(
            name=text, instance_id=instance_id, group="", roles=(), address="", zone="", runs=False
        )


# Arguments after NODE belong to the command, also `-f`.
@click.command("exec", context_settings={"allow_interspersed_args": False}, epilog=epilog("exec"))
@servers_option
@place.on_option
@click.option(
    "--timeout",
    type=click.IntRange(1, 86_400),
    default=3600,
    show_default=True,
    help="Time limit of the command, in seconds.",
)
@click.argument("node", shell_complete=complete_nodes)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def exec_(servers: str, on: str | None, timeout: int, node: str, command: tuple[str, ...]) -> None:
    """Run a command on NODE: swarmer exec core -- docker ps.

    The command runs as root, without input. `swarmer shell` has a terminal. Ctrl-C ends the command on the
    node, too.
    """
    words = command[1:] if command[0] == "--" else command
    if not words or words[0].startswith("-"):
        raise UserError("no command after NODE: swarmer exec [OPTIONS] core -- docker ps")
    provider = place.find(servers, on)
    found = one(provider.nodes(), cluster=provider.cluster.name, text=node)
    with _interruptible():
        sys.exit(provider.run(found, words, timeout_s=timeout, write=_write))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let a CI system's timeout, or the end of the terminal, end the remote command like Ctrl-C."""
    endings = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(each, signal.default_int_handler) for each in endings]
    try:
        yield
    finally:
        for each, handler in zip(endings, before, strict=True):
            signal.signal(each, handler)


def _write(stream: str, piece: bytes) -> None:
    """Write a piece of remote output at once."""
    target = sys.stdout if stream == "out" else sys.stderr
    target.buffer.write(piece)
    target.buffer.flush()


@click.command(epilog=epilog("shell"))
@servers_option
@place.on_option
@click.argument("node", shell_complete=complete_nodes)
def shell(servers: str, on: str | None, node: str) -> None:
    """Open a shell on NODE. On AWS it needs AWS's session-manager-plugin."""
    provider = place.find(servers, on)
    sys.exit(provider.session(one(provider.nodes(), cluster=provider.cluster.name, text=node)))


@click.command()
@servers_option
@place.on_option
@place.yes_option
@click.argument("node", nargs=-1, shell_complete=complete_nodes)
@click.option("--all", "everything", is_flag=True, help="Reboot every node at the same time.")
def reboot(servers: str, on: str | None, yes: bool, node: tuple[str, ...], everything: bool) -> None:
    """Reboot each NODE: an orderly shutdown, then a boot."""
    if everything == bool(node):
        raise UserError("name the nodes to reboot, or --all of them")
    provider = place.find(servers, on)
    known = provider.nodes()
    found = known if everything else [one(known, cluster=provider.cluster.name, text=each) for each in node]
    names_of = ", ".join(each.name for each in found)
    place.agree(provider, f"reboots {names_of}", yes=yes)
    since = node_containers.running(load(servers)) if provider.name == place.REHEARSAL else {}
    provider.reboot(found)
    if provider.name == place.REHEARSAL:
        with working("reboots"):
            _await_restart(load(servers), {each.name: since.get(each.name, "") for each in found})
    click.echo(f"rebooted {names_of}")


def _await_restart(env: Environment, before: Mapping[str, str]) -> None:
    """Wait until each machine has another start time than before. Raises UserError."""
    deadline_s = time.monotonic() + RESTART_TIMEOUT_S
    while True:
        now = node_containers.running(env)
        late = [name for name, start in before.items() if now.get(name, start) == start]
        if not late:
            return
        if time.monotonic() > deadline_s:
            raise UserError(f"{late[0]} did not reboot: see {env.state}/aws.log", status=1)
        time.sleep(0.2)


@click.command()
@servers_option
@click.argument("node", shell_complete=complete_nodes)
def kill(servers: str, node: str) -> None:
    """Switch off NODE at once, as if its power failed."""
    container = find_container(load(servers), node)
    engine.docker("kill", container)
    click.echo(f"{container.partition('.')[2]} is dead; `swarmer up` switches it on again")


COMMANDS = (exec_, kill, logs, reboot, shell)
