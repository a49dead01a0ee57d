"""`swarmer status`: the nodes once, or repeatedly."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import Final

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from swarmer.cli.common import load_running, servers_option
from swarmer.cli.progress import working
from swarmer.cli.tables import status_table
from swarmer.core import names
from swarmer.core.health import Status, judge
from swarmer.local import node_containers
from swarmer.local.environment import Environment
from swarmer.providers.rehearsal import cloud

VERSION: Final = version("swarmer")
OBSERVATION_INTERVAL_S: Final = 1.0
"""Interval between two observations of `--watch`, in seconds."""


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


def show_outdated(env: Environment, status: Status) -> None:
    """List nodes that a change of servers.yml has not reached yet.

    A new launch template counts for the next instance only.
    """
    ids = cloud.outdated(env)
    older = [node.name for node in status.nodes if names.instance_id(node.name) in ids]
    if older:
        click.echo(
            f"  launched before the last change of servers.yml, and as it was then: {', '.join(older)}; "
            "`swarmer terminate NODE` has one replaced",
            err=True,
        )


@click.command()
@servers_option
@click.option("--json", "as_json", is_flag=True, help="For programs; with --watch a line for each change.")
@click.option("-w", "--watch", is_flag=True, help="Observe again and again, until Ctrl-C.")
def status(servers: str, as_json: bool, watch: bool) -> None:
    """Show the nodes and whether all is well; exit 0 only then.

    Every problem is one line on standard error.
    """
    env = load_running(servers)
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(env, as_json=as_json)
        return
    with working(f"observes {env.cluster.name}"):
        found = next(_observations(env))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        show_status(found)
        click.echo(f"  {env.cluster.name} runs swarmer {found.version or 'before 0.2'}")
        for line in (*found.problems, *found.notes):
            click.echo(f"  {line}", err=True)
        warn_of_version(found.version)
        show_outdated(env, found)
    if not found.validated:
        sys.exit(1)


def _observations(env: Environment) -> Iterator[Status]:
    """Observe the cluster each time that the caller asks for the next status."""
    release = cloud.deployed_version(env)
    with cloud.observer(env) as observer:
        while True:
            found = cloud.instances(env, node_containers.running(env))
            expected = tuple(node.expected for node in found)
            yield replace(judge(env.cluster.name, expected, observer.observe(expected)), version=release)


def _watch(env: Environment, *, as_json: bool) -> None:
    screen = console()
    if screen.is_terminal and not as_json:
        with Live(console=screen, auto_refresh=False) as live:
            for found in _observations(env):
                live.update(Group(status_table(found), Text(_summary(found))), refresh=True)
                time.sleep(OBSERVATION_INTERVAL_S)
        return
    before = None
    with working(f"observes {env.cluster.name}"):
        observations = _observations(env)
        first = next(observations)
    for found in itertools.chain([first], observations):
        if found != before:
            if as_json:
                click.echo(json.dumps(found.to_json()))
            else:
                show_status(found)
                click.echo(_summary(found))
            sys.stdout.flush()
            before = found
        time.sleep(OBSERVATION_INTERVAL_S)


def _summary(found: Status) -> str:
    lines = [f"  {problem}" for problem in found.problems] or ["  all is well"]
    return "\n".join([*lines, f"  {time.strftime('%H:%M:%S')}"])


COMMANDS = (status,)
