"""Functions and nodes without a connection to AWS during a voter's termination, as after the loss of the only
NAT gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chaos.disturbances import did_not_happen
from chaos.journal import lacks_retention
from chaos.lab import Lab, Node
from chaos.simulated_aws import disturb, happened, last_number, leave_in_peace, person
from swarmer.core import names
from swarmer.core.healing import pacing

CUT_OFF: Final = tuple(
    {"times": 100_000, "call": f"{service}:*", "error": "ServiceUnavailable"}
    for service in ("autoscaling", "ec2", "sqs", "ssm")
)
"""Calls through the NAT gateway. S3 has an endpoint in the VPC."""
HOOK_S: Final = 60
"""Heartbeat timeout of the termination hooks during the fault, shorter than the usual five minutes."""
SILENCE_S: Final = HOOK_S + 20.0
"""Time after which a termination hook has ended by itself, in seconds."""


def shorten_hooks(lab: Lab) -> None:
    """Have the termination hooks of voters end sooner."""
    _put_hooks(lab, HOOK_S)


def clean_up(lab: Lab) -> None:
    """Restore AWS and the timeouts of the hooks."""
    leave_in_peace()
    _put_hooks(lab, pacing.HEARTBEAT_TIMEOUT_S)


def _put_hooks(lab: Lab, timeout_s: int) -> None:
    for group in {node.group for node in (*lab.consul_servers, *lab.managers)}:
        person("autoscaling").put_lifecycle_hook(
            AutoScalingGroupName=names.group_asg_name(lab.described["name"], group),
            LifecycleHookName=names.HOOK_TERMINATE,
            HeartbeatTimeout=timeout_s,
        )


@dataclass
class CutOff:
    """Termination of a voter while functions and nodes cannot reach AWS: its hook ends without an answer."""

    last: int | None = None
    """Number of the last entry of the rehearsal's log before the fault; None if it did not begin."""
    name: str = ""

    def begin(self, nodes: list[Node]) -> None:
        self.last, self.name = last_number(), nodes[0].name
        for fault in CUT_OFF:
            disturb(**fault)
        person("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=names.instance_id(self.name), ShouldDecrementDesiredCapacity=False
        )

    def lacks(self) -> list[str]:
        entries = [] if self.last is None else happened(self.last)
        return [*did_not_happen(CUT_OFF[:1], entries), *lacks_retention(entries, self.name)]
