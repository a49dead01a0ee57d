"""Lifecycle of an Auto Scaling group: pure decisions from the state of a group to its next actions.

Sources in the EC2 Auto Scaling User Guide:

- 'Amazon EC2 Auto Scaling instance lifecycle' and 'How lifecycle hooks work'
- 'Instance maintenance policies' and 'Health checks'
- 'Control which instances terminate'
- 'Control instance retention with instance lifecycle policies' and 'Manage retained instances'

The decisions are level-triggered: `decide` reads the state of the group, never its history. The controller
performs the actions and calls `decide` again until it returns none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

LAUNCHING: Final = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING: Final = "autoscaling:EC2_INSTANCE_TERMINATING"
CONTINUE: Final = "CONTINUE"
ABANDON: Final = "ABANDON"
HOOK_TIMEOUT_S: Final = 3600
"""Heartbeat timeout of a hook without its own."""
GLOBAL_TIMEOUT_S: Final = 172_800
"""Limit of an instance's whole wait for a hook, independent of heartbeats: 48 hours."""
MAX_TIMEOUTS: Final = 100
"""Limit of the same wait as a number of heartbeat timeouts. The smaller limit applies."""


class State(StrEnum):
    """Lifecycle state of an instance, in AWS's words."""

    PENDING = "Pending"
    PENDING_WAIT = "Pending:Wait"
    PENDING_PROCEED = "Pending:Proceed"
    IN_SERVICE = "InService"
    STANDBY = "Standby"
    TERMINATING = "Terminating"
    TERMINATING_WAIT = "Terminating:Wait"
    TERMINATING_PROCEED = "Terminating:Proceed"
    TERMINATING_RETAINED = "Terminating:Retained"
    TERMINATED = "Terminated"


