"""`swarmer status`: the nodes once, or repeatedly."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import time
from collections.abc import Collection, Iterator
from importlib.metadata import version
from typing import Final

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from swarmer.cli import place
from swarmer.cli.common import servers_option
from swarmer.cli.exit_statuses import epilog
from swarmer.cli.progress import working
from swarmer.cli.tables import status_table
from swarmer.core import names
from swarmer.core.health import Status
from swarmer.operations.status import observations
from swarmer.provider import Provider

VERSION: Final = version("swarmer")
PAUSES_S: Final = {place.REHEARSAL: 1.0, place.AWS: 5.0}
"""Pause between two observations of `--watch` by place, in seconds: AWS limits the rate of calls."""


def console() -> Console:
    """Standard output, with colours only on a terminal without NO_COLOR."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def show_status(status: Status) -> None:
    console().print(status_table(status))


def warn_of_version(deployed: str) -> None:
    """Warn if another release than this one deployed the cluster."""
    if deployed != VERSION:
        click.echo(
            f"  the cluster was deployed by swarmer {deployed or 'before 0.2'}, and this is swarmer "
            f"{VERSION}: deploy it again, or use that release",
            err=True,
        )


def show_outdated(ids: Collection[str], status: Status) -> None:
    """List nodes that a change of servers.yml has not reached yet: instances with these IDs.

    Only the next instance uses a new launch template.
    """
    older = [node.name for node in status.nodes if names.instance_id(node.name) in ids]
    if older:
        click.echo(
            f"  launched before the last change of servers.yml, and as it was then: {', '.join(older)}; "
            "`swarmer terminate NODE` has one replaced",
            err=True,
        )


@click.command(epilog=epilog("status"))
@servers_option
@place.on_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs; with --watch one line per change."
)
@click.option("-w", "--watch", is_flag=True, help="Observe repeatedly, until Ctrl-C.")
def status(servers: str, on: str | None, as_json: bool, watch: bool) -> None:
    """Show the nodes, and check that all of them are healthy.

    Each problem is one line on standard error.
    """
    provider = place.find(servers, on)
    name = provider.cluster.name
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(provider, as_json=as_json)
        return
    with working(f"observes {name}"):
        found = next(observations(provider))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        show_status(found)
        click.echo(f"  {name} runs swarmer {found.version or 'before 0.2'}")
        for line in (*found.problems, *found.notes):
            click.echo(f"  {line}", err=True)
        warn_of_version(found.version)
        show_outdated(provider.outdated(), found)
    if not found.validated:
        sys.exit(1)


def _watch(provider: Provider, *, as_json: bool) -> None:
    screen, pause_s = console(), PAUSES_S[provider.name]
    if screen.is_terminal and not as_json:
        with Live(console=screen, auto_refresh=False) as live:
            for found in observations(provider):
                live.update(Group(status_table(found), Text(_summary(found))), refresh=True)
                time.sleep(pause_s)
        return
    before = None
    with working(f"observes {provider.cluster.name}"):
        repeated: Iterator[Status] = observations(provider)
        first = next(repeated)
    for found in itertools.chain([first], repeated):
        if found != before:
            if as_json:
                click.echo(json.dumps(found.to_json()))
            else:
                show_status(found)
                click.echo(_summary(found))
            sys.stdout.flush()
            before = found
        time.sleep(pause_s)


def _summary(found: Status) -> str:
    lines = [f"  {problem}" for problem in found.problems] or ["  all is well"]
    return "\n".join([*lines, f"  {time.strftime('%H:%M:%S')}"])


COMMANDS = (status,)
