"""Commands of the rehearsal on this machine: `up`, `down`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from swarmer.cli import place
from swarmer.cli.common import load, servers_option
from swarmer.cli.exit_statuses import epilog
from swarmer.cli.progress import working
from swarmer.cli.status import show_outdated, show_status
from swarmer.cli.tables import next_steps
from swarmer.local import consul_binary, environment
from swarmer.local.progress import Display
from swarmer.providers.rehearsal import account, cloud, down
from swarmer.providers.rehearsal.up import BOOT_TIMEOUT_S, Up

OTHER_CREDENTIALS: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
"""Variables with an operator's credentials; they conflict with the credentials of the simulated AWS."""


@click.command(epilog=epilog("up"))
@servers_option
@click.option(
    "--aws-port",
    type=click.IntRange(1, 65535),
    help=f"Port of AWS on this machine [a free one, from $SWARMER_AWS_PORT or {environment.AWS_PORT} on].",
)
@click.option("--retain", is_flag=True, help="Keep a cluster that failed to come up, to inspect it.")
@click.option(
    "--timeout",
    default=BOOT_TIMEOUT_S,
    help="Seconds within which nodes have to boot.",
    show_default=True,
)
@click.option("--apart", default=0.0, help="Seconds between the starts of nodes; servers start last.")
@click.option(
    "--consul",
    type=click.Choice(tuple(consul_binary.BUILDS)),
    envvar=consul_binary.VARIABLE,
    help="Consul of the nodes: Debian's package, or the release of AWS nodes, fetched from HashiCorp "
    f"[${consul_binary.VARIABLE} or {consul_binary.DEBIAN.name}].",
)
@click.option("--node-image", help="Image for the nodes [built first].")
@click.option(
    "--boundary",
    type=click.Path(path_type=Path),
    help="JSON of the IAM policy that permissions_boundary names [one that limits nothing].",
)
@click.option(
    "--aws-only",
    is_flag=True,
    help='Start AWS without a cluster, and print the variables for its use: eval "$(swarmer up --aws-only)".',
)
def up(
    servers: str,
    aws_port: int | None,
    retain: bool,
    timeout: float,
    apart: float,
    consul: str | None,
    node_image: str | None,
    boundary: Path | None,
    aws_only: bool,
) -> None:
    """Start a rehearsal on this machine, and wait until it is validated.

    It consists of a simulated AWS, `cdk deploy`, and nodes in containers.
    """
    if consul:
        os.environ[consul_binary.VARIABLE] = consul  # every use of the image's name depends on it
    env = load(servers, aws_port)
    document = None if boundary is None else account.read_boundary(env, boundary)
    work = Up(
        env=env,
        display=Display(),
        image=node_image,
        retain=retain,
        boot_timeout_s=timeout,
        apart_s=max(0.0, apart),
        boundary=document,
    )
    if aws_only:
        click.echo(_exports(work.run_aws()))
        return
    status = work.run()
    show_status(status)
    show_outdated(cloud.outdated(env), status)
    click.echo(
        f"\n{env.cluster.name} is up. What to type now:\n\n{next_steps(status, domain=env.cluster.domain)}"
    )


def _exports(variables: Mapping[str, str]) -> str:
    """Lines for a shell. After them every command uses the AWS of this machine like the real one.

    An operator's profile or session token would take precedence over the keys.
    """
    lines = [f"unset {' '.join(OTHER_CREDENTIALS)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([*lines, f"export {place.VARIABLE}={place.AWS}"])


@click.command("down")
@click.option(
    "-f", "--servers", help="Description of the only rehearsal to remove, whatever $SWARMER_SERVERS says."
)
def down_(servers: str | None) -> None:
    """Remove every rehearsal of this checkout: containers, networks, processes."""
    if servers is not None:
        env = load(servers)
        with working(f"removes {env.cluster.name}"):
            down.remove(env)
        click.echo(f"removed: {env.cluster.name}")
        return
    with working("removes every rehearsal of this checkout"):
        done = down.remove_all()
    click.echo(f"removed: {', '.join(done)}" if done else "nothing to remove")


COMMANDS = (down_, up)