PENDING_STATES: Final = frozenset({State.PENDING, State.PENDING_WAIT, State.PENDING_PROCEED})
TERMINATING_STATES: Final = frozenset({State.TERMINATING, State.TERMINATING_WAIT, State.TERMINATING_PROCEED})


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Outstanding action of one hook on one instance. Times are seconds of one clock."""

    hook: str
    token: str
    timeout_s: float
    default_result: str
    deadline_s: float
    ends_s: float
    """Time at which the wait ends in spite of heartbeats."""


def start_wait(*, hook: str, token: str, timeout_s: float, default_result: str, now_s: float) -> Wait:
    """Start the wait of an instance for a hook at `now_s`."""
    ends_s = now_s + global_timeout_s(timeout_s)
    return Wait(
        hook=hook,
        token=token,
        timeout_s=timeout_s,
        default_result=default_result,
        deadline_s=min(now_s + timeout_s, ends_s),
        ends_s=ends_s,
    )


def global_timeout_s(timeout_s: float) -> float:
    """Limit of the whole wait for a hook with this heartbeat timeout."""
    return min(GLOBAL_TIMEOUT_S, MAX_TIMEOUTS * timeout_s)


def prolong(wait: Wait, now_s: float) -> Wait:
    """Restart the timeout of the wait, as a heartbeat does."""
    return replace(wait, deadline_s=min(now_s + wait.timeout_s, wait.ends_s))


@dataclass(frozen=True, kw_only=True)
class Instance:
    """Instance of a group."""

    instance_id: str
    zone: str
    state: State
    is_healthy: bool = True
    is_protected: bool = False
    """Protection from scale-in. An unhealthy instance is replaced in spite of it."""
    is_abandoned: bool = False
    """Whether a hook of its launch, or of its termination, ended in ABANDON."""
    launch_order: int = 0
    """Position in the order of all launches."""
    template_version: int = 0
    waits: tuple[Wait, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """State of a group, with its instances in the order of their launches."""

    desired: int
    instances: tuple[Instance, ...] = ()
    min_healthy: int | None = None
    """Minimum of the instance maintenance policy in percent; None if the group has no policy."""
    max_healthy: int | None = None
    """Maximum of the instance maintenance policy in percent."""
    retains: bool = False
    """Whether the instance lifecycle policy retains an instance whose termination is abandoned."""
    suspended: frozenset[str] = frozenset()
    """Names of the suspended processes."""
    termination_policies: tuple[str, ...] = ("Default",)

    @property
    def launches_first(self) -> bool:
        """Whether a replacement enters service before the unhealthy instance is terminated."""
        return self.min_healthy == 100 and (self.max_healthy or 100) > 100


# -- actions -------------------------------------------------------------------


@dataclass(frozen=True)
class Launch:
    """Launch `count` instances. `is_replacement`: they replace unhealthy ones."""

    count: int
    is_replacement: bool = False


@dataclass(frozen=True)
class Expire:
    """Complete the hook with its default result, because its timeout has passed."""

    instance_id: str
    hook: str


@dataclass(frozen=True)
class EnterService:
    """Put the instance into service."""

    instance_id: str


class Cause(StrEnum):
    """Reason for a termination."""

    UNHEALTHY = "unhealthy"
    ABANDONED = "abandoned"
    SURPLUS = "surplus"


@dataclass(frozen=True)
class Terminate:
    """Begin the termination of an instance with its hooks."""

    instance_id: str
    cause: Cause


@dataclass(frozen=True)
class Finish:
    """Terminate the instance itself, because no hook is outstanding."""

    instance_id: str


@dataclass(frozen=True)
class Retain:
    """Keep the instance, whose termination was abandoned. It counts no more, and stays until it is ended."""

    instance_id: str


Action = Launch | Expire | EnterService | Terminate | Finish | Retain


def decide(group: Group, now_s: float) -> list[Action]:
    """The next actions, independent of each other; empty if the group needs no action."""
    return (
        _expired(group, now_s)
        or _settled(group)
        or _abandoned(group)
        or _replaced(group)
        or _launched(group)
        or _scaled_in(group)
    )


def _expired(group: Group, now_s: float) -> list[Action]:
    return [
        Expire(instance.instance_id, wait.hook)
        for instance in group.instances
        for wait in instance.waits
        if wait.deadline_s <= now_s
    ]


def _settled(group: Group) -> list[Action]:
    done: list[Action] = []
    for instance in group.instances:
        if instance.waits:
            continue
        if instance.state in PENDING_STATES and not instance.is_abandoned:
            done.append(EnterService(instance.instance_id))
        elif instance.state in TERMINATING_STATES:
            retains = instance.is_abandoned and group.retains
            done.append((Retain if retains else Finish)(instance.instance_id))
    return done


def _abandoned(group: Group) -> list[Action]:
    return [
        Terminate(instance.instance_id, Cause.ABANDONED)
        for instance in group.instances
        if instance.is_abandoned and instance.state in PENDING_STATES
    ]


def _replaced(group: Group) -> list[Action]:
    """Terminations of unhealthy instances, the longest serving first.

    If the group launches first, each waits until its replacement is in service.
    """
    unhealthy = _unhealthy(group)
    if group.suspended & {"ReplaceUnhealthy", "Terminate"} or not unhealthy:
        return []
    kept = max(0, group.desired - len(_healthy_in_service(group))) if group.launches_first else 0
    going = unhealthy[: max(0, len(unhealthy) - kept)]
    return [Terminate(instance.instance_id, Cause.UNHEALTHY) for instance in going]


def _launched(group: Group) -> list[Action]:
    if "Launch" in group.suspended:
        return []
    unhealthy = _unhealthy(group)
    if unhealthy and "ReplaceUnhealthy" in group.suspended:
        missing = group.desired - _usable(group) - len(unhealthy)
    else:
        # MaxHealthyPercentage counts instances 'in service and healthy, or pending', not unhealthy ones.
        missing = group.desired - _usable(group)
    return [Launch(missing, is_replacement=bool(unhealthy))] if missing > 0 else []


def _scaled_in(group: Group) -> list[Action]:
    if "Terminate" in group.suspended:
        return []
    surplus = max(0, _usable(group) - group.desired)
    return [Terminate(instance.instance_id, Cause.SURPLUS) for instance in choose_victims(group, surplus)]


def choose_victims(group: Group, count: int) -> list[Instance]:
    """Instances to terminate at scale-in.

    The fullest zone comes first, then the termination policy decides. Pending instances are chosen last.
    """
    victims: list[Instance] = []
    left = {each.instance_id: each for each in group.instances if _is_usable(each)}
    for _ in range(count):
        candidates = [
            each for each in left.values() if not each.is_protected and each.state == State.IN_SERVICE
        ]
        candidates = candidates or [each for each in left.values() if not each.is_protected]
        if not candidates:
            break
        used = Counter(each.zone for each in left.values())
        fullest = max(used[each.zone] for each in candidates)
        victim = _first_to_go(
            [each for each in candidates if used[each.zone] == fullest], group.termination_policies
        )
        victims.append(left.pop(victim.instance_id))
    return victims


def _first_to_go(candidates: Sequence[Instance], policies: Sequence[str]) -> Instance:
    if "NewestInstance" in policies:
        return max(candidates, key=lambda each: each.launch_order)
    if "OldestInstance" in policies:
        return min(candidates, key=lambda each: each.launch_order)
    return min(candidates, key=lambda each: (each.template_version, each.launch_order))


def _unhealthy(group: Group) -> list[Instance]:
    return [each for each in group.instances if each.state == State.IN_SERVICE and not each.is_healthy]


def _healthy_in_service(group: Group) -> list[Instance]:
    return [each for each in group.instances if each.state == State.IN_SERVICE and each.is_healthy]


def _is_usable(instance: Instance) -> bool:
    """Whether the instance counts towards the desired capacity. A pending one needs no health check."""
    if instance.state in PENDING_STATES:
        return not instance.is_abandoned
    return instance.state == State.IN_SERVICE and instance.is_healthy


def _usable(group: Group) -> int:
    return sum(1 for each in group.instances if _is_usable(each))
