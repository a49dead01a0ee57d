"""Commands about single nodes: `logs`, `exec`, `reboot`, `kill`."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import click

from swarmer.cli.common import NO_REHEARSAL, find_container, load, servers_option
from swarmer.cli.completion import complete_nodes
from swarmer.cli.progress import working
from swarmer.core.errors import UserError
from swarmer.local import engine, node_containers


@click.command()
@servers_option
@click.argument("node", shell_complete=complete_nodes)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Number of last lines.",
)
@click.option("-u", "--unit", help="Of this systemd unit only.")
@click.option("--follow", is_flag=True, help="Go on with what is written next.")
def logs(servers: str, node: str, lines: int, unit: str | None, follow: bool) -> None:
    """Show the journal of NODE (its name or a part of it); of a dead node, its console."""
    env = load(servers)
    container = find_container(env, node)
    is_running = engine.docker("inspect", "-f", "{{.State.Running}}", container) == "true"
    journal = ["exec", container, "journalctl", "--no-pager", "-n", str(lines)]
    journal += [*(["-u", unit] if unit else []), *(["-f"] if follow else [])]
    _replace(journal if is_running else ["logs", "--tail", str(lines), container])


# Arguments after NODE belong to the command, also `-f`.
@click.command("exec", context_settings={"allow_interspersed_args": False})
@servers_option
@click.argument("node", shell_complete=complete_nodes)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def exec_(servers: str, node: str, command: tuple[str, ...]) -> None:
    """Run a command on NODE: swarmer exec core -- docker ps."""
    words = command[1:] if command[0] == "--" else command
    if not words or words[0].startswith("-"):
        raise UserError("no command after NODE: swarmer exec [OPTIONS] core -- docker ps")
    flags = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-i"]
    _replace(["exec", *flags, find_container(load(servers), node), *words])


@click.command()
@servers_option
@click.argument("node", nargs=-1, shell_complete=complete_nodes)
@click.option("--all", "everything", is_flag=True, help="Every node, at once.")
def reboot(servers: str, node: tuple[str, ...], everything: bool) -> None:
    """Reboot NODE…: an orderly shutdown, then a boot."""
    env = load(servers)
    if everything == bool(node):
        raise UserError("name the nodes to reboot, or --all of them")
    known = node_containers.addresses(env)
    if not known:
        raise UserError(NO_REHEARSAL.format(env.cluster.name), status=1)
    containers = [node_containers.container_name(env, name) for name in known] if everything else []
    containers += [find_container(env, each) for each in node]
    # One command for each node: `docker restart A B` finishes A before it starts with B.
    with working("reboots"), ThreadPoolExecutor(max_workers=len(containers)) as pool:
        list(pool.map(lambda each: engine.docker("restart", "-t", "30", each, timeout_s=180), containers))
    click.echo(f"rebooted {', '.join(each.partition('.')[2] for each in containers)}")


@click.command()
@servers_option
@click.argument("node", shell_complete=complete_nodes)
def kill(servers: str, node: str) -> None:
    """Cut NODE's power, without any notice."""
    container = find_container(load(servers), node)
    engine.docker("kill", container)
    click.echo(f"{container.partition('.')[2]} is dead; `swarmer up` switches it on again")


def _replace(argv: list[str]) -> None:
    """Replace this process by `docker ARGV`."""
    sys.stdout.flush()
    os.execvpe("docker", ["docker", *argv], engine.docker_environment())  # noqa: S606 - no shell is wanted


COMMANDS = (exec_, kill, logs, reboot)
