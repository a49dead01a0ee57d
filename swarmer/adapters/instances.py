"""EC2's instances for the functions. Every failure is `aws.Unavailable`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import botocore.exceptions

from swarmer.adapters import aws
from swarmer.core import names
from swarmer.core.healing.world import QUORUM_ROLES, UNKNOWN, Instance

PER_QUESTION: Final = 200
"""Largest number of values in one filter."""
CONSOLE_CHARACTERS: Final = 16_000


def voting(cluster: str) -> list[Instance]:
    """Running machines of the cluster that belong to Consul's or Swarm's quorum."""
    return list(
        _described(
            [
                {"Name": f"tag:{names.TAG_CLUSTER}", "Values": [cluster]},
                {"Name": f"tag:{names.TAG_ROLES}", "Values": [f"*{role}*" for role in sorted(QUORUM_ROLES)]},
                {"Name": "instance-state-name", "Values": ["pending", "running"]},
            ]
        )
    )


def by_id(ids: Iterable[str]) -> dict[str, Instance]:
    """Instance for every ID, by ID; the state is `UNKNOWN` if EC2 does not know the ID."""
    asked = sorted(set(ids))
    found = {each: Instance(id=each, state=UNKNOWN) for each in asked}
    for begin in range(0, len(asked), PER_QUESTION):
        some = asked[begin : begin + PER_QUESTION]
        # A filter is used instead of a parameter: an ID that EC2 does not know would fail the whole request.
        found |= {each.id: each for each in _described([{"Name": "instance-id", "Values": some}])}
    return found


def tags(instance_id: str) -> dict[str, str] | None:
    """Tags of one machine; None if EC2 does not know its ID."""
    with aws.translated():
        found = aws.client("ec2").describe_instances(
            Filters=[{"Name": "instance-id", "Values": [instance_id]}]
        )
    machines = [each for held in found["Reservations"] for each in held["Instances"]]
    return {tag["Key"]: tag["Value"] for tag in machines[0].get("Tags", ())} if machines else None


def console(instance_id: str) -> str:
    """End of the machine's console output; empty if EC2 has none."""
    return console_of(aws.client("ec2"), instance_id)


def console_of(ec2: Any, instance_id: str) -> str:
    """End of the machine's console output by a client of EC2; empty if EC2 has none."""
    with aws.translated():
        try:
            answer = ec2.get_console_output(InstanceId=instance_id, Latest=True)
        except botocore.exceptions.ClientError as exc:
            # Only Nitro machines report current output; all report the output of their start.
            if exc.response["Error"]["Code"] != "UnsupportedOperation":
                raise
            answer = ec2.get_console_output(InstanceId=instance_id)
    return str(answer.get("Output") or "")[-CONSOLE_CHARACTERS:]


def _described(filters: list[dict[str, Any]]) -> Iterator[Instance]:
    with aws.translated():
        pages = aws.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
        for page in pages:
            for held in page["Reservations"]:
                yield from map(_instance, held["Instances"])


def _instance(raw: dict[str, Any]) -> Instance:
    tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", ())}
    return Instance(
        id=raw["InstanceId"],
        state=raw["State"]["Name"],
        group=tags.get(names.TAG_GROUP, ""),
        roles=frozenset(tags.get(names.TAG_ROLES, "").split()),
        address=raw.get("PrivateIpAddress", ""),
        launched_s=raw["LaunchTime"].timestamp(),
    )
