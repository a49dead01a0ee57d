"""AWS on this machine (rehearsal.aws as a daemon) and the real CDK CLI against it."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.exceptions
from botocore.config import Config

from swarmer.adapters import process
from swarmer.core import names
from swarmer.local import host, workspace
from swarmer.local.node_containers import Node, from_instance
from swarmer.local.workspace import Ground, Problem
from swarmer.providers.rehearsal import machine_controller

COMMAND: Final = "rehearsal.aws"
START_S: Final = 30.0
READY_FILE: Final = "aws.ready"
PORTS: Final = 50
"""So many are looked at, from the first."""
ACCOUNT: Final = "123456789012"
"""Moto's."""
CDK_QUIET: Final = {
    "CDK_DISABLE_VERSION_CHECK": "1",
    "CDK_DISABLE_CLI_TELEMETRY": "1",
    "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
    "NO_COLOR": "1",
}


def daemon_pid(g: Ground) -> int | None:
    """Of the running daemon of this cluster."""
    path = g.state / "aws.pid"
    if not path.exists():
        return None
    pid = int(path.read_text())
    return pid if host.is_running(pid, COMMAND) else None


def ensure_aws(g: Ground, image: str, apart_s: float = 0.0) -> bool:
    """Start AWS on this machine; raises Problem where that fails. `image`: of the nodes, that start
    `apart_s` after each other."""
    written = machine_controller.write(g, image, apart_s)
    if daemon_pid(g):
        return False
    ready = g.state / READY_FILE
    ready.unlink(missing_ok=True)
    addresses = [f"127.0.0.1:{g.aws_port}", f"{g.gateway}:{g.aws_port}"]
    log = g.state / "aws.log"
    log.unlink(missing_ok=True)
    argv = [sys.executable, "-m", COMMAND, "--pid-file", str(g.state / "aws.pid")]
    argv += ["--ready-file", str(ready), "--ground", str(written)]
    argv += [word for address in addresses for word in ("--listen", address)]
    daemon = process.detach(argv, log, cwd=workspace.ROOT)
    deadline_s = time.monotonic() + START_S
    while not ready.exists():
        if daemon.poll() is not None:
            raise Problem(
                _tail(g, "aws.log", 1) or "AWS on this machine did not start", status=daemon.returncode
            )
        if time.monotonic() > deadline_s:
            daemon.kill()
            raise Problem(
                f"AWS on this machine did not start within {START_S:.0f} s: see {g.state}/aws.log", status=1
            )
        time.sleep(0.05)
    return True


def remembered_port(g: Ground) -> int | None:
    """Where the running daemon of this cluster listens: one that runs is not moved."""
    ready = g.state / READY_FILE
    if not daemon_pid(g) or not ready.exists():
        return None
    return int(json.loads(ready.read_text())["url"].rpartition(":")[2])


def with_free_port(g: Ground) -> Ground:
    """The same cluster, its AWS on the next port that is free: another cluster's may have the first.

    Raises Problem where a person named the port, and it is taken.
    """
    if daemon_pid(g) or _is_free(g.aws_port):
        return g
    free = next((port for port in range(g.aws_port + 1, g.aws_port + PORTS) if _is_free(port)), None)
    if g.is_port_named or free is None:
        raise Problem(
            f"port {g.aws_port} on 127.0.0.1 is taken: end what listens there, or take another: "
            f"swarmer up --aws-port {free or g.aws_port + PORTS}"
        )
    return replace(g, aws_port=free)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def bootstrap_and_synthesise(g: Ground) -> None:
    """`cdk bootstrap` and `cdk synth`, at the same time: neither needs the other."""
    with ThreadPoolExecutor() as pool:
        # Away from cdk.json, bootstrap has no app to synthesise first.
        bootstrap = pool.submit(_cdk, g, "bootstrap", f"aws://{ACCOUNT}/{workspace.REGION}", cwd=g.state)
        out = str(g.state / "cdk.out")
        _cdk(g, "synth", "--quiet", "--context", f"servers={g.servers}", "--output", out)
        bootstrap.result()


def deploy(g: Ground) -> None:
    """`cdk deploy --all` of what was synthesised, in the quickest way there is."""
    # Only change sets can take in what is there already.
    way = ("change-set", "--import-existing-resources") if _takes_bucket_in(g) else ("direct",)
    options = ("--method", *way, "--require-approval", "never", "--concurrency", "4")
    _cdk(g, "deploy", "--all", "--app", str(g.state / "cdk.out"), *options)


def _takes_bucket_in(g: Ground) -> bool:
    """The bucket that servers.yml names is there, and was left by a stack that is gone. Raises Problem."""
    if g.cluster.registry.bucket is None:
        return False
    stack = f"{g.cluster.name}-registry"
    with _asking():
        found = _client("s3", g.aws_url).list_buckets()["Buckets"]
        stacks = _client("cloudformation", g.aws_url).describe_stacks()["Stacks"]
    is_there = g.cluster.registry.bucket in {each["Name"] for each in found}
    # One whose creation failed has nothing; the CDK deletes it first.
    having = {each["StackName"] for each in stacks if each["StackStatus"] != "ROLLBACK_COMPLETE"}
    return is_there and stack not in having


