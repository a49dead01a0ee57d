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
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from rehearsal import cloud, down, engine, ground, nodes, recovery
from rehearsal.ground import Ground, Problem
from rehearsal.observer import Observer
from rehearsal.show import Show, next_steps, status_table
from rehearsal.up import BOOT_S, Up
from swarmer.adapters import process
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core import description, names
from swarmer.core.health import Status, judge

DEFAULT = str(ground.ROOT / "servers.yml")
HANDOVER_S = 15.0
NO_REHEARSAL = "no rehearsal of {} runs here: `make up` makes one"


def _load(servers: str, aws_port: int | None = None) -> Ground:
    """The description, and where its AWS listens: as it runs already, as asked for, or by default."""
    cluster = description.load(Path(servers))
    wanted = aws_port or int(os.environ.get("SWARMER_AWS_PORT", ground.AWS_PORT))
    g = Ground(cluster=cluster, servers=Path(servers).resolve(), aws_port=wanted)
    return replace(g, aws_port=cloud.remembered_port(g) or wanted)


class Command(click.Group):
    """The outermost place: what the parts raise becomes lines on standard error and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except description.Invalid as exc:
            lines, status = [str(problem) for problem in exc.problems], 2
        except Problem as exc:
            lines, status = [f"swarmer: {exc}"], exc.status
        except process.Failed as exc:
            lines, status = [f"swarmer: {exc}"], 1
        except KeyboardInterrupt:
            lines, status = ["swarmer: interrupted; `make down` removes what is left"], 130
        click.echo("\n".join(lines), err=True)
        ctx.exit(status)


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Private Docker Swarm clusters with Consul: rehearse them here, deploy them on AWS."""


servers_option = click.option("-f", "--servers", default=DEFAULT, help="The description [servers.yml].")


@main.command()
@servers_option
def validate(servers: str) -> None:
    """Check servers.yml; every mistake at once."""
    cluster = _load(servers).cluster
    groups = ", ".join(f"{group.name} ({group.largest})" for group in cluster.groups)
    click.echo(f"{servers}: {cluster.name} is valid: {groups}")


@main.command()
@servers_option
@click.option("--aws-port", type=int, help=f"Where AWS on this machine listens [{ground.AWS_PORT}].")
@click.option("--retain", is_flag=True, help="Keep a cluster that did not come up, to look into it.")
@click.option("--timeout", default=BOOT_S, help="Seconds that nodes may take to boot.", show_default=True)
@click.option("--node-image", help="Use this image for the nodes instead of building one.")
def up(servers: str, aws_port: int | None, retain: bool, timeout: float, node_image: str | None) -> None:
    """Rehearse the cluster on this machine: AWS, cdk deploy, nodes, until it is validated."""
    g = _load(servers, aws_port)
    show = Show()
    status = Up(ground=g, show=show, image=node_image, retain=retain, boot_s=timeout).run()
    _show_status(status)
    click.echo(
        f"\n{g.cluster.name} is up. What to type now:\n\n{next_steps(status, domain=g.cluster.domain)}"
    )


@main.command("down")
@click.option("-f", "--servers", help="Only the rehearsal of this description.")
def down_(servers: str | None) -> None:
    """Remove every rehearsal of this checkout: containers, networks, processes."""
    if servers:
        g = _load(servers)
        down.remove(g)
        click.echo(f"removed: {g.cluster.name}")
        return
    done = down.remove_all()
    click.echo(f"removed: {', '.join(done)}" if done else "nothing to remove")


def _status(g: Ground) -> Status:
    if not cloud.daemon_pid(g):
        raise Problem(NO_REHEARSAL.format(g.cluster.name), status=1)
    found = cloud.instances(g, nodes.running(g))
    with Observer(g) as observer:
        return judge(g.cluster.name, tuple(node.expected for node in found), observer.look(found))


def _show_status(status: Status) -> None:
    from rich.console import Console

    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(status_table(status))


@main.command()
@servers_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(servers: str, as_json: bool) -> None:
    """Show the nodes and whether all is well; exit 0 only then."""
    found = _status(_load(servers))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        _show_status(found)
        for problem in found.problems:
            click.echo(f"  {problem}", err=True)
    if not found.validated:
        sys.exit(1)


def _node(g: Ground, text: str) -> str:
    known = nodes.addresses(g)
    if not known:
        raise Problem(NO_REHEARSAL.format(g.cluster.name), status=1)
    return nodes.container_name(g, nodes.find(g, known, text))


@main.command()
@servers_option
@click.argument("node")
@click.option("-n", "--lines", default=100, show_default=True)
@click.option("-u", "--unit", help="Of this systemd unit only.")
@click.option("--follow", is_flag=True)
def logs(servers: str, node: str, lines: int, unit: str | None, follow: bool) -> None:
    """Show the journal of NODE (its name or a part of it); of a dead node, its console."""
    g = _load(servers)
    container = _node(g, node)
    is_running = engine.docker("inspect", "-f", "{{.State.Running}}", container) == "true"
    journal = ["exec", container, "journalctl", "--no-pager", "-n", str(lines)]
    journal += [*(["-u", unit] if unit else []), *(["-f"] if follow else [])]
    _replace(journal if is_running else ["logs", "--tail", str(lines), container])


