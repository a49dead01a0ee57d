"""The `swarmer` command: gather, decide, show.

Exit status: 0 it is so; 1 it is not (or could not be done); 2 the input or this machine is not fit for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import click

from node import registrator_command
from swarmer.adapters.consul import Consul, Key, Unavailable
from swarmer.cli import completion, diagram, dns_proxy, doctor, groups, machines, reference, status
from swarmer.cli.common import NO_REHEARSAL, Command, find_container, load, load_running, servers_option
from swarmer.cli.completion import complete_nodes
from swarmer.cli.progress import working
from swarmer.cli.status import show_outdated, show_status
from swarmer.core import names
from swarmer.local import engine, node_containers, workspace
from swarmer.local.progress import Show, next_steps
from swarmer.local.workspace import Ground, Problem
from swarmer.operations import recover
from swarmer.providers.rehearsal import cloud, down
from swarmer.providers.rehearsal.up import BOOT_S, Up

HANDOVER_S = 15.0


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Private Docker Swarm clusters with Consul: rehearse them here, deploy them on AWS."""


@main.command()
@servers_option
@click.option("--json", "as_json", is_flag=True, help="For programs: the description with all its defaults.")
def validate(servers: str, as_json: bool) -> None:
    """Check servers.yml; every mistake at once."""
    cluster = load(servers).cluster
    if as_json:
        click.echo(cluster.model_dump_json(indent=2))
        return
    groups = ", ".join(f"{group.name} ({group.largest})" for group in cluster.groups)
    click.echo(f"{servers}: {cluster.name} is valid: {groups}")


@main.command()
@servers_option
@click.option(
    "--aws-port",
    type=click.IntRange(1, 65535),
    help=f"Where AWS on this machine listens [a free port, from $SWARMER_AWS_PORT or {workspace.AWS_PORT} on].",
)
@click.option("--retain", is_flag=True, help="Keep a cluster that did not come up, to look into it.")
@click.option("--timeout", default=BOOT_S, help="Seconds that nodes may take to boot.", show_default=True)
@click.option("--apart", default=0.0, help="Start the nodes so many seconds apart, the servers last.")
@click.option("--node-image", help="Use this image for the nodes instead of building one.")
def up(
    servers: str, aws_port: int | None, retain: bool, timeout: float, apart: float, node_image: str | None
) -> None:
    """Rehearse the cluster on this machine: AWS, cdk deploy, nodes, until it is validated."""
    g = load(servers, aws_port)
    show = Show()
    status = Up(
        ground=g, show=show, image=node_image, retain=retain, boot_s=timeout, apart_s=max(0.0, apart)
    ).run()
    show_status(status)
    show_outdated(g, status)
    click.echo(
        f"\n{g.cluster.name} is up. What to type now:\n\n{next_steps(status, domain=g.cluster.domain)}"
    )


@main.command("down")
@click.option(
    "-f", "--servers", help="Only the rehearsal of this description; $SWARMER_SERVERS is not heeded."
)
def down_(servers: str | None) -> None:
    """Remove every rehearsal of this checkout: containers, networks, processes."""
    if servers is not None:
        g = load(servers)
        with working(f"removes {g.cluster.name}"):
            down.remove(g)
        click.echo(f"removed: {g.cluster.name}")
        return
    with working("removes every rehearsal of this checkout"):
        done = down.remove_all()
    click.echo(f"removed: {', '.join(done)}" if done else "nothing to remove")


@main.command()
@servers_option
@click.argument("node", shell_complete=complete_nodes)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="So many of the last lines.",
)
@click.option("-u", "--unit", help="Of this systemd unit only.")
@click.option("--follow", is_flag=True, help="Go on with what is written next.")
def logs(servers: str, node: str, lines: int, unit: str | None, follow: bool) -> None:
    """Show the journal of NODE (its name or a part of it); of a dead node, its console."""
    g = load(servers)
    container = find_container(g, node)
    is_running = engine.docker("inspect", "-f", "{{.State.Running}}", container) == "true"
    journal = ["exec", container, "journalctl", "--no-pager", "-n", str(lines)]
    journal += [*(["-u", unit] if unit else []), *(["-f"] if follow else [])]
    _replace(journal if is_running else ["logs", "--tail", str(lines), container])


# What stands behind NODE is the command's, also `-f`.
@main.command("exec", context_settings={"allow_interspersed_args": False})
@servers_option
@click.argument("node", shell_complete=complete_nodes)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def exec_(servers: str, node: str, command: tuple[str, ...]) -> None:
    """Run a command on NODE: swarmer exec core -- docker ps."""
    words = command[1:] if command[0] == "--" else command
    if not words or words[0].startswith("-"):
        raise Problem("no command stands behind NODE: swarmer exec [OPTIONS] core -- docker ps")
    flags = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-i"]
    _replace(["exec", *flags, find_container(load(servers), node), *words])


