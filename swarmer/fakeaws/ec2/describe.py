"""Instances in the form of DescribeInstances, for the machine controller in the same process."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from moto.ec2 import ec2_backends

from swarmer.core import names
from swarmer.fakeaws.base.preload import ACCOUNT


def cluster_instances(cluster: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Entry and user data of each instance of a cluster's groups, in any state."""
    for backend in list(ec2_backends[ACCOUNT].values()):
        for instance in backend.all_instances():
            tags = backend.tags.get(instance.id, {})
            if tags.get(names.TAG_CLUSTER) == cluster and names.TAG_GROUP in tags:
                entry = {
                    "InstanceId": instance.id,
                    "State": {"Name": instance.state},
                    "PrivateIpAddress": instance.private_ip,
                    "Placement": {"AvailabilityZone": instance.placement.zone},
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
                yield entry, base64.b64decode(str(instance.user_data or "")).decode()
