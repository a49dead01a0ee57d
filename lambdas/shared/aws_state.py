"""State of one cluster in AWS: its groups, its machines and its cluster ID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Final

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from swarmer.adapters import auto_scaling, aws, instances
from swarmer.core import names
from swarmer.core.healing import reconciliation
from swarmer.core.healing.world import Group, Instance
from swarmer.core.node import UNFOUNDED

CLUSTER_ID_MAX_AGE_S: Final = 60
"""Maximum age of the cluster ID in a function's memory. The ID changes once, from `UNFOUNDED`."""


class AwsState:
    """State of one cluster in AWS, for one invocation: each list is requested once."""

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Groups of the cluster. Raises aws.Unavailable."""
        return auto_scaling.groups(self.cluster)

    @cached_property
    def voting(self) -> Sequence[Instance]:
        """Machines that may be servers or managers; those in service first. Raises aws.Unavailable."""
        members = {key: each for group in self.groups for key, each in group.members.items()}
        in_service = {key for key, each in members.items() if each.lifecycle == reconciliation.IN_SERVICE}
        return sorted(instances.voting(self.cluster), key=lambda each: each.id not in in_service)

    def addresses(self, role: str) -> list[str]:
        """Addresses of the machines that may vote in this role. Raises aws.Unavailable."""
        return [each.address for each in self.voting if role in each.roles and each.address]

    def group_called(self, asg: str) -> Group | None:
        """Auto Scaling group of that name; None if it is gone, or not part of this cluster."""
        return next((group for group in self.groups if group.asg == asg), None)

    def instance(self, group: Group, instance_id: str) -> Instance:
        """One machine of a group; tags may be late or gone. Raises aws.Unavailable."""
        found = instances.by_id([instance_id])[instance_id]
        return replace(found, group=group.name, roles=group.roles)

    def cluster_id(self) -> str | None:
        """Swarm ID of the cluster, `UNFOUNDED`, or None if there is no record. Raises aws.Unavailable."""
        name = names.identity_parameter(self.cluster)
        try:
            known = str(_ssm().get(name, max_age=CLUSTER_ID_MAX_AGE_S))
            # The record may be older than the initialization, so `UNFOUNDED` is not kept.
            return known if known != UNFOUNDED else str(_ssm().get(name, force_fetch=True))
        except GetParameterError as exc:
            if "ParameterNotFound" in str(exc):
                return None
            raise aws.Unavailable(str(exc)) from exc

    def was_initialized(self) -> bool:
        """Whether the cluster ever had a Swarm. Also True if AWS does not answer or has no record, because
        such a cluster may have data to lose."""
        try:
            return self.cluster_id() != UNFOUNDED
        except aws.Unavailable:
            return True


@cache
def _ssm() -> parameters.SSMProvider:
    return parameters.SSMProvider(boto3_client=aws.client("ssm"))
