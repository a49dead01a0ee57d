"""Commands about the stacks of a cluster: `deploy`, `destroy`."""

from __future__ import annotations

import shlex
import sys

import click

from swarmer.cli import place
from swarmer.cli.common import DEFAULT, load, servers_option
from swarmer.cli.doctor import findings_table
from swarmer.cli.exit_statuses import epilog
from swarmer.cli.status import console, show_outdated, show_status
from swarmer.core.deployment import BUCKET, Changes
from swarmer.core.errors import UserError
from swarmer.core.health import Status
from swarmer.local import aws_daemon
from swarmer.local.environment import Environment
from swarmer.local.progress import Display
from swarmer.providers.aws.deploy import TIMEOUT_S, Deploy, Plan, Unsuitable
from swarmer.providers.aws.destroy import Destroy
from swarmer.providers.aws.target import Target

INTERFACES = (
    "Lambda takes up to 45 minutes to delete its network interfaces, and CloudFormation waits for that."
)
EMPTY_AND_DELETE = (
    ".venv/bin/python -c \"import boto3; b = boto3.resource('s3').Bucket('{0}'); "
    'b.object_versions.delete(); b.delete()"'
)


@click.command(epilog=epilog("deploy"))
@servers_option
@place.on_option
@place.yes_option
@click.option("--no-rollback", is_flag=True, help="Keep the resources of a failed deploy, to inspect them.")
@click.option(
    "--timeout",
    default=TIMEOUT_S,
    show_default=True,
    help="Seconds until the deployed cluster has to be validated.",
)
def deploy(servers: str, on: str | None, yes: bool, no_rollback: bool, timeout: float) -> None:
    """Deploy the cluster to AWS, and wait until it is validated.

    The command checks the account, shows the changes, and asks once before it makes them.
    Account and region come from your AWS credentials, as for AWS's SDKs. The CDK of this checkout runs
    `cdk deploy --all`.
    """
    env = load(servers)
    target = _target(env, on)
    work = Deploy(target=target, display=Display(), rolls_back=not no_rollback, timeout_s=timeout)
    plan = _plan(work)
    _show(plan, target)
    if not plan.is_empty:
        place.confirm(target.provider, _question(plan.changes, env.cluster.name), yes=yes)
    status = work.carry_out(plan)
    show_status(status)
    show_outdated(target.provider.outdated(), status)
    click.echo(f"\n{env.cluster.name} is deployed. What to type now:\n\n  {_next(status, target, servers)}")


@click.command(epilog=epilog("destroy"))
@servers_option
@place.on_option
@place.yes_option
def destroy(servers: str, on: str | None, yes: bool) -> None:
    """Destroy the cluster on AWS, and wait until all of it is gone.

    The command lists what it removes, and asks for the cluster's name.
    The command runs `cdk destroy --all`. The registry's bucket outlives the cluster.
    """
    env = load(servers)
    target = _target(env, on)
    work = Destroy(target=target, display=Display())
    removal = work.plan()
    if removal is None:
        click.echo(f"nothing to destroy: {env.cluster.name} has no stack ({target.provider.place})")
        return
    click.echo("\n".join([f"{env.cluster.name} ({target.provider.place}):", *removal.lines(), INTERFACES]))
    place.agree(target.provider, f"destroys {env.cluster.name}", yes=yes)
    retained = work.carry_out(removal)
    click.echo(f"{env.cluster.name} is destroyed. The CDK's stack CDKToolkit stays: other clusters use it.")
    for each in retained:
        click.echo(f"{each.kind} {each.id} is there still.")
        if each.kind == BUCKET:
            click.echo(f"  to deploy over it, write it into {servers}:  registry: {{bucket: {each.id}}}")
            click.echo(f"  to remove it with every image:  {EMPTY_AND_DELETE.format(each.id)}")


def _target(env: Environment, on: str | None) -> Target:
    """Account and region of the cluster. Raises UserError."""
    if place.choose(env, on) == place.AWS:
        return Target.on_aws(env)
    if aws_daemon.daemon_pid(env) is None:
        raise UserError(
            f"no AWS runs on this machine for {env.cluster.name}: `swarmer up --aws-only` starts one",
            status=1,
        )
    from swarmer.adapters import account
    from swarmer.providers.rehearsal import cloud
    from swarmer.providers.rehearsal.provider import RehearsalProvider

    return Target(
        env=env,
        account=account.of_this_machine(env.aws_url, env.region),
        provider=RehearsalProvider(env),
        cdk=cloud.cdk_of(env),
        pause_s=1.0,
    )


def _plan(work: Deploy) -> Plan:
    """Changes by a deploy. The command ends here if the account is unfit."""
    try:
        return work.plan()
    except Unsuitable as exc:
        console().print(findings_table(exc.findings))
        click.echo(f"swarmer: {exc}", err=True)
        sys.exit(exc.status)


def _show(plan: Plan, target: Target) -> None:
    name = target.env.cluster.name
    if plan.is_empty:
        click.echo(f"{name}: nothing to change ({target.provider.place})")
        return
    click.echo(f"{name} ({target.provider.place}):")
    if plan.bootstraps:
        click.echo("  CDKToolkit: the CDK's bootstrap, which the account and region lack or have too old")
    for line in plan.changes.lines(target.env.cluster, str(target.cdk.log("diff"))):
        click.echo(line)


def _question(changes: Changes, name: str) -> str:
    return f"Create {name}" if changes.is_creation else f"Change {name}"


def _next(status: Status, target: Target, servers: str) -> str:
    """Command that runs Docker on a manager from this machine, without a connection to its network."""
    manager = next(node.name for node in status.nodes if node.swarm_role in ("leader", "manager"))
    file = [] if servers == DEFAULT else ["-f", servers]
    words = [".venv/bin/swarmer", "exec", *file, "--on", target.provider.name, manager]
    return shlex.join([*words, "--", "docker", "node", "ls"])


COMMANDS = (deploy, destroy)
