"""Client of the simulated AWS in this process, which is empty at the start of each test."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from swarmer.fakeaws.base import clock, faults, journal
from swarmer.fakeaws.daemon import background
from swarmer.fakeaws.daemon.server import Server

OF_THE_SDK = (
    *(
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
    ),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL"),
)
"""Variables that give the AWS SDK credentials, a region or an endpoint."""


@dataclass
class Aws:
    """Client whose calls use HTTP, like those of the CDK."""

    server: Server
    region: str = "us-east-1"

    def client(self, service: str, url: str | None = None) -> Any:
        return boto3.client(
            service,
            endpoint_url=url or self.server.url,
            region_name=self.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def session(self, given: Mapping[str, Any]) -> Callable[[str], Any]:
        """Function that returns the client of a service, with the `Credentials` that STS gave."""

        def client(service: str) -> Any:
            return boto3.client(
                service,
                endpoint_url=self.server.url,
                region_name=self.region,
                aws_access_key_id=given["AccessKeyId"],
                aws_secret_access_key=given["SecretAccessKey"],
                aws_session_token=given["SessionToken"],
            )

        return client

    def create(self, name: str, template: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Create a stack. Returns it settled, or in progress while its groups lack capacity."""
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template), **options)
        return self.stack(name)

    def update(
        self, name: str, template: dict[str, Any], keep: Sequence[str] = (), **options: Any
    ) -> dict[str, Any]:
        """Update a stack. `keep`: parameters that keep their previous values."""
        background.tick()  # a wait for capacity may be over
        kept = [{"ParameterKey": key, "UsePreviousValue": True} for key in keep]
        cloudformation = self.client("cloudformation")
        cloudformation.update_stack(
            StackName=name, TemplateBody=json.dumps(template), Parameters=kept, **options
        )
        return self.stack(name)

    def stack(self, name: str) -> dict[str, Any]:
        (found,) = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return dict(found)

    def events(self, stack: str, status: str) -> list[dict[str, Any]]:
        """Events of the stack with this status, newest first."""
        found = self.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        return [event for event in found if event["ResourceStatus"] == status]

    def resource(self, stack: str, logical_id: str) -> str:
        """Physical ID of a resource."""
        found = self.client("cloudformation").describe_stack_resource(
            StackName=stack, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def pass_time(self, seconds: float = 0) -> None:
        """Advance the clock and run the background work that is due by then."""
        clock.advance(seconds)
        background.tick()

    def group(self, name: str) -> dict[str, Any]:
        """An Auto Scaling group."""
        found = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        return dict(found["AutoScalingGroups"][0])

    def instances(self, group: str) -> list[dict[str, Any]]:
        """Living instances of an Auto Scaling group, in the order of their addresses."""
        filters = [
            {"Name": "tag:aws:autoscaling:groupName", "Values": [group]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        pages = self.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
        found = [each for page in pages for held in page["Reservations"] for each in held["Instances"]]
        return sorted(found, key=lambda each: tuple(map(int, each["PrivateIpAddress"].split("."))))


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Server]:
    """Server whose time stands still except for `pass_time`."""
    with Server(["127.0.0.1:0"], background=False) as server:
        yield server


@contextmanager
def cleared(server: Server) -> Iterator[Aws]:
    """Context with a client of an AWS that is empty again afterwards."""
    yield Aws(server)
    clock.reset()
    journal.clear()
    faults.active.clear()
    urllib.request.urlopen(f"{server.url}/moto-api/reset", data=b"").close()


@pytest.fixture
def aws(aws_server: Server) -> Iterator[Aws]:
    with cleared(aws_server) as client:
        yield client


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Environment without credentials; returns the folder for files of the AWS SDK."""
    for name in OF_THE_SDK:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path
