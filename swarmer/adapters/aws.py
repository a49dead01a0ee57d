"""The AWS APIs that a node needs, and how every module here calls AWS. Every failure is one `Unavailable`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import boto3
import botocore.exceptions
from botocore.config import Config

from swarmer.core import names
from swarmer.core.node import CONSUL_SERVER


class Unavailable(Exception):
    """AWS did not answer, or refused."""


class Refused(Unavailable):
    """AWS refused."""


SETTINGS: Final = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 3})


@cache
def client(service: str) -> Any:
    """A client of a service in the environment's own region, made once in a process."""
    return boto3.client(service, config=SETTINGS)


@contextmanager
def translated() -> Iterator[None]:
    """Every failure of botocore becomes `Unavailable`, a refusal becomes `Refused`."""
    try:
        yield
    except botocore.exceptions.ClientError as exc:
        raise Refused(str(exc)) from exc
    except botocore.exceptions.BotoCoreError as exc:
        raise Unavailable(str(exc)) from exc


def parameter(name: str, region: str) -> str:
    """Value of an SSM parameter."""
    with translated():
        ssm = boto3.client("ssm", region_name=region, config=SETTINGS)
        return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])


def put_parameter(name: str, value: str, region: str) -> None:
    """Overwrite the value of an SSM parameter that exists."""
    with translated():
        ssm = boto3.client("ssm", region_name=region, config=SETTINGS)
        ssm.put_parameter(Name=name, Value=value, Overwrite=True)


def peer_addresses(cluster: str, region: str) -> list[str]:
    """Private addresses of the cluster's machines, Consul's servers first."""
    filters = [
        {"Name": f"tag:{names.TAG_CLUSTER}", "Values": [cluster]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    with translated():
        ec2 = boto3.client("ec2", region_name=region, config=SETTINGS)
        pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
        found = [each for page in pages for held in page["Reservations"] for each in held["Instances"]]
    found.sort(key=lambda instance: CONSUL_SERVER not in _tag(instance, names.TAG_ROLES))
    return [instance["PrivateIpAddress"] for instance in found if "PrivateIpAddress" in instance]


def _tag(instance: dict, key: str) -> str:  # type: ignore[type-arg]
    return next((tag["Value"] for tag in instance.get("Tags", ()) if tag["Key"] == key), "")
