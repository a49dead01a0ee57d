"""Output about a cluster: a table of its nodes, and the next commands to type."""

from __future__ import annotations

from rich.table import Table

from swarmer.core import names
from swarmer.core.health import Status

HEALTHY_STATES = {"alive", "ready"}


def status_table(status: Status) -> Table:
    """Table of the cluster's nodes, one row each."""
    table = Table(title=None, box=None, padding=(0, 2), header_style="bold")
    for heading in ("NODE", "ROLES", "ADDRESS", "ZONE", "CONSUL", "SWARM", ""):
        table.add_column(heading, no_wrap=heading != "ROLES")
    for node in status.nodes:
        table.add_row(
            node.name,
            " ".join(node.roles),
            node.address,
            node.zone,
            _coloured(node.consul),
            " ".join(filter(None, (_coloured(node.swarm), node.swarm_role, _unusual(node.availability)))),
            "registry" if node.name == status.registry.holder else "",
        )
    return table


def _coloured(state: str) -> str:
    return f"[{'green' if state in HEALTHY_STATES else 'red'}]{state}[/]"


def _unusual(availability: str) -> str:
    return f"[yellow]{availability}[/]" if availability not in ("", "active") else ""


def next_steps(status: Status, *, domain: str) -> str:
    """Commands for the operator to type next."""
    manager = next(node.address for node in status.nodes if node.swarm_role in ("leader", "manager"))
    rows = (
        (f"export DOCKER_HOST=tcp://{manager}:{names.DOCKER_PORT}", "then: docker node ls"),
        (f"docker push {names.registry_name(domain)}/NAME", "the registry, from any node"),
        (f"dig @{manager} {names.SERVICE_REGISTRY}.service.{domain} +short", "names"),
        (f"http://{manager}:{names.CONSUL_HTTP_PORT}/ui/", "Consul"),
        (".venv/bin/swarmer status", "and: logs NODE, exec NODE -- CMD, kill NODE"),
        ("make down", "removes all of it"),
    )
    return "\n".join(f"  {command:<56}  # {what}" for command, what in rows)
