"""People of a rehearsal's account. A role of each has nothing but one policy of those that a deploy makes."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from swarmer.core import names
from swarmer.fakeaws.base.preload import ACCOUNT
from tests.rehearsal.conftest import SWARMER, Cluster, swarmer

PEOPLE = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
"""Principal of the roles of people: the account."""
PROVIDER = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/ci.example.com"}
"""Principal of the role of a CI system: its identity provider."""


def root(cluster: Cluster, service: str) -> Any:
    """Client of a service with every permission: it tells what is so, and takes back what a test changed."""
    return boto3.client(
        service,
        endpoint_url=cluster.env.aws_url,
        region_name=cluster.env.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@dataclass(frozen=True)
class Person:
    """Person who types commands for a cluster on AWS."""

    session: str
    """Name of the session of the role."""
    policy: str
    """Name of the only policy that the role has."""
    variables: dict[str, str]
    """Variables of the environment that lead to the cluster, with the credentials of the session."""

    def type(self, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Type a command. `more`: other values of variables."""
        return swarmer(*argv, env=self.variables | more)

    def begin(self, *argv: str) -> subprocess.Popen[bytes]:
        """Begin a command that takes a while."""
        return subprocess.Popen(
            # Below nohup Ctrl-C is ignored.
            ["env", "--default-signal=INT", SWARMER, *argv],
            env=os.environ | self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def person(cluster: Cluster, session: str, policy: str) -> Person:
    """New person whose role has the managed policy of that name."""
    role = new_role(cluster, session, policy, PEOPLE)
    given = root(cluster, "sts").assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
    credentials = {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }
    return Person(session, policy, {**leading_to(cluster), **credentials})


def ci_system(cluster: Cluster, session: str, policy: str, token: Path) -> Person:
    """CI system whose role has the managed policy of that name. `token`: file of its web identity."""
    identity = {
        "AWS_ROLE_ARN": new_role(cluster, session, policy, PROVIDER),
        "AWS_ROLE_SESSION_NAME": session,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
    }
    return Person(session, policy, {**leading_to(cluster), **identity})


def new_role(cluster: Cluster, session: str, policy: str, principal: dict[str, str]) -> str:
    """ARN of a new role that trusts the principal and has one managed policy."""
    iam, role = root(cluster, "iam"), f"{cluster.env.cluster.name}-{session}-{uuid.uuid4().hex[:8]}"
    action = "sts:AssumeRoleWithWebIdentity" if principal == PROVIDER else "sts:AssumeRole"
    allowed = {"Effect": "Allow", "Principal": principal, "Action": action}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"]
    iam.attach_role_policy(RoleName=role, PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{policy}")
    return str(made["Arn"])


def leading_to(cluster: Cluster) -> dict[str, str]:
    """Variables that lead to the cluster, and to no credentials."""
    return {
        "SWARMER_ON": "aws",
        "AWS_ENDPOINT_URL": cluster.env.aws_url,
        "AWS_REGION": cluster.env.region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def operator(cluster: Cluster, session: str) -> Person:
    return person(cluster, session, names.operator_policy(cluster.env.cluster.name, cluster.env.region))


def viewer(cluster: Cluster, session: str) -> Person:
    return person(cluster, session, names.viewer_policy(cluster.env.cluster.name, cluster.env.region))


def first_line(running: subprocess.Popen[bytes], within_s: float = 60) -> str:
    """First line of the output of a command that has begun; empty if none comes in time."""
    timer = threading.Timer(within_s, running.kill)
    timer.start()
    try:
        assert running.stdout is not None
        return running.stdout.readline().decode().strip()
    finally:
        timer.cancel()


def only_line(errors: str) -> str:
    """The line in which a command says why it failed. Fails if it says more than that and progress."""
    *progress, line = errors.splitlines()
    assert all(each.endswith(" …") for each in progress), errors
    assert line.startswith("swarmer: "), errors
    return line
