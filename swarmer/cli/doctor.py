"""`swarmer doctor`: the programs and resources that this machine lacks, and how to get them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click
from rich.markup import escape
from rich.table import Table

from swarmer.cli.common import load, servers_option
from swarmer.cli.exit_statuses import epilog
from swarmer.cli.progress import working
from swarmer.cli.status import console
from swarmer.core import account
from swarmer.core.finding import Finding, State
from swarmer.local import doctor as examination
from swarmer.local.environment import Environment

SYMBOLS = {
    State.OK: "[green]✓[/green]",
    State.INSTALLED_BY_UP: "[green]✓[/green]",
    State.MADE_BY_DEPLOY: "[green]✓[/green]",
    State.OPTIONAL: "[yellow]–[/yellow]",
    State.MISSING: "[red]✗[/red]",
    State.NOTE: "[yellow]–[/yellow]",
    State.UNKNOWN: "[yellow]?[/yellow]",
}
COMES_BY_ITSELF = (State.INSTALLED_BY_UP, State.MADE_BY_DEPLOY)
"""States of missing parts that the next command creates."""


@click.command(epilog=epilog("doctor"))
@servers_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.option(
    "--aws", is_flag=True, help="Examine the AWS account instead: zones, types, quotas, image, bucket."
)
def doctor(servers: str, as_json: bool, aws: bool) -> None:
    """List the parts that this machine or the AWS account lacks, and how to get them."""
    env = load(servers)
    findings = _examined_account(env) if aws else _examined_machine(env)
    if as_json:
        click.echo(json.dumps([each.to_json() for each in findings], indent=2))
    else:
        console().print(findings_table(findings))
    missing = [each.what for each in findings if each.is_bad]
    if missing:
        click.echo(f"missing: {', '.join(missing)}", err=True)
        sys.exit(1)
    if not as_json:
        click.echo(f"nothing is missing: `{'swarmer deploy' if aws else 'make up'}` can begin")


def _examined_machine(env: Environment) -> tuple[Finding, ...]:
    with working("examines this machine"):
        return examination.judge(examination.gather(env))


def _examined_account(env: Environment) -> tuple[Finding, ...]:
    # The import is here because boto3 takes longer to load than everything else in this command.
    from swarmer.providers.aws import survey

    with working("asks AWS"):
        return account.judge(env.cluster, survey.gather(env.cluster))


def findings_table(findings: Sequence[Finding]) -> Table:
    """Table of findings, one row each."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in findings:
        shown = f"{each.found}: {each.state}" if each.state in COMES_BY_ITSELF else each.found
        words = ": ".join(filter(None, (shown, each.advice)))
        table.add_row(SYMBOLS[each.state], each.what, escape(words))
    return table


COMMANDS = (doctor,)
