"""Auto Scaling groups: where and how their instances start, and how a group changes."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any, Final

from moto.autoscaling.models import ASG_NAME_TAG, FakeAutoScalingGroup, InstanceState, make_int
from moto.ssm import ssm_backends

log: Final = logging.getLogger("rehearsal.aws")

launch_by_configuration: Final = FakeAutoScalingGroup.replace_autoscaling_group_instances
replace_group: Final = FakeAutoScalingGroup.update_from_cloudformation_json.__func__

TAG_VERSION: Final = "aws:ec2launchtemplate:version"


def extend() -> None:
    FakeAutoScalingGroup.replace_autoscaling_group_instances = _launch
    FakeAutoScalingGroup.set_desired_capacity = _set_desired_capacity
    FakeAutoScalingGroup.update_from_cloudformation_json = classmethod(_update_in_place)
    # moto sets it only without a mixed instances policy, and describes it always.
    FakeAutoScalingGroup.provided_launch_template_version = None
    InstanceState.launch_template = property(_launch_template_of_instance)


def _launch(self: Any, count_needed: int, propagated_tags: dict[str, str]) -> None:
    """AWS spreads a group over its subnets; bare moto puts every instance into the first."""
    if not self.ec2_launch_template or not self.vpc_zone_identifier:
        launch_by_configuration(self, count_needed, propagated_tags)
        return
    for _ in range(count_needed):
        self.instance_states.append(_launch_one(self, propagated_tags))


def _launch_one(group: Any, tags: dict[str, str]) -> Any:
    """AWS starts what the named version of the template says.

    Bare moto takes the default version's number, and leaves out instance profile and metadata options.
    """
    version = group.ec2_launch_template.get_version(group.launch_template_version)
    data = version.data
    reservation = group.ec2_backend.run_instances(
        _image_id(group, version.image_id),
        1,
        version.user_data,
        [],
        is_instance_type_default=False,
        instance_type=_instance_type(group, version),
        tags={"instance": {**version.instance_tags, **tags, ASG_NAME_TAG: group.name}},
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
        **({"block_device_mappings": data["BlockDeviceMappings"]} if "BlockDeviceMappings" in data else {}),
    )
    instance = reservation.instances[0]
    _associate_profile(group.ec2_backend, instance.id, data.get("IamInstanceProfile", {}))
    instance.autoscaling_group = group
    return InstanceState(instance, protected_from_scale_in=group.new_instances_protected_from_scale_in)


def _least_used_subnet(group: Any) -> str:
    used = Counter(state.instance.subnet_id for state in group.active_instances())
    subnets: list[str] = group.vpc_zone_identifier.split(",")
    return min(subnets, key=lambda subnet: used[subnet])


def _instance_type(group: Any, version: Any) -> str:
    overrides = ((group.mixed_instances_policy or {}).get("LaunchTemplate", {})).get("Overrides", [])
    first = overrides[0].get("InstanceType") if overrides else None
    return str(first or version.instance_type)


def _image_id(group: Any, image: str) -> str:
    """`resolve:ssm:NAME` is looked up at every launch; bare moto keeps the words."""
    if not image.startswith("resolve:ssm:"):
        return image
    name = image.removeprefix("resolve:ssm:")
    return str(ssm_backends[group.account_id][group.region].get_parameter(name).value)


def _has_public_address(data: dict[str, Any]) -> bool | None:
    interfaces = data.get("NetworkInterfaces") or [{}]
    said = interfaces[0].get("AssociatePublicIpAddress")
    return None if said is None else str(said).lower() == "true"


def _security_groups(data: dict[str, Any]) -> list[str]:
    interfaces = data.get("NetworkInterfaces") or [{}]
    return list(data.get("SecurityGroupIds") or interfaces[0].get("Groups") or [])


def _associate_profile(ec2: Any, instance_id: str, profile: dict[str, str]) -> None:
    if profile:
        ec2.associate_iam_instance_profile(instance_id, profile.get("Name"), profile.get("Arn"))


def _launch_template_of_instance(self: Any) -> dict[str, str] | None:
    """The version an instance was started from; bare moto says the template's default version."""
    template = self.auto_scaling_group.ec2_launch_template
    if template is None:
        return None
    tags = {tag["key"]: tag["value"] for tag in self.instance.get_tags()}
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Version": tags.get(TAG_VERSION, str(template.default_version_number)),
    }


def _set_desired_capacity(self: Any, new_capacity: int | None) -> None:
    """Without a desired capacity a group starts at its minimum. Scaling in keeps the zones balanced."""
    self.desired_capacity = self.min_size if new_capacity is None else new_capacity
    missing = (self.desired_capacity or 0) - len(self.active_instances())
    if missing > 0:
        self.replace_autoscaling_group_instances(missing, self.get_propagated_tags())
    elif missing < 0:
        _scale_in(self, -missing)
    if self.name in self.autoscaling_backend.autoscaling_groups:
        self.autoscaling_backend.update_attached_elbs(self.name)
        self.autoscaling_backend.update_attached_target_groups(self.name)


def _scale_in(group: Any, count: int) -> None:
    victims: list[Any] = []
    for _ in range(count):
        left = [state for state in group.instance_states if state not in victims]
        used = Counter(state.availability_zone for state in left)
        candidates = [state for state in left if not state.protected_from_scale_in]
        if candidates:  # the fullest zone's oldest: states stand in order of their launch
            victims.append(max(candidates, key=lambda state: used[state.availability_zone]))
    group.instance_states = [state for state in group.instance_states if state not in victims]
    if victims:
        group.ec2_backend.terminate_instances([state.instance_id for state in victims])


def _update_in_place(
    cls: Any,
    original_resource: Any,
    new_resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
) -> Any:
    """AWS changes a group where it stands; bare moto deletes it with all its instances and makes another."""
    group, properties = original_resource, cloudformation_json["Properties"]
    if properties.get("AutoScalingGroupName", group.name) != group.name:
        return replace_group(
            cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
        )
    group.tags = properties.get("Tags", [])
    group.update(
        availability_zones=properties.get("AvailabilityZones", []),
        desired_capacity=make_int(properties.get("DesiredCapacity")),
        max_size=make_int(properties.get("MaxSize")),
        min_size=make_int(properties.get("MinSize")),
        launch_config_name=properties.get("LaunchConfigurationName"),
        launch_template=properties.get("LaunchTemplate", {}),
        vpc_zone_identifier=",".join(properties.get("VPCZoneIdentifier", [])) or None,
        health_check_period=make_int(properties.get("HealthCheckGracePeriod")),
        health_check_type=properties.get("HealthCheckType"),
        new_instances_protected_from_scale_in=properties.get("NewInstancesProtectedFromScaleIn"),
        mixed_instances_policy=properties.get("MixedInstancesPolicy"),
    )
    return group
