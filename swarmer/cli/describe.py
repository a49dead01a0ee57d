"""Commands about the description alone: `validate`."""

from __future__ import annotations

import click

from swarmer.cli.common import load, servers_option
from swarmer.cli.exit_statuses import epilog
from swarmer.core import description
from swarmer.local.environment import Environment


@click.command(epilog=epilog("validate"))
@servers_option
@click.option("--json", "as_json", is_flag=True, help="Print the description as JSON, with all its defaults.")
@click.option(
    "--aws",
    is_flag=True,
    help="Also compare it with the deployed cluster, and refuse changes that AWS cannot make.",
)
def validate(servers: str, as_json: bool, aws: bool) -> None:
    """Check servers.yml and report every mistake at once."""
    env = load(servers)
    if aws:
        _compare(env)
    if as_json:
        click.echo(env.cluster.model_dump_json(indent=2))
        return
    groups = ", ".join(f"{group.name} ({group.largest})" for group in env.cluster.groups)
    click.echo(f"{servers}: {env.cluster.name} is valid: {groups}")


def _compare(env: Environment) -> None:
    """Raise description.Invalid for changes that AWS cannot make."""
    # The import is here because boto3 takes longer to load than everything else in this command.
    from swarmer.providers.aws import survey

    if broken := survey.refused(env.cluster):
        raise description.invalid(env.servers, broken)


COMMANDS = (validate,)
