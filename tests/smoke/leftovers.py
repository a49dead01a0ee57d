"""Resources of the cluster that the account still has: each is asked for at its own service.

CloudFormation's word alone is no proof, because it forgets what a failed deletion leaves behind.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from swarmer.adapters import aws
from swarmer.adapters.account import Account
from swarmer.adapters.stacks import StackResource, Stacks
from swarmer.core import names

ID: Final = "{id}"
"""Word for the physical ID in the arguments of a call."""
LAYER: Final = "{layer}"
"""Word for the name of a layer in the ARN of its version."""
GONE: Final = ("notfound", "nosuch", "nonexistent", "404", "invaliddocument", "doesnotexist")
"""Parts of AWS's error codes for something that does not exist."""


@dataclass(frozen=True)
class Question:
    """Call that tells whether a resource exists."""

    service: str
    operation: str
    arguments: Mapping[str, Any]
    key: str = ""
    """Key of the list that the call answers; empty: the call fails if the resource does not exist."""
    field: str = ""
    """Key of an entry of the list that has to equal the ID; empty: every entry counts."""


def _by_filter(operation: str, name: str, key: str, filters: str = "Filters") -> Question:
    return Question("ec2", operation, {filters: [{"Name": name, "Values": [ID]}]}, key)


QUESTIONS: Final[Mapping[str, Question]] = {
    "AWS::AutoScaling::AutoScalingGroup": Question(
        "autoscaling", "describe_auto_scaling_groups", {"AutoScalingGroupNames": [ID]}, "AutoScalingGroups"
    ),
    "AWS::CloudWatch::Alarm": Question("cloudwatch", "describe_alarms", {"AlarmNames": [ID]}, "MetricAlarms"),
    "AWS::EC2::EIP": _by_filter("describe_addresses", "public-ip", "Addresses"),
    "AWS::EC2::FlowLog": Question(
        "ec2", "describe_flow_logs", {"Filter": [{"Name": "flow-log-id", "Values": [ID]}]}, "FlowLogs"
    ),
    "AWS::EC2::InternetGateway": _by_filter(
        "describe_internet_gateways", "internet-gateway-id", "InternetGateways"
    ),
    "AWS::EC2::LaunchTemplate": Question(
        "ec2", "describe_launch_templates", {}, "LaunchTemplates", "LaunchTemplateId"
    ),
    "AWS::EC2::NatGateway": Question(
        "ec2",
        "describe_nat_gateways",
        {
            "Filter": [
                {"Name": "nat-gateway-id", "Values": [ID]},
                {"Name": "state", "Values": ["pending", "available", "deleting"]},
            ]
        },
        "NatGateways",
    ),
    "AWS::EC2::RouteTable": _by_filter("describe_route_tables", "route-table-id", "RouteTables"),
    "AWS::EC2::SecurityGroup": _by_filter("describe_security_groups", "group-id", "SecurityGroups"),
    "AWS::EC2::Subnet": _by_filter("describe_subnets", "subnet-id", "Subnets"),
    "AWS::EC2::VPC": _by_filter("describe_vpcs", "vpc-id", "Vpcs"),
    "AWS::EC2::VPCEndpoint": Question(
        "ec2", "describe_vpc_endpoints", {"VpcEndpointIds": [ID]}, "VpcEndpoints"
    ),
    "AWS::Events::Rule": Question("events", "describe_rule", {"Name": ID}),
    "AWS::IAM::InstanceProfile": Question("iam", "get_instance_profile", {"InstanceProfileName": ID}),
    "AWS::IAM::ManagedPolicy": Question("iam", "get_policy", {"PolicyArn": ID}),
    "AWS::IAM::Role": Question("iam", "get_role", {"RoleName": ID}),
    "AWS::Lambda::EventSourceMapping": Question("lambda", "get_event_source_mapping", {"UUID": ID}),
    "AWS::Lambda::Function": Question("lambda", "get_function", {"FunctionName": ID}),
    "AWS::Lambda::LayerVersion": Question(
        "lambda", "list_layer_versions", {"LayerName": LAYER}, "LayerVersions", "LayerVersionArn"
    ),
    "AWS::Logs::LogGroup": Question(
        "logs", "describe_log_groups", {"logGroupNamePrefix": ID}, "logGroups", "logGroupName"
    ),
    "AWS::Logs::ResourcePolicy": Question(
        "logs", "describe_resource_policies", {}, "resourcePolicies", "policyName"
    ),
    "AWS::S3::Bucket": Question("s3", "head_bucket", {"Bucket": ID}),
    "AWS::SQS::Queue": Question("sqs", "get_queue_attributes", {"QueueUrl": ID}),
    "AWS::SSM::Document": Question("ssm", "describe_document", {"Name": ID}),
    "AWS::SSM::Parameter": Question("ssm", "get_parameter", {"Name": ID}),
}
"""Question for each type of resource in the templates."""
PARTS: Final = frozenset(
    (
        *("AWS::EC2::Route", "AWS::EC2::SecurityGroupEgress", "AWS::EC2::SecurityGroupIngress"),
        *("AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::VPCGatewayAttachment", "AWS::IAM::Policy"),
        *("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::CDK::Metadata", "AWS::Lambda::Permission"),
    )
)
"""Types of resources that are a part of another one, and go with it."""
STACK: Final = "stack"
"""Kind of what is left if it is a stack of CloudFormation."""
TAG_FILTER: Final = f"tag:{names.TAG_CLUSTER}"
NOT_TERMINATED: Final = ("pending", "running", "shutting-down", "stopping", "stopped")


