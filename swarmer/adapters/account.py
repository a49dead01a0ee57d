"""Queries about the AWS account and region of a deploy. They change nothing.

The credentials, the region and the endpoint are the usual ones of the AWS SDK. Every failure is
`aws.Unavailable`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

import boto3
import botocore.exceptions
from botocore.config import Config

from swarmer.adapters import aws
from swarmer.core import names
from swarmer.core.deployment import Attachment
from swarmer.core.quotas import Quota

SETTINGS: Final = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "max_attempts": 3})
NO_SUCH_STACK: Final = "does not exist"
"""Words of CloudFormation for a stack that does not exist."""


class Bucket(StrEnum):
    FREE = "free"
    OWN = "the account's own"
    FOREIGN = "taken"


@dataclass(frozen=True, kw_only=True)
class Zone:
    name: str
    is_open: bool
    """Whether the account may use it: it is available, and has an opt-in if it needs one."""


@dataclass(frozen=True, kw_only=True)
class InUse:
    """Resources of the region outside the cluster."""

    instances: tuple[tuple[str, int, bool], ...]
    """Type, vCPUs and whether it is a spot instance, of each instance that counts."""
    vpcs: int
    addresses: int
    nat_gateways: Mapping[str, int]
    """Number of NAT gateways by zone."""


class Account:
    """Queries about one region. `session`: a session that replaces the usual one.

    `region`: the region of the description, if it names one. `url`: endpoint of every service, if it is not
    AWS's own.
    """

    def __init__(
        self, session: boto3.Session | None = None, *, region: str = "", url: str | None = None
    ) -> None:
        with aws.translated():
            # The CDK's command reads this variable first; boto3 ignores it.
            chosen = region or os.environ.get("AWS_REGION") or None
            self._session = session or boto3.Session(region_name=chosen)
        self._url = url
        self._clients: dict[str, Any] = {}

    @property
    def region(self) -> str:
        """Region of the environment or profile; empty if none is set."""
        return self._session.region_name or ""

    def client(self, service: str) -> Any:
        """Client of a service, made once."""
        if service not in self._clients:
            self._clients[service] = self._session.client(service, endpoint_url=self._url, config=SETTINGS)
        return self._clients[service]

    @cached_property
    def id(self) -> str:
        """ID of the account."""
        with aws.translated():
            return str(self.client("sts").get_caller_identity()["Account"])

    def zones(self) -> tuple[Zone, ...]:
        """Availability zones of the region by name, without local zones."""
        filters = [{"Name": "zone-type", "Values": ["availability-zone"]}]
        with aws.translated():
            found = self.client("ec2").describe_availability_zones(AllAvailabilityZones=True, Filters=filters)
        zones = (
            Zone(
                name=each["ZoneName"],
                is_open=each["State"] == "available" and each.get("OptInStatus") != "not-opted-in",
            )
            for each in found["AvailabilityZones"]
        )
        return tuple(sorted(zones, key=lambda zone: zone.name))

    def zones_with_default_subnet(self) -> frozenset[str]:
        """Zones that have a default subnet."""
        found = self._pages(
            "ec2", "describe_subnets", "Subnets", Filters=[{"Name": "default-for-az", "Values": ["true"]}]
        )
        return frozenset(each["AvailabilityZone"] for each in found)

    def offered(self, types: Sequence[str]) -> dict[str, frozenset[str]]:
        """Zones with each of the instance types, by type."""
        pages = self._pages(
            "ec2",
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": list(types)}],
        )
        found: dict[str, set[str]] = {each: set() for each in types}
        for each in pages:
            found[each["InstanceType"]].add(each["Location"])
        return {each: frozenset(zones) for each, zones in found.items()}

    def vcpus(self, types: Sequence[str]) -> dict[str, int]:
        """Number of vCPUs of each instance type that the region has."""
        filters = [{"Name": "instance-type", "Values": list(types)}]
        found = self._pages("ec2", "describe_instance_types", "InstanceTypes", Filters=filters)
        return {each["InstanceType"]: int(each["VCpuInfo"]["DefaultVCpus"]) for each in found}

    def quota(self, quota: Quota) -> float:
        """Value that applies to the account; the default if no other was requested."""
        asked = {"ServiceCode": quota.service, "QuotaCode": quota.code}
        client = self.client("service-quotas")
        with aws.translated():
            try:
                return float(client.get_service_quota(**asked)["Quota"]["Value"])
            except client.exceptions.NoSuchResourceException:
                return float(client.get_aws_default_service_quota(**asked)["Quota"]["Value"])

    def in_use(self, cluster: str) -> InUse:
        """Resources that count against quotas, without those of the cluster itself."""
        alive = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping"]}]
        reservations = self._pages("ec2", "describe_instances", "Reservations", Filters=alive)
        instances = _others((each for held in reservations for each in held["Instances"]), cluster)
        gateways = self._pages(
            "ec2",
            "describe_nat_gateways",
            "NatGateways",
            Filter=[{"Name": "state", "Values": ["pending", "available", "deleting"]}],
        )
        zones = {
            each["SubnetId"]: each["AvailabilityZone"]
            for each in self._pages("ec2", "describe_subnets", "Subnets")
        }
        with aws.translated():
            addresses = self.client("ec2").describe_addresses()["Addresses"]
        by_zone: dict[str, int] = {}
        for each in _others(gateways, cluster):
            zone = zones.get(each.get("SubnetId", ""), "")
            by_zone[zone] = by_zone.get(zone, 0) + 1
        return InUse(
            instances=tuple(map(_instance, instances)),
            vpcs=len(list(_others(self._pages("ec2", "describe_vpcs", "Vpcs"), cluster))),
            addresses=len(list(_others(addresses, cluster))),
            nat_gateways=by_zone,
        )

    def has_parameter(self, name: str) -> bool:
        """Whether the SSM parameter, also a public one, exists."""
        return self.parameter(name) is not None

    def parameter(self, name: str) -> str | None:
        """Value of an SSM parameter; None if it does not exist."""
        client = self.client("ssm")
        with aws.translated():
            try:
                return str(client.get_parameter(Name=name)["Parameter"]["Value"])
            except client.exceptions.ParameterNotFound:
                return None

    def bucket(self, name: str) -> Bucket:
        """State of a bucket's name: free, the account's own, or another account's."""
        with aws.translated():
            try:
                self.client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=self.id)
            except botocore.exceptions.ClientError as exc:
                # HeadBucket has no body: 301 names another region, 403 another owner.
                code = str(exc.response["Error"]["Code"])
                if code in ("404", "NoSuchBucket"):
                    return Bucket.FREE
                if code in ("301", "403"):
                    return Bucket.FOREIGN
                raise
        return Bucket.OWN

    def attachments(self, policy: str) -> list[Attachment]:
        """Users, groups and roles to which a managed policy is attached. `policy`: its ARN."""
        with aws.translated():
            pages = self.client("iam").get_paginator("list_entities_for_policy").paginate(PolicyArn=policy)
            return [
                Attachment(policy=policy, kind=kind, name=each[f"{kind.title()}Name"])
                for page in pages
                for kind in ("user", "group", "role")
                for each in page[f"Policy{kind.title()}s"]
            ]

    def outputs(self, stack: str) -> dict[str, str]:
        """Outputs of a stack by name; empty if it does not exist."""
        with aws.translated():
            try:
                (found,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
            except botocore.exceptions.ClientError as exc:
                if NO_SUCH_STACK in str(exc):
                    return {}
                raise
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}

    def _pages(self, service: str, operation: str, key: str, **asked: Any) -> list[dict[str, Any]]:
        with aws.translated():
            pages = self.client(service).get_paginator(operation).paginate(**asked)
            return [each for page in pages for each in page[key]]


def _others(found: Iterable[dict[str, Any]], cluster: str) -> Iterable[dict[str, Any]]:
    """Resources without the cluster's tag."""
    own = {"Key": names.TAG_CLUSTER, "Value": cluster}
    return (each for each in found if own not in each.get("Tags", ()))


def _instance(raw: Mapping[str, Any]) -> tuple[str, int, bool]:
    cpu = raw.get("CpuOptions", {})
    vcpus = int(cpu.get("CoreCount", 0)) * int(cpu.get("ThreadsPerCore", 1))
    return raw["InstanceType"], vcpus, raw.get("InstanceLifecycle") == "spot"


def of_this_machine(url: str, region: str) -> Account:
    """Account of the rehearsal at the URL. moto accepts any credentials."""
    session = boto3.Session(
        aws_access_key_id="rehearsal",
        aws_secret_access_key="rehearsal",  # noqa: S106 - moto takes any
        region_name=region,
    )
    return Account(session, url=url)