@main.command("exec", context_settings={"ignore_unknown_options": True})
@servers_option
@click.argument("node")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def exec_(servers: str, node: str, command: tuple[str, ...]) -> None:
    """Run a command on NODE: swarmer exec core -- docker ps."""
    flags = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-i"]
    _replace(["exec", *flags, _node(_load(servers), node), *command])


@main.command()
@servers_option
def bucket(servers: str) -> None:
    """List what the registry keeps in its S3 bucket: bytes and key of each object."""
    g = _load(servers)
    if not cloud.daemon_pid(g):
        raise Problem(NO_REHEARSAL.format(g.cluster.name), status=1)
    name, objects = cloud.registry_objects(g)
    for key, size in objects:
        click.echo(f"{size:>12}  s3://{name}/{key}")
    click.echo(f"{len(objects)} objects in {name}", err=True)


@main.command()
@servers_option
def handover(servers: str) -> None:
    """Move the registry to another manager; no pull fails meanwhile."""
    g = _load(servers)
    consul = _consul(g)
    before = consul.get(names.KV_REGISTRY_LOCK)
    if before is None or before.session is None:
        raise Problem("no node holds the registry: `swarmer status` says more", status=1)
    consul.put(names.KV_REGISTRY_HANDOVER, str(before.lock_index))
    deadline_s = time.monotonic() + HANDOVER_S
    while time.monotonic() < deadline_s:
        after = consul.get(names.KV_REGISTRY_LOCK)
        if after and after.session and after.lock_index > before.lock_index:
            click.echo(f"{_holder(before.value)} handed over to {_holder(after.value)}")
            return
        time.sleep(0.1)
    raise Problem(f"nobody took the registry over within {HANDOVER_S:.0f} s", status=1)


def _holder(value: str) -> str:
    return str(json.loads(value)["node"])


def _consul(g: Ground) -> Consul:
    """Of any node that runs and answers."""
    known, up = nodes.addresses(g), nodes.running(g)
    for name in sorted(up):
        consul = Consul(known[name], names.CONSUL_HTTP_PORT, timeout_s=3)
        with contextlib.suppress(Unavailable):
            if consul.leader():
                return consul
    raise Problem(NO_REHEARSAL.format(g.cluster.name) if not up else "Consul answers on no node", status=1)


@main.command()
@servers_option
def recover(servers: str) -> None:
    """Go on after most servers are lost for good: data and services are kept.

    Only on the proof that their instances are terminated; refused where Consul still has a leader.
    """
    survivor, lost = recovery.recover(_load(servers))
    click.echo(
        f"{survivor} goes on alone; forgotten: {', '.join(lost)}. `swarmer up` boots what replaces them."
    )


@main.command()
@servers_option
@click.argument("node")
def terminate(servers: str, node: str) -> None:
    """Terminate NODE's instance, as the console would: it is gone for good."""
    g = _load(servers)
    container = _node(g, node)
    name = container.partition(".")[2]
    cloud.terminate(g, names.instance_id(name))
    engine.docker("rm", "-f", "-v", container)
    click.echo(f"{name} is terminated; `swarmer up` boots what its group launched instead")


@main.command()
@servers_option
@click.argument("node", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every node, at once.")
def reboot(servers: str, node: tuple[str, ...], everything: bool) -> None:
    """Reboot NODE…: an orderly shutdown, then a boot."""
    g = _load(servers)
    if everything == bool(node):
        raise Problem("name the nodes to reboot, or --all of them")
    containers = [nodes.container_name(g, name) for name in nodes.addresses(g)] if everything else []
    containers += [_node(g, each) for each in node]
    # One command each: `docker restart A B` waits for A before it turns to B.
    with ThreadPoolExecutor(max_workers=len(containers)) as pool:
        list(pool.map(lambda each: engine.docker("restart", "-t", "30", each, timeout_s=180), containers))
    click.echo(f"rebooted {', '.join(each.partition('.')[2] for each in containers)}")


@main.command()
@servers_option
@click.argument("node")
def kill(servers: str, node: str) -> None:
    """Cut NODE's power: nothing and nobody is told."""
    container = _node(_load(servers), node)
    engine.docker("kill", container)
    click.echo(f"{container.partition('.')[2]} is dead; `swarmer up` switches it on again")


def _replace(argv: list[str]) -> None:
    """Become `docker ARGV`."""
    sys.stdout.flush()
    os.execvpe("docker", ["docker", *argv], engine.environment())  # noqa: S606 - no shell is wanted
