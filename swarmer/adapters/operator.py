"""AWS as an operator asks it: instances, groups, stacks and buckets. Every failure is `aws.Unavailable`."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config

from swarmer.adapters import aws
from swarmer.core import names
from swarmer.core.healing.world import RETAINED
from swarmer.core.state import GroupInstance

SETTINGS: Final = Config(retries={"max_attempts": 2}, connect_timeout=3, read_timeout=20)
IS_ALIVE: Final = {"Name": "instance-state-name", "Values": ["pending", "running"]}
IS_TERMINATED: Final = {"Name": "instance-state-name", "Values": ["terminated"]}
ROLLED_BACK: Final = "ROLLBACK_COMPLETE"
"""Status of a stack whose creation failed. It has no resources, and the CDK deletes it first."""


def group_instance(raw: Mapping[str, Any], user_data: str = "") -> GroupInstance:
    """Instance from one entry of DescribeInstances."""
    tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", ())}
    return GroupInstance(
        id=raw["InstanceId"],
        state=raw["State"]["Name"],
        group=tags[names.TAG_GROUP],
        roles=tuple(tags.get(names.TAG_ROLES, "").split()),
        address=raw.get("PrivateIpAddress") or "",
        zone=raw["Placement"]["AvailabilityZone"],
        user_data=user_data,
    )


@dataclass(frozen=True)
class Account:
    """Account and region behind an endpoint. The credentials are those of a rehearsal."""

    url: str
    region: str

    def instances(self, cluster: str) -> list[GroupInstance]:
        """Instances of the cluster's groups that are alive, with their user-data."""
        ec2 = self._client("ec2")
        with aws.translated():
            found = self._described(cluster, IS_ALIVE)
            return [group_instance(each, _user_data(ec2, each["InstanceId"])) for each in found]

    def terminated(self, cluster: str) -> set[str]:
        """IDs of the cluster's instances that are gone for good."""
        with aws.translated():
            return {each["InstanceId"] for each in self._described(cluster, IS_TERMINATED)}

    def _described(self, cluster: str, state: Mapping[str, Any]) -> list[dict[str, Any]]:
        filters = [
            {"Name": f"tag:{names.TAG_CLUSTER}", "Values": [cluster]},
            {"Name": "tag-key", "Values": [names.TAG_GROUP]},
            state,
        ]
        pages = self._client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
        return [each for page in pages for held in page["Reservations"] for each in held["Instances"]]

    def terminate(self, instance_id: str) -> None:
        """Terminate the instance as the console would."""
        with aws.translated():
            self._client("ec2").terminate_instances(InstanceIds=[instance_id])

    def outdated(self, groups: Sequence[str]) -> set[str]:
        """IDs of instances in service that an older launch template of their group made."""
        return {
            each["InstanceId"]
            for group in self._groups(groups)
            for each in group["Instances"]
            if each["LifecycleState"] == "InService" and each["LaunchTemplate"]["Version"] != _version(group)
        }

    def retained(self, groups: Sequence[str]) -> set[str]:
        """IDs of instances that their group keeps, because their termination was abandoned."""
        listed = (each for group in self._groups(groups) for each in group["Instances"])
        return {each["InstanceId"] for each in listed if each["LifecycleState"] == RETAINED}

    def are_launched(self, groups: Sequence[str]) -> bool:
        """Whether all of the groups exist, and have as many instances as they want."""
        found = self._groups(groups)
        return len(found) == len(groups) and all(
            _living(group) >= int(group["DesiredCapacity"]) for group in found
        )

    def is_busy(self, stack: str) -> bool:
        """Whether the stack is being created, changed or deleted."""
        with aws.translated():
            found = self._client("cloudformation").describe_stacks()["Stacks"]
        return any(
            each["StackName"] == stack and each["StackStatus"].endswith("_IN_PROGRESS") for each in found
        )

    def scale(self, group: str, number: int) -> int | None:
        """Set the group's desired capacity, and return the former one; None if there is no such group."""
        found = self._groups([group])
        if not found:
            return None
        with aws.translated():
            self._client("autoscaling").set_desired_capacity(
                AutoScalingGroupName=group, DesiredCapacity=number
            )
        return int(found[0]["DesiredCapacity"])

    def _groups(self, wanted: Sequence[str]) -> list[dict[str, Any]]:
        with aws.translated():
            pages = self._client("autoscaling").get_paginator("describe_auto_scaling_groups")
            found = pages.paginate(AutoScalingGroupNames=list(wanted))
            return [group for page in found for group in page["AutoScalingGroups"]]

    def parameter(self, name: str) -> str:
        """Value of an SSM parameter."""
        with aws.translated():
            return str(self._client("ssm").get_parameter(Name=name)["Parameter"]["Value"])

    def stacks(self) -> set[str]:
        """Names of the stacks that have resources."""
        with aws.translated():
            found = self._client("cloudformation").describe_stacks()["Stacks"]
        return {each["StackName"] for each in found if each["StackStatus"] != ROLLED_BACK}

    def outputs(self, stack: str) -> dict[str, str]:
        """Outputs of one stack."""
        with aws.translated():
            found = self._client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}

    def ensure_policy(self, name: str, document: str, *, replace: bool) -> None:
        """Create the IAM policy `path/name` if the account lacks it.

        `replace`: whether an existing policy gets the document too.
        """
        path, _, name = f"/{name}".rpartition("/")
        iam = self._client("iam")
        with aws.translated():
            pages = iam.get_paginator("list_policies").paginate(Scope="Local")
            arns = {policy["PolicyName"]: policy["Arn"] for page in pages for policy in page["Policies"]}
            if name not in arns:
                iam.create_policy(PolicyName=name, Path=f"{path}/", PolicyDocument=document)
            elif replace:
                iam.create_policy_version(PolicyArn=arns[name], PolicyDocument=document, SetAsDefault=True)

    def buckets(self) -> set[str]:
        """Names of the account's buckets."""
        with aws.translated():
            return {each["Name"] for each in self._client("s3").list_buckets()["Buckets"]}

    def objects(self, bucket: str) -> list[tuple[str, int]]:
        """Key and bytes of every object in the bucket."""
        with aws.translated():
            pages = self._client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
            return [(each["Key"], each["Size"]) for page in pages for each in page.get("Contents", ())]

    def _client(self, service: str) -> Any:
        return _client(service, self.url, self.region)


@cache
def _client(service: str, url: str, region: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="rehearsal",
        aws_secret_access_key="rehearsal",  # noqa: S106 - moto takes any
        config=SETTINGS,
    )


def _user_data(ec2: Any, instance_id: str) -> str:
    found = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
    return base64.b64decode(found["UserData"].get("Value", "")).decode()


def _living(group: Mapping[str, Any]) -> int:
    return sum(not each["LifecycleState"].startswith("Terminat") for each in group["Instances"])


def _version(group: Mapping[str, Any]) -> str:
    """Version of the launch template that the group's next instance gets."""
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    return str((group.get("LaunchTemplate") or mixed["LaunchTemplateSpecification"])["Version"])
