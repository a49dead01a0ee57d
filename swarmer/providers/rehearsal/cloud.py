"""AWS on this machine as a daemon, and the real CDK CLI against it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from swarmer.adapters import aws, files, process
from swarmer.adapters.operator import Account, of_this_machine
from swarmer.core import description, fixed, names
from swarmer.core.errors import UserError
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.local import aws_daemon, cdk, environment, node_containers
from swarmer.local.environment import Environment
from swarmer.local.node_containers import Node, from_instance
from swarmer.operations.observer import PROBE, Observer
from swarmer.providers.rehearsal import machine_controller

START_TIMEOUT_S: Final = 30.0
"""Timeout for the start of the daemon, in seconds."""


def ensure_aws(env: Environment, image: str, apart_s: float = 0.0) -> bool:
    """Start AWS on this machine. Raises UserError if that fails.

    `image`: image of the nodes. `apart_s`: seconds between the starts of two nodes.
    """
    written = machine_controller.write(env, image, apart_s)
    if aws_daemon.daemon_pid(env):
        return False
    ready = env.state / aws_daemon.READY_FILE
    ready.unlink(missing_ok=True)
    addresses = [f"127.0.0.1:{env.aws_port}", f"{env.gateway}:{env.aws_port}"]
    log = env.state / "aws.log"
    log.unlink(missing_ok=True)
    argv = [sys.executable, "-m", aws_daemon.COMMAND, "--pid-file", str(env.state / "aws.pid")]
    argv += ["--ready-file", str(ready), "--environment", str(written)]
    argv += [word for address in addresses for word in ("--listen", address)]
    daemon = process.detach(argv, log, cwd=environment.ROOT)
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not ready.exists():
        if daemon.poll() is not None:
            raise UserError(cdk.tail(log, 1) or "AWS on this machine did not start", status=daemon.returncode)
        if time.monotonic() > deadline_s:
            daemon.kill()
            raise UserError(
                f"AWS on this machine did not start within {START_TIMEOUT_S:.0f} s: see {env.state}/aws.log",
                status=1,
            )
        time.sleep(0.05)
    return True


def ensure_region(env: Environment) -> None:
    """Record the region of the cluster at its first start. Raises UserError if it runs in another region."""
    record = env.state / "region"
    known = record.read_text() if record.exists() else env.region
    if known != env.region:
        what = f"{env.servers}: network.zones: {env.cluster.name} exists already in {known}"
        raise UserError(f"{what} and cannot move to {env.region}: remove it first, or take {known} again")
    files.ensure_file(record, known)


def cdk_of(env: Environment) -> cdk.Cdk:
    """The CDK's command for the AWS of this machine."""
    variables = environment.aws_environment(env.aws_url, env.region)
    return cdk.Cdk(servers=env.servers, folder=env.state, variables=variables)


def bootstrap_and_synthesise(env: Environment) -> None:
    """Run `cdk bootstrap` and `cdk synth` at the same time, because they are independent."""
    with ThreadPoolExecutor() as pool:
        bootstrap = pool.submit(cdk_of(env).bootstrap, ACCOUNT, env.region)
        cdk_of(env).synthesise()
        bootstrap.result()


def check_changes(env: Environment) -> None:
    """Check that AWS can change the deployed cluster into the described one. Raises description.Invalid.

    The templates refuse the same changes (`stacks/guard.py`). This error also has the place in the file.
    """
    with _aws_errors():
        account = _account(env)
        deployed = account.stacks()
        broken = list(
            fixed.refused(env.cluster, lambda stack: account.outputs(stack) if stack in deployed else {})
        )
    if broken:
        raise description.invalid(env.servers, broken)


class Deployment:
    """`cdk deploy --all` at work. AWS completes the cluster's stack when its nodes are in service."""

    def __init__(self, env: Environment, running: subprocess.Popen[bytes]) -> None:
        self._env, self._running = env, running

    def is_over(self) -> bool:
        """Whether it has succeeded. Raises UserError if it has failed."""
        status = self._running.poll()
        if status:
            raise cdk_of(self._env).failure("deploy")
        return status is not None

    def waits_for_nodes(self) -> bool:
        """Whether the deployment only waits for nodes, and AWS has launched all of them."""
        with _aws_errors():
            is_busy = _account(self._env).is_busy(f"{self._env.cluster.name}-cluster")
            return is_busy and _account(self._env).are_launched(_groups(self._env))

    def wait(self, timeout_s: float) -> None:
        """Wait for the end of the deployment. Raises UserError if it fails or takes longer."""
        try:
            self._running.wait(timeout_s)
        except subprocess.TimeoutExpired as exc:
            what = f"{self._env.cluster.name}-cluster is not complete after {timeout_s:.0f} s"
            why = "a node is no member in its role: `waits` in `swarmer events` gives the reason"
            raise UserError(f"{what}: {why}", status=1) from exc
        self.is_over()


@contextmanager
def deploying(env: Environment) -> Iterator[Deployment]:
    """Run `cdk deploy --all` on the synthesised app beside the block, with the quickest options.

    An exception of the block kills it.
    """
    options = cdk.IMPORTING if _imports_bucket(env) else ("--method", "direct")
    with cdk_of(env).deploying(*options) as running:
        yield Deployment(env, running)


def _imports_bucket(env: Environment) -> bool:
    """Whether the bucket of servers.yml is left from a deleted stack. Raises UserError."""
    if env.cluster.registry.bucket is None:
        return False
    with _aws_errors():
        is_there = env.cluster.registry.bucket in _account(env).buckets()
        return is_there and f"{env.cluster.name}-registry" not in _account(env).stacks()


# -- what was deployed --------------------------------------------------------------------


def _account(env: Environment) -> Account:
    return of_this_machine(env.aws_url, env.region)


@contextmanager
def _aws_errors() -> Iterator[None]:
    try:
        yield
    except aws.Refused as exc:
        raise UserError(f"AWS on this machine refuses: {exc}", status=1) from exc
    except aws.Unavailable as exc:
        raise UserError(f"AWS on this machine does not answer: {exc}", status=1) from exc


def observer(env: Environment) -> Observer:
    """Context that observes the cluster from inside a container on each node."""
    return Observer(
        env.cluster.domain,
        lambda name: node_containers.run_script(node_containers.container_name(env, name), PROBE),
    )


def instances(env: Environment, running: dict[str, str] | None = None) -> list[Node]:
    """Nodes of the cluster in EC2. `running`: start time of each running machine, by node name. Raises
    UserError."""
    with _aws_errors():
        found = _account(env).instances(env.cluster.name)
        retained = _account(env).retained(_groups(env))
    nodes = [
        from_instance(
            each,
            runs=running is None or names.node_name(each.group, each.id) in running,
            is_retained=each.id in retained,
        )
        for each in found
    ]
    order = {group.name: position for position, group in enumerate(env.cluster.groups)}
    return sorted(nodes, key=lambda node: (order.get(node.expected.group, len(order)), node.name))


def outdated(env: Environment) -> set[str]:
    """IDs of instances in service from an older launch template of their group. Raises UserError."""
    with _aws_errors():
        return _account(env).outdated(_groups(env))


def _groups(env: Environment) -> list[str]:
    """Names of the cluster's Auto Scaling groups."""
    return [names.group_asg_name(env.cluster.name, group.name) for group in env.cluster.groups]


def cluster_id(env: Environment) -> str:
    """ID of the cluster from its SSM parameter. Raises UserError."""
    with _aws_errors():
        return _account(env).parameter(names.identity_parameter(env.cluster.name))
