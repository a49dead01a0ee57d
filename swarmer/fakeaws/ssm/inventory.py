"""DescribeInstanceInformation: managed nodes, and whether their agents are connected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.ssm.exceptions import SSMException
from moto.ssm.responses import SimpleSystemManagerResponse

from swarmer.fakeaws.ec2.states import LIVING
from swarmer.fakeaws.ssm import state
from swarmer.fakeaws.ssm.run_command import TAG, paged
from swarmer.fakeaws.ssm.state import State

PAGE: Final = 10
"""Default number of entries of a page."""
MAX_PAGE: Final = 50

READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "InstanceIds": lambda entry: str(entry["InstanceId"]),
    "PingStatus": lambda entry: str(entry["PingStatus"]),
    "PlatformTypes": lambda entry: str(entry["PlatformType"]),
    "ResourceType": lambda entry: str(entry["ResourceType"]),
    "AgentVersion": lambda entry: str(entry["AgentVersion"]),
}
"""Readers of the values for filters, by the filter's key."""


def extend() -> None:
    SimpleSystemManagerResponse.describe_instance_information = _describe
    SimpleSystemManagerResponse.get_connection_status = _connection_status


def _describe(self: Any) -> ActionResult:
    """AWS leaves out stopped and terminated instances, and those whose agent has never called."""
    found = state.of(self.region)
    with state.changed:
        entries = [_entry(found, each) for each in found.agents if _is_listed(found, each)]
    chosen = [each for each in entries if _matches(found, each, _filters(self))]
    page, token = paged(self, chosen, PAGE, MAX_PAGE)
    return ActionResult({"InstanceInformationList": page, "NextToken": token})


def _is_listed(found: State, instance_id: str) -> bool:
    instance = found.instance(instance_id)
    return instance is not None and instance.state in LIVING


def _entry(found: State, instance_id: str) -> dict[str, Any]:
    agent = found.agents[instance_id]
    return {
        "InstanceId": instance_id,
        "PingStatus": "Online" if found.is_connected(instance_id) else "ConnectionLost",
        "LastPingDateTime": datetime.fromtimestamp(agent.called_s, UTC),
        "AgentVersion": agent.version,
        "IsLatestVersion": True,
        "PlatformType": "Linux",
        "PlatformName": agent.platform,
        "PlatformVersion": agent.platform_version,
        "ResourceType": "EC2Instance",
        "IPAddress": found.instance(instance_id).private_ip,
        "ComputerName": agent.host,
        "RegistrationDate": datetime.fromtimestamp(agent.registered_s, UTC),
    }


def _filters(self: Any) -> list[tuple[str, Sequence[str]]]:
    named = [(each["Key"], each["Values"]) for each in self._get_param("Filters") or ()]
    legacy = self._get_param("InstanceInformationFilterList") or ()
    return named + [(each["key"], each["valueSet"]) for each in legacy]


def _matches(found: State, entry: Mapping[str, Any], filters: Iterable[tuple[str, Sequence[str]]]) -> bool:
    tags = found.tags(entry["InstanceId"])
    for key, values in filters:
        if key.startswith(TAG):
            matches = tags.get(key.removeprefix(TAG)) in values
        elif key == "tag-key":
            matches = any(value in tags for value in values)
        elif key in READERS:
            matches = READERS[key](entry) in values
        else:
            raise SSMException("InvalidFilterKey", f"the rehearsal knows no filter by {key}")
        if not matches:
            return False
    return True


def _connection_status(self: Any) -> ActionResult:
    target = self._get_param("Target")
    is_connected = state.of(self.region).is_connected(target)
    return ActionResult({"Target": target, "Status": "connected" if is_connected else "notconnected"})
