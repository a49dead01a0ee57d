"""Permissions of people in AWS: viewers observe the cluster, operators run it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from swarmer.core import names

SESSION_DOCUMENTS: Final = ("AWS-StartInteractiveCommand", "AWS-StartPortForwardingSessionToRemoteHost")
"""AWS's own documents for a session that follows a log, and for one that forwards a port."""
SHELL_DOCUMENT: Final = "SSM-SessionManagerRunShell"
"""Document for a shell: that of the account, or the service's default."""
OWN_SESSION: Final = "ssm:resourceTag/aws:ssmmessages:session-id"
"""Condition key of a tag that Session Manager puts on each session: the user ID of the person who started it.

Session IDs begin with the name of a role's session, so no pattern of ARNs with `${aws:userid}` matches them.
https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-examples.html"""
WHY_ANY_OF_THE_PEOPLE: Final = (
    "IDs of stacks and names of alarms come from CloudFormation, and IDs of sessions from Session Manager. "
    "Prefix, account or tag limit each of them."
)


class PeoplePermissions:
    """Statements about one cluster for people, named by their purpose."""

    def __init__(self, scope: Construct, cluster: str) -> None:
        self._stack, self._cluster = cdk.Stack.of(scope), cluster
        self._instances = self._stack.format_arn(service="ec2", resource="instance", resource_name="*")

    @property
    def wildcards(self) -> tuple[str, ...]:
        """Resources with a wildcard that only people have, as cdk-nag writes them."""
        place = "<AWS::Region>:<AWS::AccountId>"
        resources = (
            f"cloudformation:{place}:stack/{self._cluster}-*/*",
            f"cloudwatch:{place}:alarm:*",
            f"ssm:{place}:session/*",
        )
        return tuple(f"arn:<AWS::Partition>:{each}" for each in resources)

    # -- looking ------------------------------------------------------------------------------------

    def list_everything(self) -> iam.PolicyStatement:
        """Allow lists and descriptions without resource-level permissions (Service Authorization
        Reference)."""
        return iam.PolicyStatement(
            sid="ListEverything",
            actions=[
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeScalingActivities",
                "cloudformation:ListStacks",
                "ec2:DescribeInstances",
                "ssm:DescribeInstanceInformation",
                "ssm:ListCommandInvocations",
            ],
            resources=["*"],
        )

    def read_stacks(self) -> iam.PolicyStatement:
        """Allow reading the outputs and states of the cluster's stacks."""
        stacks = self._stack.format_arn(
            service="cloudformation", resource="stack", resource_name=f"{self._cluster}-*/*"
        )
        return iam.PolicyStatement(
            sid="ReadStacks", actions=["cloudformation:DescribeStacks"], resources=[stacks]
        )

    def read_alarms(self) -> iam.PolicyStatement:
        """Allow reading alarms. No source documents the resource of a request by prefix."""
        alarms = self._stack.format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name="*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return iam.PolicyStatement(
            sid="ReadAlarms", actions=["cloudwatch:DescribeAlarms"], resources=[alarms]
        )

    def read_events(self, log_groups: Iterable[logs.ILogGroup]) -> iam.PolicyStatement:
        """Allow reading the logs of the functions and of the groups' events."""
        return iam.PolicyStatement(
            sid="ReadEvents",
            actions=["logs:FilterLogEvents"],
            resources=[each.log_group_arn for each in log_groups],
        )

    def ask_for_reports(self) -> iam.PolicyStatement:
        """Allow sending the document without parameters."""
        return self._send("AskForReports", names.status_document(self._cluster))

    def send_to_nodes(self) -> iam.PolicyStatement:
        """Allow the cluster's instances as targets of documents that another statement allows."""
        return self._on_tagged("SendToNodes", "ssm:SendCommand")

    # -- running ------------------------------------------------------------------------------------

    def run_commands(self) -> iam.PolicyStatement:
        """Allow sending the document that runs any command."""
        return self._send("RunCommands", names.exec_document(self._cluster))

    def cancel_commands(self) -> iam.PolicyStatement:
        """Allow cancelling commands; the action lacks resource-level permissions."""
        return iam.PolicyStatement(sid="CancelCommands", actions=["ssm:CancelCommand"], resources=["*"])

    def read_output(self, log_group: logs.ILogGroup) -> iam.PolicyStatement:
        """Allow reading the output of commands, also of other operators' commands."""
        return iam.PolicyStatement(
            sid="ReadOutput", actions=["logs:GetLogEvents"], resources=[log_group.log_group_arn]
        )

    def start_sessions(self) -> iam.PolicyStatement:
        """Allow sessions on the cluster's instances, with documents that another statement allows."""
        return self._on_tagged("StartSessions", "ssm:StartSession")

    def use_session_documents(self) -> iam.PolicyStatement:
        """Allow sessions for a shell, a log that is followed, or a forwarded port."""
        own = self._stack.format_arn(service="ssm", resource="document", resource_name=SHELL_DOCUMENT)
        of_aws = [
            self._stack.format_arn(service="ssm", account="", resource="document", resource_name=each)
            for each in SESSION_DOCUMENTS
        ]
        return iam.PolicyStatement(
            sid="UseSessionDocuments", actions=["ssm:StartSession"], resources=[own, *of_aws]
        )

    def open_sessions(self) -> iam.PolicyStatement:
        """Allow the data channel of a session; the action lacks resource-level permissions."""
        return iam.PolicyStatement(
            sid="OpenSessions", actions=["ssmmessages:OpenDataChannel"], resources=["*"]
        )

    def end_own_sessions(self) -> iam.PolicyStatement:
        sessions = self._stack.format_arn(service="ssm", resource="session", resource_name="*")
        return iam.PolicyStatement(
            sid="EndOwnSessions",
            actions=["ssm:ResumeSession", "ssm:TerminateSession"],
            resources=[sessions],
            conditions={"StringEquals": {OWN_SESSION: "${aws:userid}"}},
        )

    def scale_groups(self) -> iam.PolicyStatement:
        """Allow another size of the cluster's groups, and launches after the breaker suspended them."""
        groups = self._stack.format_arn(
            service="autoscaling",
            resource="autoScalingGroup",
            resource_name=f"*:autoScalingGroupName/{names.group_prefix(self._cluster)}*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return iam.PolicyStatement(
            sid="ScaleGroups",
            actions=["autoscaling:ResumeProcesses", "autoscaling:SetDesiredCapacity"],
            resources=[groups],
            conditions=self._has_tag("aws:ResourceTag"),
        )

    def restart_nodes(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid="RestartNodes",
            actions=["ec2:GetConsoleOutput", "ec2:RebootInstances", "ec2:TerminateInstances"],
            resources=[self._instances],
            conditions=self._has_tag("aws:ResourceTag"),
        )

    def list_images(self, bucket: s3.IBucket) -> iam.PolicyStatement:
        """Allow listing the registry's objects, not reading them."""
        return iam.PolicyStatement(sid="ListImages", actions=["s3:ListBucket"], resources=[bucket.bucket_arn])

    # -- parts --------------------------------------------------------------------------------------

    def _send(self, sid: str, document: str) -> iam.PolicyStatement:
        arn = self._stack.format_arn(service="ssm", resource="document", resource_name=document)
        return iam.PolicyStatement(sid=sid, actions=["ssm:SendCommand"], resources=[arn])

    def _on_tagged(self, sid: str, action: str) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid=sid,
            actions=[action],
            resources=[self._instances],
            conditions=self._has_tag("ssm:resourceTag"),
        )

    def _has_tag(self, key: str) -> dict[str, dict[str, str]]:
        return {"StringEquals": {f"{key}/{names.TAG_CLUSTER}": self._cluster}}
