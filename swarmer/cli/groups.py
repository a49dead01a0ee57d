"""Commands about Auto Scaling: `terminate`, `scale`, `resume`, `events`."""

from __future__ import annotations

import contextlib
import json
import sys
import time

import click

from swarmer.cli import place
from swarmer.cli.common import load_running, servers_option
from swarmer.cli.completion import complete_groups, complete_nodes
from swarmer.cli.exit_statuses import epilog
from swarmer.cli.progress import working
from swarmer.core.cluster import Cluster, Group
from swarmer.core.cluster_events import ClusterEvent, is_informative, row
from swarmer.core.errors import UserError
from swarmer.core.selection import one
from swarmer.local import node_containers
from swarmer.local.environment import Environment
from swarmer.operations.events import follow

POWER_OFF_TIMEOUT_S = 30.0
"""Timeout for the power-off of a terminated machine, in seconds."""


@click.command()
@servers_option
@place.on_option
@place.yes_option
@click.argument("node", shell_complete=complete_nodes)
def terminate(servers: str, on: str | None, yes: bool, node: str) -> None:
    """Terminate the instance of NODE. Its group launches a replacement."""
    provider = place.find(servers, on)
    found = one(provider.nodes(), cluster=provider.cluster.name, text=node)
    place.agree(provider, f"terminates {found.name}", yes=yes)
    provider.terminate(found)
    if provider.name == place.REHEARSAL:
        with working(f"waits until the machine of {found.name} is gone"):
            _await_power_off(load_running(servers), found.name)
    click.echo(f"{found.name} is terminated; its group launches another: `swarmer events` shows the progress")


def _await_power_off(env: Environment, name: str) -> None:
    deadline_s = time.monotonic() + POWER_OFF_TIMEOUT_S
    while name in node_containers.addresses(env):
        if time.monotonic() > deadline_s:
            raise UserError(
                f"{name} is terminated, but its machine is still there: see {env.state}/aws.log", status=1
            )
        time.sleep(0.1)


@click.command()
@servers_option
@place.on_option
@place.yes_option
@click.argument("group", shell_complete=complete_groups)
@click.argument("number", type=click.IntRange(min=0))
def scale(servers: str, on: str | None, yes: bool, group: str, number: int) -> None:
    """Set the number of nodes of GROUP. Surplus nodes are drained first."""
    provider = place.find(servers, on)
    check_scalable(provider.cluster, group, number, where=servers)
    place.agree(provider, f"sets {group} to {number} nodes", yes=yes)
    with working(f"asks Auto Scaling for {number}"):
        before = provider.scale(group, number)
    click.echo(f"{group}: {before} → {number} nodes; `swarmer events -F` shows the progress")


def _check_known(cluster: Cluster, group: str) -> Group:
    """Return the group of that name. Raises UserError if there is none."""
    known = {each.name: each for each in cluster.groups}
    if group not in known:
        raise UserError(f"no group is called {group!r}; the groups of {cluster.name}: {', '.join(known)}")
    return known[group]


def check_scalable(cluster: Cluster, group: str, number: int, *, where: str) -> None:
    """Check that the group can have `number` nodes. Raises UserError with the remedy."""
    found = _check_known(cluster, group)
    if found.has_quorum_role:
        raise UserError(
            f"{group} votes ({', '.join(sorted(found.roles))}), so its size is fixed: "
            f"change `size` in {where}, then `swarmer up`"
        )
    if not found.smallest <= number <= found.largest:
        key = "size" if found.size is not None else "max" if number > found.largest else "min"
        raise UserError(
            f"{group} has {found.smallest} to {found.largest} nodes, not {number}: "
            f"change `{key}` in {where}, then `swarmer up`"
        )


@click.command()
@servers_option
@place.on_option
@place.yes_option
@click.argument("group", shell_complete=complete_groups)
def resume(servers: str, on: str | None, yes: bool, group: str) -> None:
    """Resume the launches of GROUP after too many failed boots suspended them."""
    provider = place.find(servers, on)
    _check_known(provider.cluster, group)
    place.agree(provider, f"lets {group} launch nodes again", yes=yes)
    provider.resume(group)
    click.echo(f"{group} launches nodes again; `swarmer events -F` shows the progress")


@click.command(epilog=epilog("events"))
@servers_option
@place.on_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs, one event per line.")
@click.option("-F", "--follow", "follows", is_flag=True, help="Also show new events, until Ctrl-C.")
@click.option(
    *("-n", "--lines"),
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Largest number of events, counted from the newest.",
)
@click.option(
    "--minutes",
    type=click.IntRange(min=1),
    default=180,
    show_default=True,
    help="Minutes to look back.",
)
@click.option("--all", "everything", is_flag=True, help="Also show the log lines of Lambda's runtime.")
def events(
    servers: str, on: str | None, as_json: bool, follows: bool, lines: int, minutes: int, everything: bool
) -> None:
    """List the events of AWS and the log lines of the functions, by time."""
    provider = place.find(servers, on)
    since_ms = int((time.time() - minutes * 60) * 1000)
    lists = follow(provider, since_ms)
    with working("reads the log groups"):
        first = next(lists)
    shown = [each for each in first if everything or is_informative(each)]
    with contextlib.suppress(KeyboardInterrupt):
        _show(shown[max(0, len(shown) - lines) :], as_json)
        for new in lists if follows else ():
            _show([each for each in new if everything or is_informative(each)], as_json)


def _show(found: list[ClusterEvent], as_json: bool) -> None:
    for each in found:
        click.echo(json.dumps(each.to_json()) if as_json else row(each))
    sys.stdout.flush()


COMMANDS = (events, resume, scale, terminate)