@dataclass(frozen=True, kw_only=True)
class Left:
    """Something of the cluster that the account still has."""

    kind: str
    id: str
    stack: str = ""
    is_retained: bool = False
    """Whether it is meant to outlive the cluster."""

    def __str__(self) -> str:
        return f"{self.kind} {self.id}" + (" (is meant to stay)" if self.is_retained else "")


def recorded(account: Account, cluster: str) -> list[StackResource]:
    """Resources of the cluster's stacks that exist. Raises aws.Unavailable."""
    stacks = Stacks(account)
    found = stacks.described(names.stack_names(cluster))
    return [each for stack in found.values() for each in stacks.resources(stack) if each.id]


def still_there(account: Account, resources: Iterable[StackResource]) -> list[Left]:
    """Recorded resources that their own services still know. Raises aws.Unavailable."""
    return [
        Left(kind=each.kind, id=each.id, stack=each.stack, is_retained=each.is_retained)
        for each in resources
        if each.kind not in PARTS and exists(account, each.kind, each.id)
    ]


def exists(account: Account, kind: str, resource_id: str) -> bool:
    """Whether the resource's own service knows it. Raises aws.Unavailable, and KeyError for a new type."""
    question = QUESTIONS[kind]
    arguments = _with_id(question.arguments, resource_id)
    try:
        with aws.translated():
            client = account.client(question.service)
            if question.key and client.can_paginate(question.operation):
                pages = client.get_paginator(question.operation).paginate(**arguments)
            else:
                pages = [getattr(client, question.operation)(**arguments)]
            entries = [each for page in pages for each in page.get(question.key, ())]
    except aws.Refused as exc:
        if any(part in exc.code.lower() for part in GONE):
            return False
        raise
    if not question.key:
        return True
    return any(not question.field or each[question.field] == resource_id for each in entries)


def _with_id(arguments: Mapping[str, Any], resource_id: str) -> dict[str, Any]:
    """Arguments with the ID, which has no quotes, in its places."""
    words = {ID: resource_id, LAYER: resource_id.rpartition(":")[0].rpartition(":")[2]}
    text = json.dumps(arguments)
    for word, value in words.items():
        text = text.replace(word, value)
    found: dict[str, Any] = json.loads(text)
    return found


def made_by_aws(account: Account, cluster: str, resources: Sequence[StackResource]) -> list[Left]:
    """Resources that AWS made for the cluster without a template: instances, volumes, interfaces, stacks."""
    ec2 = account.client("ec2")
    own = {"Name": TAG_FILTER, "Values": [cluster]}
    alive = {"Name": "instance-state-name", "Values": list(NOT_TERMINATED)}
    vpcs = [each.id for each in resources if each.kind == "AWS::EC2::VPC"]
    with aws.translated():
        pages = ec2.get_paginator("describe_instances").paginate(Filters=[own, alive])
        instances = [each for page in pages for held in page["Reservations"] for each in held["Instances"]]
        volumes = ec2.describe_volumes(Filters=[own])["Volumes"]
        asked = [{"Name": "vpc-id", "Values": vpcs}]
        interfaces = ec2.describe_network_interfaces(Filters=asked)["NetworkInterfaces"] if vpcs else []
    stacks = Stacks(account).described(names.stack_names(cluster))
    return [
        *(Left(kind=STACK, id=f"{each.name} ({each.status})", stack=each.name) for each in stacks.values()),
        *(Left(kind="AWS::EC2::Instance", id=each["InstanceId"]) for each in instances),
        *(Left(kind="AWS::EC2::Volume", id=each["VolumeId"]) for each in volumes),
        *(Left(kind="AWS::EC2::NetworkInterface", id=each["NetworkInterfaceId"]) for each in interfaces),
    ]


def everything(account: Account, cluster: str, resources: Sequence[StackResource]) -> list[Left]:
    """All that the account has of the cluster. Raises aws.Unavailable."""
    return [*made_by_aws(account, cluster, resources), *still_there(account, resources)]


def summary(left: Sequence[Left]) -> list[str]:
    """Lines for a person: each stack with the number of its resources, and what is in no stack."""
    stacks = {each.stack for each in left if each.kind == STACK}
    inside = Counter(each.stack for each in left if each.kind != STACK and each.stack in stacks)
    return [
        f"{each} with {inside[each.stack]} resources" if each.kind == STACK else str(each)
        for each in left
        if each.kind == STACK or each.is_retained or each.stack not in stacks
    ]


def removal(bucket: str) -> str:
    """Shell command that empties a retained bucket, old versions included, and deletes it."""
    code = (
        f"import boto3; b = boto3.resource('s3').Bucket('{bucket}'); b.object_versions.delete(); b.delete()"
    )
    return f'.venv/bin/python -c "{code}"'
