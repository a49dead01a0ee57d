"""`swarmer address`: the address of a node, for scripts and for the operator."""

from __future__ import annotations

import click

from swarmer.cli.common import load_running, servers_option
from swarmer.cli.completion import complete_groups_and_nodes
from swarmer.core.node import ROLES
from swarmer.core.selection import select
from swarmer.local import node_containers
from swarmer.providers.rehearsal import cloud


@click.command()
@servers_option
@click.option("--role", type=click.Choice(ROLES), help="Only nodes with this role.")
@click.option("--all", "everything", is_flag=True, help="Every address, a line each.")
@click.argument("name", required=False, metavar="[GROUP|NODE]", shell_complete=complete_groups_and_nodes)
def address(servers: str, role: str | None, everything: bool, name: str | None) -> None:
    """Print the address of a node that runs: of GROUP, of NODE, or of any.

    \b
    export DOCKER_HOST=tcp://$(swarmer address --role swarm-manager):4000
    """
    env = load_running(servers)
    nodes = [node.expected for node in cloud.instances(env, node_containers.running(env))]
    found = select(nodes, cluster=env.cluster.name, role=role, text=name)
    for node in found if everything else found[:1]:
        click.echo(node.address)


COMMANDS = (address,)
