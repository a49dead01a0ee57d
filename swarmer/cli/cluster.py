"""Commands about the whole cluster: `bucket`, `handover`, `recover`."""

from __future__ import annotations

import json

import click

from swarmer.cli import place
from swarmer.cli.common import servers_option
from swarmer.cli.progress import working
from swarmer.operations import recover as recovery
from swarmer.operations.handover import hand_over


@click.command()
@servers_option
@place.on_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def bucket(servers: str, on: str | None, as_json: bool) -> None:
    """List the objects of the registry in its S3 bucket: size in bytes, and key."""
    provider = place.find(servers, on)
    with working("asks S3"):
        name, objects = provider.registry_objects()
    if as_json:
        listed = [{"key": key, "bytes": size} for key, size in objects]
        click.echo(json.dumps({"bucket": name, "objects": listed}, indent=2))
        return
    for key, size in objects:
        click.echo(f"{size:>12}  s3://{name}/{key}")
    click.echo(f"{len(objects)} objects in {name}", err=True)


@click.command()
@servers_option
@place.on_option
def handover(servers: str, on: str | None) -> None:
    """Move the registry to another manager, without a failed pull."""
    provider = place.find(servers, on)
    with working("asks the registry's holder to leave, and waits for the next one"):
        before, after = hand_over(provider)
    click.echo(f"{before} handed over to {after}")


@click.command()
@servers_option
@place.on_option
@place.yes_option
def recover(servers: str, on: str | None, yes: bool) -> None:
    """Recover a lost quorum of Consul or Swarm from one survivor, with its data and services.

    Use it after most servers or managers are lost for good. The command changes Consul or the Swarm only if
    that one has lost its majority, and only on the proof that the instances of its lost members are
    terminated. You can repeat it at any time.
    """
    provider = place.find(servers, on)
    place.agree(provider, "lets a survivor go on alone, if a majority is lost for good", yes=yes)
    with working("a survivor goes on alone"):
        steps = recovery.recover(provider)
    for step in steps:
        what = " and ".join(option.removeprefix("--").capitalize() for option in step.options)
        click.echo(f"{step.survivor} goes on alone in {what}; forgotten: {', '.join(step.lost)}")
    waits = "`swarmer up` waits" if provider.name == place.REHEARSAL else "`swarmer status --watch` waits"
    click.echo(f"{waits} for what replaces them.")


COMMANDS = (bucket, handover, recover)