def _cdk(g: Ground, verb: str, *argv: str, cwd: Path = workspace.ROOT) -> None:
    log = f"cdk-{verb}.log"
    with (g.state / log).open("wb") as written:
        done = subprocess.run(
            [str(host.CDK), verb, "--no-notices", "--no-version-reporting", "--ci", *argv],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            env=host.node_environment(workspace.aws_environment(g.aws_url) | CDK_QUIET),
            cwd=cwd,
            check=False,
        )
    if done.returncode:
        raise Problem(f"cdk {verb} failed:\n{_tail(g, log, 15)}\n(all of it: {g.state / log})", status=1)


def _tail(g: Ground, log: str, lines: int) -> str:
    return "\n".join((g.state / log).read_text(errors="replace").rstrip().splitlines()[-lines:])


# -- what was deployed --------------------------------------------------------------------


@lru_cache
def _client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=workspace.REGION,
        aws_access_key_id="rehearsal",
        aws_secret_access_key="rehearsal",  # noqa: S106 - moto takes any
        config=Config(retries={"max_attempts": 2}, connect_timeout=3, read_timeout=20),
    )


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except botocore.exceptions.ClientError as exc:
        raise Problem(f"AWS on this machine refuses: {exc}", status=1) from exc
    except botocore.exceptions.BotoCoreError as exc:
        raise Problem(f"AWS on this machine does not answer: {exc}", status=1) from exc


def instances(g: Ground, running: dict[str, str] | None = None) -> list[Node]:
    """The cluster's nodes as EC2 has them; `running`: which of their machines run. Raises Problem."""
    ec2 = _client("ec2", g.aws_url)
    filters = [
        {"Name": f"tag:{names.TAG_CLUSTER}", "Values": [g.cluster.name]},
        {"Name": "tag-key", "Values": [names.TAG_GROUP]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    with _asking():
        pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
        found = [each for page in pages for held in page["Reservations"] for each in held["Instances"]]
        nodes = [_node(ec2, each, running) for each in found]
    order = {group.name: position for position, group in enumerate(g.cluster.groups)}
    return sorted(nodes, key=lambda node: (order.get(node.expected.group, len(order)), node.name))


def _node(ec2: Any, instance: dict[str, Any], running: dict[str, str] | None) -> Node:
    found = ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")
    text = base64.b64decode(found["UserData"].get("Value", "")).decode()
    node = from_instance(instance, text, runs=True)
    if running is None or node.name in running:
        return node
    return from_instance(instance, text, runs=False)


def terminated(g: Ground) -> set[str]:
    """Ids of this cluster's instances that EC2 says are gone for good. Raises Problem."""
    filters = [
        {"Name": f"tag:{names.TAG_CLUSTER}", "Values": [g.cluster.name]},
        {"Name": "instance-state-name", "Values": ["terminated"]},
    ]
    with _asking():
        pages = _client("ec2", g.aws_url).get_paginator("describe_instances").paginate(Filters=filters)
        return {
            each["InstanceId"]
            for page in pages
            for held in page["Reservations"]
            for each in held["Instances"]
        }


def outdated(g: Ground) -> set[str]:
    """Ids of instances in service that run what their group's launch template was before. Raises Problem."""
    wanted = [names.group_asg_name(g.cluster.name, group.name) for group in g.cluster.groups]
    with _asking():
        pager = _client("autoscaling", g.aws_url).get_paginator("describe_auto_scaling_groups")
        found = [
            group
            for page in pager.paginate(AutoScalingGroupNames=wanted)
            for group in page["AutoScalingGroups"]
        ]
    return {
        each["InstanceId"]
        for group in found
        for each in group["Instances"]
        if each["LifecycleState"] == "InService" and each["LaunchTemplate"]["Version"] != _version(group)
    }


def _version(group: dict[str, Any]) -> str:
    """Of the launch template that the group's next instance gets."""
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    return str((group.get("LaunchTemplate") or mixed["LaunchTemplateSpecification"])["Version"])


def terminate(g: Ground, instance_id: str) -> None:
    """As the console would. Raises Problem."""
    with _asking():
        _client("ec2", g.aws_url).terminate_instances(InstanceIds=[instance_id])


def scale(g: Ground, group: str, number: int) -> int:
    """Set a group's desired capacity; what it was. Raises Problem."""
    autoscaling, name = _client("autoscaling", g.aws_url), names.group_asg_name(g.cluster.name, group)
    try:
        found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        if not found:
            raise Problem(f"{group} is not deployed yet: `swarmer up`", status=1)
        autoscaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=number)
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as exc:
        raise Problem(f"{group} was not scaled: {exc}", status=1) from exc
    return int(found[0]["DesiredCapacity"])


def identity(g: Ground) -> str:
    """What the cluster's identity parameter says. Raises Problem."""
    name = names.identity_parameter(g.cluster.name)
    with _asking():
        return str(_client("ssm", g.aws_url).get_parameter(Name=name)["Parameter"]["Value"])


def registry_objects(g: Ground) -> tuple[str, list[tuple[str, int]]]:
    """Name of the registry's bucket, and key and bytes of every object in it. Raises Problem."""
    with _asking():
        found = _client("cloudformation", g.aws_url).describe_stacks(StackName=f"{g.cluster.name}-registry")
        values = {each["OutputKey"]: each["OutputValue"] for each in found["Stacks"][0]["Outputs"]}
        pages = (
            _client("s3", g.aws_url).get_paginator("list_objects_v2").paginate(Bucket=values["BucketName"])
        )
        objects = [(each["Key"], each["Size"]) for page in pages for each in page.get("Contents", ())]
    return values["BucketName"], objects
