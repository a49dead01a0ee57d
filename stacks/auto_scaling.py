"""Auto Scaling group of a group of nodes: number of nodes, subnets, hooks and replacement."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from swarmer.core import names
from swarmer.core.cluster import Cluster, Group
from swarmer.core.healing import pacing

Cfn = autoscaling.CfnAutoScalingGroup

HEALTH_CHECK_GRACE_S: Final = 300
"""Grace period before health checks count, because a stock image installs the node software first."""
WHY_NO_TOPIC: Final = (
    "EC2 Auto Scaling sends every launch and termination, failed ones too, to EventBridge by itself; "
    "an SNS topic without subscribers would report nothing more."
)
WHY_NOT_READ: Final = (
    "cdk-nag 3.0.2 looks for the launch template in the group only and throws where a mixed instances policy "
    "holds it. That template's volume is encrypted like every node's."
)


def auto_scaling_group(
    scope: Construct,
    construct_id: str,
    *,
    cluster: Cluster,
    group: Group,
    subnet_ids: list[str],
    launch_template: ec2.LaunchTemplate,
) -> Cfn:
    """Create the group as L1: hooks have to be part of the group itself (LifecycleHookSpecificationList).

    There is no UpdatePolicy on purpose. The next launch uses a new launch template, and running nodes stay.
    In a quorum group each replacement must vote before the next node goes, and CloudFormation cannot know
    that.
    """
    specification = _specification(launch_template)
    made = Cfn(
        scope,
        construct_id,
        auto_scaling_group_name=names.group_asg_name(cluster.name, group.name),
        vpc_zone_identifier=subnet_ids,
        min_size=str(group.smallest),
        max_size=str(group.largest),
        # With None the number stays as it is between min and max. A fixed number would undo scaling at every
        # deployment.
        desired_capacity=None if group.desired is None else str(group.desired),
        launch_template=None if group.spot else specification,
        mixed_instances_policy=_only_spot(specification, group) if group.spot else None,
        # Auto Scaling replaces a node when EC2 warns of its interruption, and does not wait for the
        # interruption itself.
        capacity_rebalance=group.spot or None,
        health_check_type="EC2",
        health_check_grace_period=HEALTH_CHECK_GRACE_S,
        instance_maintenance_policy=_maintenance(group),
        availability_zone_distribution=_distribution(group),
        lifecycle_hook_specification_list=_hooks(cluster.healing.boot_deadline, group),
        instance_lifecycle_policy=_retention(group),
        metrics_collection=[{"granularity": "1Minute"}],
    )
    cdk.Validations.of(made).acknowledge(cdk.Acknowledgment(id="AwsSolutions-AS3", reason=WHY_NO_TOPIC))
    if group.spot:
        cdk.Validations.of(made).acknowledge(cdk.Acknowledgment(id="AwsSolutions-EC26", reason=WHY_NOT_READ))
    return made


def _specification(launch_template: ec2.LaunchTemplate) -> Cfn.LaunchTemplateSpecificationProperty:
    return Cfn.LaunchTemplateSpecificationProperty(
        launch_template_id=launch_template.launch_template_id,
        # The version is a number, not $Latest: an instance refresh can be rolled back only to a number.
        version=launch_template.latest_version_number,
    )


def _only_spot(
    specification: Cfn.LaunchTemplateSpecificationProperty, group: Group
) -> Cfn.MixedInstancesPolicyProperty:
    """Return the policy "spot instances only, of any of the group's types".

    The strategy takes the pools (a type in a zone) with the lowest risk of an interruption, and the cheapest
    of these. It ignores the order of the types. Source: EC2 Auto Scaling User Guide, "Allocation strategies
    for multiple instance types".
    """
    several = [Cfn.LaunchTemplateOverridesProperty(instance_type=each) for each in group.types]
    return Cfn.MixedInstancesPolicyProperty(
        launch_template=Cfn.LaunchTemplateProperty(
            launch_template_specification=specification,
            # The launch template has a type already, so a single type needs no override.
            overrides=several if len(several) > 1 else None,
        ),
        instances_distribution=Cfn.InstancesDistributionProperty(
            on_demand_base_capacity=0,
            on_demand_percentage_above_base_capacity=0,
            spot_allocation_strategy="price-capacity-optimized",
        ),
    )


def _hooks(boot_deadline_s: int, group: Group) -> list[Cfn.LifecycleHookSpecificationProperty]:
    """Return the lifecycle hooks with their default results.

    Launch hooks default to ABANDON, because only the function may admit an instance. Termination hooks of
    workers default to CONTINUE, so that no instance gets stuck while it terminates. Termination hooks of a
    quorum group default to ABANDON, because only the function may remove a voting member (`_retention`).
    """
    return [
        Cfn.LifecycleHookSpecificationProperty(
            lifecycle_hook_name=names.HOOK_LAUNCH,
            lifecycle_transition="autoscaling:EC2_INSTANCE_LAUNCHING",
            heartbeat_timeout=boot_deadline_s + pacing.LAUNCH_MARGIN_S,
            default_result="ABANDON",
        ),
        Cfn.LifecycleHookSpecificationProperty(
            lifecycle_hook_name=names.HOOK_TERMINATE,
            lifecycle_transition="autoscaling:EC2_INSTANCE_TERMINATING",
            heartbeat_timeout=pacing.HEARTBEAT_TIMEOUT_S,
            default_result="ABANDON" if group.has_quorum_role else "CONTINUE",
        ),
    ]


def _retention(group: Group) -> Cfn.InstanceLifecyclePolicyProperty | None:
    """Return the policy of a quorum group: an instance keeps running after its termination was abandoned.

    EC2 Auto Scaling User Guide, "Control instance retention with instance lifecycle policies". So an
    unanswered hook costs no voting member. The sweep ends the instance.
    """
    if not group.has_quorum_role:
        return None
    triggers = Cfn.RetentionTriggersProperty(terminate_hook_abandon="retain")
    return Cfn.InstanceLifecyclePolicyProperty(retention_triggers=triggers)


def _distribution(group: Group) -> Cfn.AvailabilityZoneDistributionProperty | None:
    """Return the distribution of a quorum group: one voter per zone, even if another zone lacks capacity.

    EC2 Auto Scaling User Guide, "Auto Scaling group Availability Zone distribution": `balanced-only` "is
    important to meet certain requirements such as quorum-based workloads". While a zone is away, its voter
    has no replacement, and the other voters keep the majority.
    """
    if not group.has_quorum_role:
        return None
    return Cfn.AvailabilityZoneDistributionProperty(capacity_distribution_strategy="balanced-only")


def _maintenance(group: Group) -> Cfn.InstanceMaintenancePolicyProperty:
    """Return the policy "launch before terminate". It is explicit, because accounts differ in their default.

    A quorum group may grow by one member, never by two (`100 + 100 // size`), and never shrinks: a voter is
    terminated only after its replacement is in service. Other groups get the console's 'launch before
    terminating'.
    """
    surplus = 100 // group.largest if group.has_quorum_role else 10
    return Cfn.InstanceMaintenancePolicyProperty(
        min_healthy_percentage=100, max_healthy_percentage=100 + surplus
    )