@main.command()
@servers_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def bucket(servers: str, as_json: bool) -> None:
    """List what the registry keeps in its S3 bucket: bytes and key of each object."""
    g = load_running(servers)
    with working("asks S3"):
        name, objects = cloud.registry_objects(g)
    if as_json:
        listed = [{"key": key, "bytes": size} for key, size in objects]
        click.echo(json.dumps({"bucket": name, "objects": listed}, indent=2))
        return
    for key, size in objects:
        click.echo(f"{size:>12}  s3://{name}/{key}")
    click.echo(f"{len(objects)} objects in {name}", err=True)


@main.command()
@servers_option
def handover(servers: str) -> None:
    """Move the registry to another manager; no pull fails meanwhile."""
    g = load(servers)
    consul = _consul(g)
    before = consul.get(names.KV_REGISTRY_LOCK)
    if before is None or before.session is None:
        raise Problem("no node holds the registry: `swarmer status` says more", status=1)
    consul.put(names.KV_REGISTRY_HANDOVER, str(before.lock_index))
    with working(f"waits until another node than {_holder(before.value)} has the registry"):
        after = _next_holder(consul, before)
    click.echo(f"{_holder(before.value)} handed over to {_holder(after.value)}")


def _next_holder(consul: Consul, before: Key) -> Key:
    deadline_s = time.monotonic() + HANDOVER_S
    while time.monotonic() < deadline_s:
        after = consul.get(names.KV_REGISTRY_LOCK)
        if after and after.session and after.lock_index > before.lock_index:
            return after
        time.sleep(0.1)
    raise Problem(f"nobody took the registry over within {HANDOVER_S:.0f} s", status=1)


def _holder(value: str) -> str:
    return str(json.loads(value)["node"])


def _consul(g: Ground) -> Consul:
    """Of any node that runs and answers."""
    known, up = node_containers.addresses(g), node_containers.running(g)
    for name in sorted(up):
        consul = Consul(known[name], names.CONSUL_HTTP_PORT, timeout_s=3)
        with contextlib.suppress(Unavailable):
            if consul.leader():
                return consul
    raise Problem(NO_REHEARSAL.format(g.cluster.name) if not up else "Consul answers on no node", status=1)


@main.command()
@servers_option
def recover(servers: str) -> None:
    """Go on after most servers or managers are lost for good: data and services are kept.

    Of Consul and Swarm only what has lost its majority is touched, and only on the proof that the
    instances of the lost members are terminated.
    """
    g = load_running(servers)
    with working("a survivor goes on alone"):
        steps = recover.recover(g)
    for step in steps:
        what = " and ".join(option.removeprefix("--").capitalize() for option in step.options)
        click.echo(f"{step.survivor} goes on alone in {what}; forgotten: {', '.join(step.lost)}")
    click.echo("`swarmer up` waits for what replaces them.")


@main.command()
@servers_option
@click.argument("node", nargs=-1, shell_complete=complete_nodes)
@click.option("--all", "everything", is_flag=True, help="Every node, at once.")
def reboot(servers: str, node: tuple[str, ...], everything: bool) -> None:
    """Reboot NODE…: an orderly shutdown, then a boot."""
    g = load(servers)
    if everything == bool(node):
        raise Problem("name the nodes to reboot, or --all of them")
    known = node_containers.addresses(g)
    if not known:
        raise Problem(NO_REHEARSAL.format(g.cluster.name), status=1)
    containers = [node_containers.container_name(g, name) for name in known] if everything else []
    containers += [find_container(g, each) for each in node]
    # One command each: `docker restart A B` waits for A before it turns to B.
    with working("reboots"), ThreadPoolExecutor(max_workers=len(containers)) as pool:
        list(pool.map(lambda each: engine.docker("restart", "-t", "30", each, timeout_s=180), containers))
    click.echo(f"rebooted {', '.join(each.partition('.')[2] for each in containers)}")


@main.command()
@servers_option
@click.argument("node", shell_complete=complete_nodes)
def kill(servers: str, node: str) -> None:
    """Cut NODE's power: nothing and nobody is told."""
    container = find_container(load(servers), node)
    engine.docker("kill", container)
    click.echo(f"{container.partition('.')[2]} is dead; `swarmer up` switches it on again")


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def registrator(arguments: tuple[str, ...]) -> None:
    """Declare containers in Consul (run), or say what would be declared (plan)."""
    sys.exit(registrator_command.main(arguments))


def _replace(argv: list[str]) -> None:
    """Become `docker ARGV`."""
    sys.stdout.flush()
    os.execvpe("docker", ["docker", *argv], engine.environment())  # noqa: S606 - no shell is wanted


PARTS = (
    completion,
    diagram,
    dns_proxy,
    doctor,
    groups,
    machines,
    reference,
    status,
)
for part in PARTS:
    for command in part.COMMANDS:
        main.add_command(command)
