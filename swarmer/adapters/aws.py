"""The AWS APIs that a node needs. Every failure is one `Unavailable`."""

from __future__ import annotations

import boto3
import botocore.exceptions
from botocore.config import Config

from swarmer.core import names
from swarmer.core.node import CONSUL_SERVER


class Unavailable(Exception):
    """AWS did not answer, or refused."""


def peer_addresses(cluster: str, region: str) -> list[str]:
    """Private addresses of the cluster's machines, Consul's servers first."""
    settings = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 3})
    filters = [
        {"Name": f"tag:{names.TAG_CLUSTER}", "Values": [cluster]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    try:
        ec2 = boto3.client("ec2", region_name=region, config=settings)
        pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
        found = [each for page in pages for held in page["Reservations"] for each in held["Instances"]]
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as exc:
        raise Unavailable(str(exc)) from exc
    found.sort(key=lambda instance: CONSUL_SERVER not in _tag(instance, names.TAG_ROLES))
    return [instance["PrivateIpAddress"] for instance in found if "PrivateIpAddress" in instance]


def _tag(instance: dict, key: str) -> str:  # type: ignore[type-arg]
    return next((tag["Value"] for tag in instance.get("Tags", ()) if tag["Key"] == key), "")
