"""Plan for the creation and removal of machines, without machines."""

from __future__ import annotations

from swarmer.providers.rehearsal.machine_controller import Plan, plan


def test_an_instance_without_a_machine_gets_one() -> None:
    assert plan({"i-a": "running", "i-b": "pending"}, {"i-a": True}) == Plan(create=("i-b",))


def test_a_terminated_instance_loses_its_machine() -> None:
    assert plan({"i-a": "terminated", "i-b": "running"}, {"i-a": True, "i-b": True}) == Plan(remove=("i-a",))


def test_a_machine_that_lost_its_power_stays_off() -> None:
    assert plan({"i-a": "running"}, {"i-a": False}) == Plan()


def test_a_stopped_instance_is_switched_off() -> None:
    assert plan({"i-a": "stopped"}, {"i-a": True}) == Plan(power_off=("i-a",))
    assert plan({"i-a": "stopped"}, {"i-a": False}) == Plan()


def test_a_machine_of_an_unknown_instance_is_left_alone() -> None:
    """A restarted AWS has forgotten everything, and that is no proof of an end."""
    assert plan({}, {"i-a": True}) == Plan()


def test_a_terminated_instance_without_a_machine_needs_nothing() -> None:
    assert plan({"i-a": "terminated"}, {}) == Plan()
