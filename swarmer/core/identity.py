"""Identity of this machine, from cloud-init's own instance data: the same on EC2, NoCloud and Vagrant.

Source: https://cloudinit.readthedocs.io/en/latest/explanation/instancedata.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

NOBODY: Final = "iid-datasource-none"
"""Instance ID from cloud-init for a machine without a source of data. All such machines would share one
name."""


@dataclass(frozen=True, kw_only=True)
class AwsEndpoints:
    """Endpoints that differ between providers. On AWS every field is None: the SDKs' defaults are right."""

    aws_endpoint_url: str | None = None
    """URL of the AWS APIs."""
    metadata_endpoint: str | None = None
    """URL of the instance metadata service."""

    def environment(self, region: str) -> dict[str, str]:
        """Return the environment variables with the endpoints for every AWS SDK."""
        found = {
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": self.aws_endpoint_url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata_endpoint,
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, kw_only=True)
class MachineIdentity:
    """Identity of this machine."""

    instance_id: str
    address: str | None
    """Private IPv4 address; None if the provider's metadata lacks it."""
    zone: str
    region: str
    endpoints: AwsEndpoints


def parse(text: str) -> MachineIdentity:
    """Parse the text of instance-data.json.

    NoCloud's meta-data carries EC2's key `local-ipv4`, `region` and `availability-zone`, and a mapping
    `swarmer` with the fields of AwsEndpoints. Raises ValueError or KeyError if the text is no instance data.
    """
    data: dict[str, Any] = json.loads(text)
    standard, source = data["v1"], data.get("ds", {}).get("meta_data", {})
    if standard["instance_id"] == NOBODY:
        raise ValueError("cloud-init found no data source for this machine: its seed is not there")
    return MachineIdentity(
        instance_id=standard["instance_id"],
        address=source.get("local-ipv4"),
        zone=source.get("availability-zone") or standard.get("availability_zone") or "",
        region=source.get("region") or standard.get("region") or "",
        endpoints=AwsEndpoints(**source.get("swarmer", {})),
    )
