"""Stack of the functions that heal the cluster, and of the documents and policies for its operators.

The stack exists before the first node and refers to none.

Events take the way EventBridge → SQS → function. Rules match the groups by the prefix of their names. The
groups and their hooks belong to the cluster's stack.
"""

from __future__ import annotations

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks import function_code
from stacks.alarm_topic import mail_topic
from stacks.function import Function
from stacks.function_role import WHY_ANY_OF_THE_CLUSTER, WHY_ANY_RESOURCE, Permissions
from stacks.network import NetworkStack
from stacks.operations import Operations
from stacks.registry import RegistryStack
from swarmer.core import alarms, names
from swarmer.core.cluster import Cluster
from swarmer.core.healing import departure, pacing
from swarmer.core.healing.events import AUTO_SCALING, EC2, LAUNCH, RESULTS, STATE_CHANGE, TERMINATE
from swarmer.core.healing.metrics import Metric

MINUTE: Final = cdk.Duration.minutes(1)
EVERY_MINUTE: Final = events.Schedule.rate(MINUTE)
"""Schedule of the periodic functions."""
STATES: Final = ["stopping", "stopped", "shutting-down", "terminated"]
"""EC2 instance states in which an instance no longer serves as a node."""
SPARE_RECEIVES: Final = 20
"""Number of receives for failed tries, in addition to the receives for waiting."""
SWEEP_MEMORY_MB: Final = 1024
"""Memory in MB of the sweep, chosen for the processor that comes with it. The sweep of 5,000 nodes takes 0.9
s of a whole processor, so 6 s with 256 MB and 1.6 s with this. The memory itself is not needed."""
WHY_PYTHON_3_13: Final = (
    "Python 3.13 on purpose: node image and rehearsal have the same, so the functions are rehearsed on the "
    "Python that runs them."
)


