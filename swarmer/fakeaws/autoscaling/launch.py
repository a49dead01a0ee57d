"""Launches of Auto Scaling groups: the subnet, the template and the network of a new instance."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from moto.autoscaling.models import ASG_NAME_TAG, FakeAutoScalingGroup, InstanceState
from moto.ec2.utils import convert_tag_spec
from moto.ssm import ssm_backends

from swarmer.fakeaws.autoscaling.lifecycle import TERMINATING_STATES, State
from swarmer.fakeaws.ec2 import images

launch_by_configuration: Final = FakeAutoScalingGroup.replace_autoscaling_group_instances

TAG_VERSION: Final = "aws:ec2launchtemplate:version"
"""Tag with the version of the launch template that started an instance."""


def extend() -> None:
    FakeAutoScalingGroup.replace_autoscaling_group_instances = _launch
    # moto sets it only without a mixed instances policy, but always describes it.
    FakeAutoScalingGroup.provided_launch_template_version = None
    InstanceState.launch_template = property(_launch_template_of_instance)


def launch(group: Any, count: int) -> list[Any]:
    """Launch `count` more instances. Returns their states, all of them Pending."""
    before = set(group.instance_states)
    group.replace_autoscaling_group_instances(count, group.get_propagated_tags())
    made = [state for state in group.instance_states if state not in before]
    for state in made:
        state.lifecycle_state = State.PENDING.value
    return made


def _launch(self: Any, count_needed: int, propagated_tags: dict[str, str]) -> None:
    """AWS spreads a group over its subnets; bare moto puts every instance into the first."""
    if not self.ec2_launch_template or not self.vpc_zone_identifier:
        launch_by_configuration(self, count_needed, propagated_tags)
        return
    for _ in range(count_needed):
        self.instance_states.append(_launch_one(self, propagated_tags))


def _launch_one(group: Any, tags: dict[str, str]) -> Any:
    """AWS launches from the group's version of the template.

    Bare moto takes the default version's number. It omits instance profile, metadata options, and the tags of
    volumes and network interfaces.
    """
    version = group.ec2_launch_template.get_version(group.launch_template_version)
    data = version.data
    image_id = _image_id(group, version.image_id)
    template_tags = convert_tag_spec(data.get("TagSpecifications", []))
    devices = images.block_devices(group.ec2_backend, image_id, data.get("BlockDeviceMappings", []))
    reservation = group.ec2_backend.run_instances(
        image_id,
        1,
        version.user_data,
        [],
        is_instance_type_default=False,
        instance_type=_instance_type(group, version),
        tags={
            # A tag of the group takes precedence over the template's (Auto Scaling, CreateAutoScalingGroup).
            "instance": {**version.instance_tags, **tags, ASG_NAME_TAG: group.name},
            "volume": template_tags.get("volume", {}),
        },
        launch_template={
            "LaunchTemplateId": group.ec2_launch_template.id,
            "Version": str(version.number),
        },
        region_name=group.region,
        subnet_id=_least_used_subnet(group),
        associate_public_ip=_has_public_address(data),
        security_group_ids=_security_groups(data),
        metadata_options=data.get("MetadataOptions", {}),
        instance_market_options=data.get("InstanceMarketOptions"),
        **({"block_device_mappings": devices} if devices else {}),
    )
    instance = reservation.instances[0]
    _associate_profile(group.ec2_backend, instance.id, data.get("IamInstanceProfile", {}))
    for interface in instance.nics.values():
        interface.add_tags(template_tags.get("network-interface", {}))
        interface.delete_on_termination = True  # as AWS does with the interface that a launch makes
    instance.autoscaling_group = group
    protected = group.new_instances_protected_from_scale_in
    return InstanceState(instance, State.PENDING.value, protected_from_scale_in=protected)


def _staying(group: Any) -> list[Any]:
    """States of the group's healthy instances that do not terminate."""
    return [
        each
        for each in group.instance_states
        if each.lifecycle_state not in TERMINATING_STATES and each.health_status == "Healthy"
    ]


def _least_used_subnet(group: Any) -> str:
    used = Counter(state.instance.subnet_id for state in _staying(group))
    subnets: list[str] = group.vpc_zone_identifier.split(",")
    return min(subnets, key=lambda subnet: used[subnet])


def _instance_type(group: Any, version: Any) -> str:
    """Type of the next instance: the override with the fewest instances in the group.

    AWS chooses by price and spare capacity, and nobody can predict these. So a group here has several types,
    too.
    """
    overrides = ((group.mixed_instances_policy or {}).get("LaunchTemplate", {})).get("Overrides") or []
    types = [each["InstanceType"] for each in overrides if "InstanceType" in each]
    used = Counter(state.instance.instance_type for state in _staying(group))
    return str(min(types, key=lambda each: used[each], default=version.instance_type))


def _image_id(group: Any, image: str) -> str:
    """AWS resolves `resolve:ssm:NAME` at every launch; bare moto keeps the text."""
    if not image.startswith("resolve:ssm:"):
        return image
    name = image.removeprefix("resolve:ssm:")
    return str(ssm_backends[group.account_id][group.region].get_parameter(name).value)


def _has_public_address(data: dict[str, Any]) -> bool | None:
    interfaces = data.get("NetworkInterfaces") or [{}]
    is_public = interfaces[0].get("AssociatePublicIpAddress")
    return None if is_public is None else str(is_public).lower() == "true"


def _security_groups(data: dict[str, Any]) -> list[str]:
    interfaces = data.get("NetworkInterfaces") or [{}]
    return list(data.get("SecurityGroupIds") or interfaces[0].get("Groups") or [])


def _associate_profile(ec2: Any, instance_id: str, profile: dict[str, str]) -> None:
    if profile:
        ec2.associate_iam_instance_profile(instance_id, profile.get("Name"), profile.get("Arn"))


def _launch_template_of_instance(self: Any) -> dict[str, str] | None:
    """AWS answers the version that started the instance; bare moto answers the template's default version."""
    template = self.auto_scaling_group.ec2_launch_template
    if template is None:
        return None
    # Not `get_tags`, because that searches the tags of every resource.
    tags = self.instance.ec2_backend.tags.get(self.instance_id, {})
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Version": tags.get(TAG_VERSION, str(template.default_version_number)),
    }
