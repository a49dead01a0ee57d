"""Documents, logs, events and policies with which people and the command operate a cluster by AWS's APIs.

They are in the functions' stack, so they exist before the first node, and stay if the nodes' stack fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.command_documents import exec_document, status_document
from stacks.people import WHY_ANY_OF_THE_PEOPLE, PeoplePermissions
from swarmer.core import names
from swarmer.core.cluster import Cluster
from swarmer.core.healing.events import AUTO_SCALING, EC2

OUTPUT_RETENTION: Final = logs.RetentionDays.ONE_WEEK
"""Retention of the output of commands. The output is read while a command runs, and may hold anything."""
EVENTS_RETENTION: Final = logs.RetentionDays.THREE_MONTHS
"""Retention of the groups' events, that of the functions' logs."""
SPOT_WARNING: Final = "EC2 Spot Instance Interruption Warning"
WRITERS: Final = ("events.amazonaws.com", "delivery.logs.amazonaws.com")
"""Services that write the events of a rule.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html"""


class Operations(Construct):
    """Documents, logs and policies for people. Results: `viewer` and `operator`, the managed policies."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster: Cluster,
        bucket: s3.IBucket,
        function_logs: Sequence[logs.ILogGroup],
    ) -> None:
        """`bucket`: the registry's. `function_logs`: logs of the functions, which viewers may read."""
        super().__init__(scope, construct_id)
        self._name = cluster.name
        status_document(self, "Status", self._name)
        exec_document(self, "Exec", self._name)
        output = self._log_group("Output", names.exec_log_group(self._name), OUTPUT_RETENTION)
        happened = self._log_group("Events", names.events_log_group(self._name), EVENTS_RETENTION)
        self._record_events(happened, has_spot=any(group.spot for group in cluster.groups))
        permissions, region = PeoplePermissions(self, self._name), cdk.Stack.of(self).region
        looking = [
            permissions.list_everything(),
            permissions.read_stacks(),
            permissions.read_alarms(),
            permissions.read_events([*function_logs, happened]),
            permissions.ask_for_reports(),
            permissions.send_to_nodes(),
        ]
        running = [
            permissions.run_commands(),
            permissions.cancel_commands(),
            permissions.read_output(output),
            permissions.start_sessions(),
            permissions.use_session_documents(),
            permissions.open_sessions(),
            permissions.end_own_sessions(),
            permissions.scale_groups(),
            permissions.restart_nodes(),
            permissions.list_images(bucket),
        ]
        self.viewer = self._policy("Viewer", names.viewer_policy(self._name, region), looking)
        self.operator = self._policy(
            "Operator", names.operator_policy(self._name, region), [*looking, *running]
        )
        acknowledge = cdk.Validations.of(self).acknowledge
        for resource in permissions.wildcards:
            finding = f"AwsSolutions-IAM5[Resource::{resource}]"
            acknowledge(cdk.Acknowledgment(id=finding, reason=WHY_ANY_OF_THE_PEOPLE))

    def _log_group(self, construct_id: str, name: str, retention: logs.RetentionDays) -> logs.LogGroup:
        return logs.LogGroup(
            self,
            construct_id,
            log_group_name=name,
            retention=retention,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )

    def _record_events(self, log_group: logs.LogGroup, *, has_spot: bool) -> None:
        """Record Auto Scaling's events of the cluster's groups, and EC2's warnings about spot instances.

        The CDK's own target would add a function that writes the resource policy.
        """
        arn = cdk.Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name=log_group.log_group_name,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        prefix = names.group_prefix(self._name)
        of_groups = {"source": [AUTO_SCALING], "detail": {"AutoScalingGroupName": [{"prefix": prefix}]}}
        self._rule("GroupEvents", "Every event of the cluster's groups", arn, of_groups)
        if has_spot:
            # The event names no group, so the rule matches every spot instance of the account.
            warnings = {"source": [EC2], "detail-type": [SPOT_WARNING]}
            self._rule("SpotWarnings", "Warnings before spot instances are interrupted", arn, warnings)
        logs.CfnResourcePolicy(
            self,
            "EventsPolicy",
            policy_name=f"{self._name}-events",
            policy_document=cdk.Stack.of(self).to_json_string(_may_write(f"{arn}:*")),
        )

    def _rule(self, construct_id: str, description: str, target: str, pattern: Mapping[str, object]) -> None:
        events.CfnRule(
            self,
            construct_id,
            description=description,
            event_pattern=pattern,
            targets=[events.CfnRule.TargetProperty(arn=target, id="Log")],
        )

    def _policy(
        self, construct_id: str, name: str, statements: list[iam.PolicyStatement]
    ) -> iam.CfnManagedPolicy:
        # The policy has no description, because a changed description would need another name.
        return iam.CfnManagedPolicy(
            self,
            construct_id,
            managed_policy_name=name,
            policy_document=iam.PolicyDocument(statements=statements),
        )


def _may_write(streams: str) -> dict[str, object]:
    """Return the policy that lets EventBridge write to the streams of a log group."""
    statement = {
        "Sid": "WriteEvents",
        "Effect": "Allow",
        "Principal": {"Service": list(WRITERS)},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": streams,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