class HealingStack(cdk.Stack):
    """Stack of the functions.

    Results: `register_node`, `deregister_node`, `heal_registry`, `reconcile_cluster`, `layer`, `operations`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster: Cluster,
        network: NetworkStack,
        registry: RegistryStack,
        description: str,
    ) -> None:
        super().__init__(scope, construct_id, description=description)
        self._cluster, self._network = cluster, network
        self._permissions = Permissions(self, cluster.name)
        self.layer = function_code.layer(self, "Layer")
        self.register_node = self._register_node()
        self.deregister_node = self._deregister_node()
        self.heal_registry = self._heal_registry()
        self.reconcile_cluster = self._reconcile_cluster()
        functions = (self.register_node, self.deregister_node, self.heal_registry, self.reconcile_cluster)
        self.operations = Operations(
            self,
            "Operations",
            cluster=cluster,
            bucket=registry.bucket,
            function_logs=[each.log_group for each in functions],
        )
        self._add_policy_outputs()
        self._add_quorum_alarms()
        self._add_retention_alarms()
        self._notify_on_alarms()
        self._acknowledge()

    # -- functions ------------------------------------------------------------------------------

    def _register_node(self) -> Function:
        healing, permissions = self._cluster.healing, self._permissions
        made = self._function(
            "RegisterNode",
            folder="register_node",
            statements=[
                permissions.describe_cluster(),
                permissions.read_scaling_activities(),
                permissions.read_cluster_id(),
                permissions.complete_lifecycle_actions(),
                permissions.suspend_launches(),
                permissions.read_console_output(),
            ],
            environment={
                "BOOT_DEADLINE_S": str(healing.boot_deadline),
                "FAILED_BOOTS": str(healing.failed_boots),
            },
            max_receive_count=_max_receive_count(
                healing.boot_deadline + departure.QUORUM_TIMEOUT_S + pacing.LAUNCH_MARGIN_S
            ),
            max_message_age_s=healing.boot_deadline + pacing.LAUNCH_MARGIN_S,
            concurrency=10,
            delay_s=pacing.INITIAL_DELAY_S,
        )
        made.add_trigger("Launches", "Launch hooks of the cluster's groups", **self._from_groups(LAUNCH))
        return made

    def _deregister_node(self) -> Function:
        permissions = self._permissions
        made = self._function(
            "DeregisterNode",
            folder="deregister_node",
            statements=[
                permissions.describe_cluster(),
                permissions.read_cluster_id(),
                permissions.complete_lifecycle_actions(),
            ],
            environment={},
            max_receive_count=_max_receive_count(departure.DEPARTURE_TIMEOUT_S),
            max_message_age_s=round(departure.QUORUM_TIMEOUT_S / 2),
            concurrency=10,
        )
        made.add_trigger(
            "Terminations", "Termination hooks of the cluster's groups", **self._from_groups(TERMINATE)
        )
        return made

    def _heal_registry(self) -> Function:
        permissions = self._permissions
        made = self._function(
            "HealRegistry",
            folder="heal_registry",
            statements=[permissions.describe_cluster()],
            environment={},
            max_receive_count=SPARE_RECEIVES,
            max_message_age_s=300,
            concurrency=2,
        )
        made.add_trigger("EveryMinute", "Checks the registry's holder", schedule=EVERY_MINUTE)
        made.alarm(alarms.NO_REGISTRY, made.metric(Metric.NO_REGISTRY))
        return made

    def _reconcile_cluster(self) -> Function:
        healing, permissions = self._cluster.healing, self._permissions
        made = self._function(
            "ReconcileCluster",
            folder="reconcile_cluster",
            statements=[
                permissions.describe_cluster(),
                permissions.read_scaling_activities(),
                permissions.read_cluster_id(),
                permissions.complete_lifecycle_actions(),
                permissions.suspend_launches(),
                permissions.read_console_output(),
                permissions.replace_nodes(),
                permissions.end_retained_nodes(),
            ],
            environment={
                "BOOT_DEADLINE_S": str(healing.boot_deadline),
                "FAILED_BOOTS": str(healing.failed_boots),
                "GRACE_S": str(healing.grace),
            },
            max_receive_count=2 * SPARE_RECEIVES + pacing.SWEEP_TIMEOUT_S // pacing.SWEEP_RETRY_PAUSE_S,
            max_message_age_s=300,
            concurrency=2,
            memory_mb=SWEEP_MEMORY_MB,
        )
        made.add_trigger("EveryMinute", "Sweeps the cluster", schedule=EVERY_MINUTE)
        made.add_trigger("Changes", "Results of launches and terminations", **self._from_groups(*RESULTS))
        made.add_trigger(
            # These events carry neither group nor tag, so the function checks the instance's cluster.
            "Instances",
            "Instances that end, for any reason",
            source=[EC2],
            detail_type=[STATE_CHANGE],
            detail={"state": STATES},
        )
        breaker = made.metric(Metric.BREAKER_OPEN)
        launch_log = f"the log group {names.function_log_group(self._cluster.name, 'register-node')}"
        made.alarm(alarms.BREAKER_OPEN, breaker, failed_boots=healing.failed_boots, launch_log=launch_log)
        return made

    def _function(self, construct_id: str, **options: Any) -> Function:
        return Function(
            self,
            construct_id,
            cluster=self._cluster.name,
            network=self._network,
            layer=self.layer,
            **options,
        )

    def _from_groups(self, *kinds: str) -> dict[str, Any]:
        prefix = names.group_prefix(self._cluster.name)
        return {
            "source": [AUTO_SCALING],
            "detail_type": list(kinds),
            "detail": {"AutoScalingGroupName": [{"prefix": prefix}]},
        }

    # -- alarms ---------------------------------------------------------------------------------

    def _add_quorum_alarms(self) -> None:
        """Add the quorum alarms. The sweep and a departure that is held for the quorum both write the
        metric."""
        for function in (self.deregister_node, self.reconcile_cluster):
            function.alarm(alarms.QUORUM, function.metric(Metric.QUORUM_AT_RISK))

    def _add_retention_alarms(self) -> None:
        """Add an alarm for instances that Auto Scaling keeps. AWS itself writes its metric.

        EC2 Auto Scaling User Guide, "Manage retained instances", recommends it, because they cost money.
        """
        for group in self._cluster.groups:
            if not group.has_quorum_role:
                continue
            asg = names.group_asg_name(self._cluster.name, group.name)
            self.reconcile_cluster.alarm(
                alarms.RETAINED,
                cloudwatch.Metric(
                    namespace="AWS/AutoScaling",
                    metric_name=alarms.RETAINED.metric,
                    dimensions_map={"AutoScalingGroupName": asg},
                    period=MINUTE,
                    statistic="Maximum",
                ),
                suffix=f"-{group.name}",
                group=asg,
            )

    def _notify_on_alarms(self) -> None:
        """Notify the configured target when any alarm fires and when it clears."""
        target = self._cluster.healing.alarms
        notified = f"{target} is notified of every alarm" if target else "alarms are only shown in CloudWatch"
        cdk.CfnOutput(
            self,
            "Alarms",
            value=target or "none",
            description=f"Target of alarms: {notified}. healing.alarms in servers.yml sets it",
        )
        if target is None:
            return
        topic = (
            mail_topic(self, self._cluster.name, target)
            if "@" in target
            else sns.Topic.from_topic_arn(self, "AlarmTopic", target)
        )
        notify = actions.SnsAction(topic)
        for alarm in self.node.find_all():
            if isinstance(alarm, cloudwatch.Alarm):
                alarm.add_alarm_action(notify)
                alarm.add_ok_action(notify)

    def _add_policy_outputs(self) -> None:
        for output, policy, holders in (
            (names.OUTPUT_VIEWER, self.operations.viewer, "look at the cluster"),
            (names.OUTPUT_OPERATOR, self.operations.operator, "run the cluster"),
        ):
            text = f"Attach it to the roles of people who {holders}; detach it before you destroy the cluster"
            cdk.CfnOutput(self, output, value=policy.ref, description=text)

    def _acknowledge(self) -> None:
        """State the reasons for cdk-nag's findings."""
        acknowledge = cdk.Validations.of(self).acknowledge
        acknowledge(cdk.Acknowledgment(id="AwsSolutions-L1", reason=WHY_PYTHON_3_13))
        acknowledge(cdk.Acknowledgment(id="AwsSolutions-IAM5[Resource::*]", reason=WHY_ANY_RESOURCE))
        for resource in self._permissions.wildcards:
            finding = f"AwsSolutions-IAM5[Resource::{resource}]"
            acknowledge(cdk.Acknowledgment(id=finding, reason=WHY_ANY_OF_THE_CLUSTER))


def _max_receive_count(waited_s: float) -> int:
    """Return the number of receives of a message that waits `waited_s` seconds and fails a few times. SQS
    counts to 1,000."""
    return min(1000, pacing.receives(waited_s) + SPARE_RECEIVES)
