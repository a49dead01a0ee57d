"""Commands about the description alone: `validate`."""

from __future__ import annotations

import click

from swarmer.cli.common import load, servers_option


@click.command()
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


COMMANDS = (validate,)
