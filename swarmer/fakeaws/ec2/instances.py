"""Instances: EC2 reports every new state of an instance to EventBridge."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses.general import General
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

from swarmer.fakeaws.base import clock
from swarmer.fakeaws.ec2.states import LIVING
from swarmer.fakeaws.eventbridge import bus

run_instances: Final = InstanceBackend.run_instances
STATES_BY_CALL: Final = {
    "start": ("pending", "running"),
    "stop": ("stopping", "stopped"),
    "terminate": ("shutting-down", "terminated"),
}
"""States that an instance enters by each call. moto skips the intermediate ones."""
MAX_CONSOLE_BYTES: Final = 64 * 1024
"""Number of bytes from the end of the console in the answer of GetConsoleOutput."""


def _no_console(instance_id: str) -> str:
    return ""


def _no_machine(instance_id: str) -> None:
    """Reboot nothing: most tests have no machines."""


read_console: Callable[[str], str] = _no_console
"""Reader of a machine's console by instance ID. The provider of machines replaces it."""
reboot_machine: Callable[[str], None] = _no_machine
"""Function that requests a machine's reboot by instance ID and returns at once. The provider of machines
replaces it."""
observers: Final[list[Callable[[], None]]] = []
"""Callbacks for instances that start or stop. Each must return at once."""


def extend() -> None:
    InstanceBackend.run_instances = _run_instances
    General.get_console_output = _console_request
    TaggedEC2Resource.get_tags = _tags
    Instance.reboot = _reboot
    for name, states in STATES_BY_CALL.items():
        setattr(Instance, name, _announcing(getattr(Instance, name), states))


def _tags(self: Any) -> list[dict[str, str]]:
    """Tags of one instance; bare moto searches all tags, so a filter over thousands takes minutes."""
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(self.id), "") if self.id else ""
    return [
        {"resource_id": self.id, "key": key, "value": value, "resource_type": kind}
        for key, value in self.ec2_backend.tags.get(self.id, {}).items()
    ]


def _console_request(self: Any) -> Any:
    """AWS answers the console of the machine; bare moto answers the same text for every instance."""
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    text = read_console(instance.id).encode()[-MAX_CONSOLE_BYTES:]
    output = base64.b64encode(text).decode() if text else None
    return ActionResult({"InstanceId": instance.id, "Timestamp": clock.now(), "Output": output})


def _reboot(self: Any) -> None:
    """AWS reboots the machine without a change of its state. It ignores a terminated instance."""
    if is_living(self):
        reboot_machine(self.id)


def is_living(instance: Any) -> bool:
    """Whether the instance is pending or running."""
    return instance.state in LIVING


def _run_instances(self: Any, *args: Any, **kwargs: Any) -> Any:
    reservation = run_instances(self, *args, **kwargs)
    for instance in reservation.instances:
        _announce(instance, STATES_BY_CALL["start"])
    return reservation


def _announcing(real: Any, states: tuple[str, str]) -> Any:
    def change(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = self.state
        result = real(self, *args, **kwargs)
        if self.state != before:
            _announce(self, states)
        return result

    return change


def _announce(instance: Any, states: tuple[str, str]) -> None:
    for state in states:
        bus.put(bus.state_changed(instance.ec2_backend.region_name, instance.id, state))
    for observer in observers:
        observer()
