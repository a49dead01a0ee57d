"""Choice of the place of a description's cluster: AWS, or the rehearsal of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from swarmer.cli.common import NO_REHEARSAL, load
from swarmer.core.errors import NotDeployed, UserError
from swarmer.local import aws_daemon
from swarmer.local.environment import Environment
from swarmer.provider import Provider

AWS: Final = "aws"
REHEARSAL: Final = "rehearsal"
VARIABLE: Final = "SWARMER_ON"
CREDENTIALS: Final = (
    *("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
)
"""Environment variables that lead to credentials of AWS."""
FILES: Final = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
"""Default files with credentials, by the variable that replaces them."""
VENDOR: Final = Path("/sys/class/dmi/id/sys_vendor")
"""Path of the machine's vendor: `Amazon EC2` on an instance, and instances have credentials of their role."""

on_option = click.option(
    "--on",
    type=click.Choice((AWS, REHEARSAL)),
    envvar=VARIABLE,
    help=f"Place of the cluster [${VARIABLE}, else the only one where it is reachable].",
)
yes_option = click.option("--yes", is_flag=True, help="Change a cluster on AWS without a question.")


def find(servers: str, on: str | None) -> Provider:
    """Return the cluster of the description at its place. Raises UserError if it has no place, or several.

    Without `on` a line on standard error names the place.
    """
    env = load(servers)
    if on == AWS:
        return _on_aws(env)
    if on == REHEARSAL:
        return _on_this_machine(env)
    found = _only(env)
    click.echo(f"{env.cluster.name}: {found.place}", err=True)
    return found


def choose(env: Environment, on: str | None) -> str:
    """Name of the place for a cluster that need not run there yet. Raises UserError if it is ambiguous.

    The place is AWS, unless only the rehearsal of this machine is reachable.
    """
    if on is not None or aws_daemon.daemon_pid(env) is None:
        return on or AWS
    if not is_in_sight(os.environ, rehearsal=env.aws_url):
        return REHEARSAL
    return _asked(f"{env.cluster.name} has a rehearsal here, and credentials lead to AWS")


def _only(env: Environment) -> Provider:
    """The only reachable cluster, or the operator's choice. Raises UserError."""
    is_rehearsed = aws_daemon.daemon_pid(env) is not None
    if not is_in_sight(os.environ, rehearsal=env.aws_url if is_rehearsed else None):
        return _on_this_machine(env)
    try:
        deployed = _on_aws(env)
    except UserError as exc:
        if not is_rehearsed:
            raise UserError(
                f"no rehearsal of {env.cluster.name} runs here, and on AWS: {exc}", status=exc.status
            ) from exc
        if not isinstance(exc, NotDeployed):
            click.echo(f"swarmer: AWS is left out: {exc}", err=True)
        return _on_this_machine(env)
    return _chosen(env, deployed) if is_rehearsed else deployed


def _chosen(env: Environment, deployed: Provider) -> Provider:
    """The operator's choice of two places. Raises UserError without a terminal."""
    rehearsed = _on_this_machine(env)
    where = f"{env.cluster.name} runs in two places, {deployed.place} and {rehearsed.place}"
    return deployed if _asked(where) == AWS else rehearsed


def _asked(where: str) -> str:
    """Name of the place from the operator's answer. Raises UserError without a terminal."""
    if not _is_terminal():
        raise UserError(f"{where}: add --on {AWS} or --on {REHEARSAL}, or export {VARIABLE}")
    answer: str = click.prompt(where, type=click.Choice((AWS, REHEARSAL)), err=True)
    return answer


def _on_aws(env: Environment) -> Provider:
    # The import is here because boto3 takes longer to load than everything else in a command.
    from swarmer.providers.aws.provider import AwsProvider

    return AwsProvider.open(env.cluster)


def _on_this_machine(env: Environment) -> Provider:
    if aws_daemon.daemon_pid(env) is None:
        raise UserError(NO_REHEARSAL.format(env.cluster.name), status=1)
    from swarmer.providers.rehearsal.provider import RehearsalProvider

    return RehearsalProvider(env)


def is_in_sight(variables: Mapping[str, str], *, rehearsal: str | None) -> bool:
    """Whether variables, files or the machine itself lead to credentials of AWS.

    `rehearsal`: URL of a running rehearsal. If the variables lead to it, the result is False.
    """
    if rehearsal is not None and variables.get("AWS_ENDPOINT_URL") == rehearsal:
        return False
    if any(variables.get(name) for name in CREDENTIALS):
        return True
    files = (Path(variables.get(name) or default).expanduser() for name, default in FILES.items())
    return any(path.is_file() for path in files) or _is_instance()


def _is_instance() -> bool:
    try:
        return VENDOR.read_text().startswith("Amazon EC2")
    except OSError:
        return False


def agree(provider: Provider, change: str, *, yes: bool) -> None:
    """Ask for the cluster's name before a change on AWS. Raises UserError if the answer is another name.

    `change`: description of the change, a sentence without its full stop.
    """
    if not _is_asked(provider, yes=yes):
        return
    name = provider.cluster.name
    if click.prompt(f"{change} ({provider.place}). Type {name} to go on", err=True) != name:
        raise UserError("nothing was changed: that was not the cluster's name", status=1)


def confirm(provider: Provider, change: str, *, yes: bool) -> None:
    """Ask yes or no before a change on AWS that removes nothing. Raises UserError if the answer is no."""
    if _is_asked(provider, yes=yes) and not click.confirm(f"{change} ({provider.place})?", err=True):
        raise UserError("nothing was changed: the answer was no", status=1)


def _is_asked(provider: Provider, *, yes: bool) -> bool:
    """Whether the operator is asked before a change. Raises UserError without a terminal."""
    if provider.name != AWS or yes:
        return False
    if not _is_terminal():
        raise UserError(f"nothing was changed on {provider.place}: add --yes, or type this on a terminal")
    return True


def _is_terminal() -> bool:
    """Whether an operator can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()
