"""AWS for an operator's commands: instances, groups, stacks and buckets. Every failure is
`aws.Unavailable`."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config

from swarmer.adapters import aws, instances
from swarmer.core import names
from swarmer.core.healing.world import RETAINED
from swarmer.core.state import GroupInstance

USUAL: Final = Config(
    retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=20, tcp_keepalive=True
)
"""Settings of clients of AWS, because AWS throttles."""
OF_THIS_MACHINE: Final = Config(retries={"max_attempts": 2}, connect_timeout=3, read_timeout=20)
"""Settings of clients of a rehearsal, because it answers at once or never."""
NO_SUCH_STACK: Final = "does not exist"
"""Words of CloudFormation for a stack that does not exist."""
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


class Account:
    """Account and region of a session. Its credentials come from the usual chain, or from a rehearsal.

    `url`: endpoint of every service, if it is not AWS's own.
    """

    def __init__(self, session: boto3.Session, url: str | None = None, settings: Config = USUAL) -> None:
        self._session, self._url, self._settings = session, url, settings
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()  # a session must create one client at a time
        self.calls: list[str] = []
        """Requests so far, retries included, by service and operation: `ec2.DescribeInstances`."""
        session.events.register("before-send", self._count)

    @property
    def region(self) -> str:
        """Region of the session; empty if none is set."""
        return self._session.region_name or ""

    def id(self) -> str:
        """ID of the account."""
        with aws.translated():
            return str(self.client("sts").get_caller_identity()["Account"])

    def client(self, service: str) -> Any:
        """Client of a service, made once."""
        with self._lock, aws.translated():
            if service not in self._clients:
                made = self._session.client(service, endpoint_url=self._url, config=self._settings)
                self._clients[service] = made
            return self._clients[service]

    def _count(self, event_name: str, **_: Any) -> None:
        self.calls.append(event_name.removeprefix("before-send."))

    def members(self, cluster: str) -> list[GroupInstance]:
        """Living instances of the cluster's groups, without their user-data."""
        with aws.translated():
            return list(map(group_instance, self._described(cluster, IS_ALIVE)))

    def instances(self, cluster: str) -> list[GroupInstance]:
        """Living instances of the cluster's groups, with their user-data."""
        ec2 = self.client("ec2")
        with aws.translated():
            found = self._described(cluster, IS_ALIVE)
            return [group_instance(each, _user_data(ec2, each["InstanceId"])) for each in found]

    def state(self, instance_id: str) -> str:
        """State of an instance in EC2's words; terminated if EC2 has forgotten it."""
        asked = [{"Name": "instance-id", "Values": [instance_id]}]
        with aws.translated():
            found = self.client("ec2").describe_instances(Filters=asked)["Reservations"]
        states = [str(each["State"]["Name"]) for held in found for each in held["Instances"]]
        return states[0] if states else "terminated"

    def console(self, instance_id: str) -> str:
        """End of the instance's console output; empty if EC2 has none."""
        return instances.console_of(self.client("ec2"), instance_id)

    def reboot(self, ids: Sequence[str]) -> None:
        """Reboot the instances."""
        with aws.translated():
            self.client("ec2").reboot_instances(InstanceIds=list(ids))

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
        pages = self.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
        return [each for page in pages for held in page["Reservations"] for each in held["Instances"]]

    def terminate(self, instance_id: str) -> None:
        """Terminate the instance like the console of AWS."""
        with aws.translated():
            self.client("ec2").terminate_instances(InstanceIds=[instance_id])

    def outdated(self, groups: Sequence[str]) -> set[str]:
        """IDs of instances in service from an older launch template of their group."""
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
        """Whether all groups exist, with their desired number of instances."""
        found = self._groups(groups)
        return len(found) == len(groups) and all(
            _living(group) >= int(group["DesiredCapacity"]) for group in found
        )

    def is_busy(self, stack: str) -> bool:
        """Whether the stack is being created, changed or deleted."""
        with aws.translated():
            found = self.client("cloudformation").describe_stacks()["Stacks"]
        return any(
            each["StackName"] == stack and each["StackStatus"].endswith("_IN_PROGRESS") for each in found
        )

    def scale(self, group: str, number: int) -> int | None:
        """Set the group's desired capacity, and return the former one; None if there is no such group."""
        found = self._groups([group])
        if not found:
            return None
        with aws.translated():
            self.client("autoscaling").set_desired_capacity(
                AutoScalingGroupName=group, DesiredCapacity=number
            )
        return int(found[0]["DesiredCapacity"])

    def resume_launches(self, group: str) -> None:
        """Let the group launch instances again."""
        with aws.translated():
            self.client("autoscaling").resume_processes(
                AutoScalingGroupName=group, ScalingProcesses=["Launch"]
            )

    def _groups(self, wanted: Sequence[str]) -> list[dict[str, Any]]:
        with aws.translated():
            pages = self.client("autoscaling").get_paginator("describe_auto_scaling_groups")
            found = pages.paginate(AutoScalingGroupNames=list(wanted))
            return [group for page in found for group in page["AutoScalingGroups"]]

    def parameter(self, name: str) -> str:
        """Value of an SSM parameter."""
        with aws.translated():
            return str(self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])

    def stacks(self) -> set[str]:
        """Names of the stacks with resources."""
        with aws.translated():
            found = self.client("cloudformation").describe_stacks()["Stacks"]
        return {each["StackName"] for each in found if each["StackStatus"] != ROLLED_BACK}

    def outputs(self, stack: str) -> dict[str, str]:
        """Outputs of one stack."""
        with aws.translated():
            found = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}

    def outputs_if_any(self, stack: str) -> dict[str, str] | None:
        """Outputs of one stack; None if there is no such stack."""
        try:
            return self.outputs(stack)
        except aws.Refused as exc:
            if NO_SUCH_STACK in str(exc):
                return None
            raise

    def ensure_policy(self, name: str, document: str, *, replace: bool) -> None:
        """Create the IAM policy `path/name` if the account lacks it.

        `replace`: whether an existing policy gets the document too.
        """
        path, _, name = f"/{name}".rpartition("/")
        iam = self.client("iam")
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
            return {each["Name"] for each in self.client("s3").list_buckets()["Buckets"]}

    def objects(self, bucket: str) -> list[tuple[str, int]]:
        """Key and bytes of every object in the bucket."""
        with aws.translated():
            pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
            return [(each["Key"], each["Size"]) for page in pages for each in page.get("Contents", ())]


@cache
def of_this_machine(url: str, region: str) -> Account:
    """Account of the rehearsal at the URL, made once. moto accepts any credentials."""
    session = boto3.Session(
        aws_access_key_id="rehearsal",
        aws_secret_access_key="rehearsal",  # noqa: S106 - moto takes any
        region_name=region,
    )
    return Account(session, url, OF_THIS_MACHINE)


def usual(region: str = "") -> Account:
    """Account of the usual credentials: environment, profile, SSO, web identity, instance's role …

    `region`: the region of the description; if empty, that of the environment or the profile.
    """
    with aws.translated():
        # The CDK's command reads this variable first; boto3 ignores it.
        return Account(boto3.Session(region_name=region or os.environ.get("AWS_REGION") or None))


def _user_data(ec2: Any, instance_id: str) -> str:
    found = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
    return base64.b64decode(found["UserData"].get("Value", "")).decode()


def _living(group: Mapping[str, Any]) -> int:
    return sum(not each["LifecycleState"].startswith("Terminat") for each in group["Instances"])


def _version(group: Mapping[str, Any]) -> str:
    """Version of the launch template for the group's next instance."""
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    return str((group.get("LaunchTemplate") or mixed["LaunchTemplateSpecification"])["Version"])
