"""`swarmer address`: the address of a node, for scripts and for the operator."""

from __future__ import annotations

import click

from swarmer.cli import place
from swarmer.cli.common import servers_option
from swarmer.cli.completion import complete_groups_and_nodes
from swarmer.core.node import ROLES
from swarmer.core.selection import select


@click.command()
@servers_option
@place.on_option
@click.option("--role", type=click.Choice(ROLES), help="Choose only nodes with this role.")
@click.option("--all", "everything", is_flag=True, help="Print the address of each such node, one per line.")
@click.argument("name", required=False, metavar="[GROUP|NODE]", shell_complete=complete_groups_and_nodes)
def address(servers: str, on: str | None, role: str | None, everything: bool, name: str | None) -> None:
    """Print the address of one running node: of GROUP, of NODE, or of any.

    \b
    export DOCKER_HOST=tcp://$(swarmer address --role swarm-manager):4000
    """
    provider = place.find(servers, on)
    found = select(provider.nodes(), cluster=provider.cluster.name, role=role, text=name)
    for node in found if everything else found[:1]:
        click.echo(node.address)


COMMANDS = (address,)
