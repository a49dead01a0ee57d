"""Permissions of a function in AWS: only those that it uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from swarmer.core import names

WHY_ANY_RESOURCE: Final = (
    "Describe* of EC2 and Auto Scaling know no resource-level permissions. Lambda itself makes the network "
    "interfaces of a function in a VPC, and the function's own code is denied them."
)
WHY_ANY_OF_THE_CLUSTER: Final = (
    "Groups come and go with the cluster's stack, which is deployed later: the prefix of their names and "
    "their tag show which are the cluster's. Instances' ids are unknown before they run; their tag shows it."
)
INTERFACES: Final = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]
"""Actions on network interfaces, from the Lambda Developer Guide, 'Giving Lambda functions access to
resources in an Amazon VPC'."""


def function_role(
    scope: Construct,
    construct_id: str,
    *,
    function_name: str,
    log_group: logs.ILogGroup,
    queue: sqs.IQueue,
    dead_letters: sqs.IQueue,
    statements: Iterable[iam.PolicyStatement],
) -> iam.Role:
    """Create the role of one function."""
    own = [
        iam.PolicyStatement(
            sid="WriteLogs",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[log_group.log_group_arn],
        ),
        iam.PolicyStatement(
            sid="ConsumeQueue",
            actions=[
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            ],
            resources=[queue.queue_arn],
        ),
        iam.PolicyStatement(
            sid="SendToDeadLetterQueue", actions=["sqs:SendMessage"], resources=[dead_letters.queue_arn]
        ),
        iam.PolicyStatement(sid="AttachToVpc", actions=INTERFACES, resources=["*"]),
        _deny_interfaces_to_code(scope, function_name),
    ]
    role = iam.Role(
        scope,
        construct_id,
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        # The policies are inline, because a function must not run before its permissions exist.
        inline_policies={
            "Function": iam.PolicyDocument(statements=own),
            "Cluster": iam.PolicyDocument(statements=list(statements)),
        },
    )
    return role


def _deny_interfaces_to_code(scope: Construct, function_name: str) -> iam.PolicyStatement:
    """Deny the function's code the actions that Lambda needs to attach it to the VPC (same guide)."""
    arn = cdk.Stack.of(scope).format_arn(
        service="lambda",
        resource="function",
        resource_name=function_name,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    return iam.PolicyStatement(
        sid="DenyInterfacesToCode",
        effect=iam.Effect.DENY,
        actions=INTERFACES,
        resources=["*"],
        conditions={"ArnEquals": {"lambda:SourceFunctionArn": arn}},
    )


class Permissions:
    """Statements about one cluster, named by their purpose."""

    def __init__(self, scope: Construct, cluster: str) -> None:
        stack, self._prefix = cdk.Stack.of(scope), names.group_prefix(cluster)
        self._has_cluster_tag = {"StringEquals": {f"aws:ResourceTag/{names.TAG_CLUSTER}": cluster}}
        self._groups = stack.format_arn(
            service="autoscaling",
            resource="autoScalingGroup",
            resource_name=f"*:autoScalingGroupName/{self._prefix}*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        self._instances = stack.format_arn(service="ec2", resource="instance", resource_name="*")
        self._cluster_id = stack.format_arn(
            service="ssm", resource="parameter", resource_name=names.identity_parameter(cluster)[1:]
        )

    @property
    def wildcards(self) -> tuple[str, ...]:
        """Resources with a wildcard, as cdk-nag writes them."""
        place = "<AWS::Region>:<AWS::AccountId>"
        groups = f"autoscaling:{place}:autoScalingGroup:*:autoScalingGroupName/{self._prefix}*"
        return f"arn:<AWS::Partition>:{groups}", f"arn:<AWS::Partition>:ec2:{place}:instance/*"

    def describe_cluster(self) -> iam.PolicyStatement:
        """Allow describing groups and instances. Both actions lack resource-level permissions (Service
        Authorization Reference, EC2 and EC2 Auto Scaling)."""
        return iam.PolicyStatement(
            sid="DescribeCluster",
            actions=["autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances"],
            resources=["*"],
        )

    def read_scaling_activities(self) -> iam.PolicyStatement:
        """Allow reading failed launches. The action lacks resource-level permissions, too."""
        return iam.PolicyStatement(
            sid="ReadScalingActivities", actions=["autoscaling:DescribeScalingActivities"], resources=["*"]
        )

    def read_cluster_id(self) -> iam.PolicyStatement:
        """Allow reading the ID of the cluster's own Swarm."""
        return iam.PolicyStatement(
            sid="ReadClusterId", actions=["ssm:GetParameter"], resources=[self._cluster_id]
        )

    def complete_lifecycle_actions(self) -> iam.PolicyStatement:
        """Allow answering hooks and restarting their timeout."""
        return self._on_groups(
            "CompleteLifecycleActions",
            "autoscaling:CompleteLifecycleAction",
            "autoscaling:RecordLifecycleActionHeartbeat",
        )

    def suspend_launches(self) -> iam.PolicyStatement:
        """Allow suspending launches: the breaker. Only an operator resumes them."""
        return self._on_groups("SuspendLaunches", "autoscaling:SuspendProcesses")

    def end_retained_nodes(self) -> iam.PolicyStatement:
        """Allow ending instances that Auto Scaling keeps after an abandoned termination."""
        return self._on_groups("EndRetainedNodes", "autoscaling:TerminateInstanceInAutoScalingGroup")

    def replace_nodes(self) -> iam.PolicyStatement:
        return self._on_groups("ReplaceNodes", "autoscaling:SetInstanceHealth")

    def read_console_output(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid="ReadConsoleOutput",
            actions=["ec2:GetConsoleOutput"],
            resources=[self._instances],
            conditions=self._has_cluster_tag,
        )

    def _on_groups(self, sid: str, *actions: str) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid=sid, actions=list(actions), resources=[self._groups], conditions=self._has_cluster_tag
        )
