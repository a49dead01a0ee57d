"""What an Auto Scaling group does next: pure decisions on a group as it is.

Sources: EC2 Auto Scaling User Guide, 'Amazon EC2 Auto Scaling instance lifecycle', 'How lifecycle hooks
work', 'Instance maintenance policies', 'Health checks', 'Control which instances terminate'.

Level-triggered: `decide` looks at the group, never at what happened; what it returns is done, and it is asked
again until it returns nothing.
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
"""Of a hook that names none."""
GLOBAL_TIMEOUT_S: Final = 172_800
MAX_TIMEOUTS: Final = 100
"""An instance waits at most 48 hours or so many time-outs, whichever is less, whatever the heartbeats."""


class State(StrEnum):
    """An instance's lifecycle state, in AWS's words."""

    PENDING = "Pending"
    PENDING_WAIT = "Pending:Wait"
    PENDING_PROCEED = "Pending:Proceed"
    IN_SERVICE = "InService"
    STANDBY = "Standby"
    TERMINATING = "Terminating"
    TERMINATING_WAIT = "Terminating:Wait"
    TERMINATING_PROCEED = "Terminating:Proceed"
    TERMINATED = "Terminated"


PENDING_STATES: Final = frozenset({State.PENDING, State.PENDING_WAIT, State.PENDING_PROCEED})
TERMINATING_STATES: Final = frozenset({State.TERMINATING, State.TERMINATING_WAIT, State.TERMINATING_PROCEED})


@dataclass(frozen=True, kw_only=True)
class Wait:
    """One hook's action on one instance, not completed yet. Times in seconds of one clock."""

    hook: str
    token: str
    timeout_s: float
    default_result: str
    deadline_s: float
    ends_s: float
    """No heartbeat prolongs beyond this."""


def start_wait(*, hook: str, token: str, timeout_s: float, default_result: str, now_s: float) -> Wait:
    """The instance enters its wait state now."""
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
    return min(GLOBAL_TIMEOUT_S, MAX_TIMEOUTS * timeout_s)


def prolong(wait: Wait, now_s: float) -> Wait:
    """A heartbeat: the time-out begins anew."""
    return replace(wait, deadline_s=min(now_s + wait.timeout_s, wait.ends_s))


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An instance of a group."""

    instance_id: str
    zone: str
    state: State
    is_healthy: bool = True
    is_protected: bool = False
    """From scale in only: an unhealthy instance is replaced all the same."""
    is_abandoned: bool = False
    """One of its launch hooks ended in ABANDON."""
    launch_order: int = 0
    """Its place in the order of launches."""
    template_version: int = 0
    waits: tuple[Wait, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group as it is, its instances in the order of their launches."""

    desired: int
    instances: tuple[Instance, ...] = ()
    min_healthy: int | None = None
    """Percentages of the instance maintenance policy, where the group has one."""
    max_healthy: int | None = None
    suspended: frozenset[str] = frozenset()
    """Names of suspended processes."""
    termination_policies: tuple[str, ...] = ("Default",)

    @property
    def launches_first(self) -> bool:
        """Whether a replacement is in service before the instance that it replaces goes."""
        return self.min_healthy == 100 and (self.max_healthy or 100) > 100


# -- what is to be done -------------------------------------------------------------------


@dataclass(frozen=True)
class Launch:
    """Start so many instances. `is_replacement`: for unhealthy ones."""

    count: int
    is_replacement: bool = False


@dataclass(frozen=True)
class Expire:
    """The hook's time is over: its default result counts."""

    instance_id: str
    hook: str


@dataclass(frozen=True)
class EnterService:
    instance_id: str


class Cause(StrEnum):
    """Why an instance goes."""

    UNHEALTHY = "unhealthy"
    ABANDONED = "abandoned"
    SURPLUS = "surplus"


@dataclass(frozen=True)
class Terminate:
    """Begin: the terminate hooks come first."""

    instance_id: str
    cause: Cause


@dataclass(frozen=True)
class Finish:
    """No hook waits any longer: end the instance itself."""

    instance_id: str


Action = Launch | Expire | EnterService | Terminate | Finish


def decide(group: Group, now_s: float) -> list[Action]:
    """The next things to do, independent of each other; none where the group is as it should be."""
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
            done.append(Finish(instance.instance_id))
    return done


def _abandoned(group: Group) -> list[Action]:
    return [
        Terminate(instance.instance_id, Cause.ABANDONED)
        for instance in group.instances
        if instance.is_abandoned and instance.state in PENDING_STATES
    ]


def _replaced(group: Group) -> list[Action]:
    """Unhealthy instances that may go now, the longest serving first.

    Launching first, each goes when a replacement is in service for it.
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
        # MaxHealthyPercentage counts what is 'in service and healthy, or pending': not the unhealthy.
        missing = group.desired - _usable(group)
    return [Launch(missing, is_replacement=bool(unhealthy))] if missing > 0 else []


def _scaled_in(group: Group) -> list[Action]:
    if "Terminate" in group.suspended:
        return []
    surplus = max(0, _usable(group) - group.desired)
    return [Terminate(instance.instance_id, Cause.SURPLUS) for instance in choose_victims(group, surplus)]


def choose_victims(group: Group, count: int) -> list[Instance]:
    """Of the fullest zone, then as the termination policy says; pending ones if there is no other."""
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
    """Counts towards the desired capacity. Pending instances are not checked for their health."""
    if instance.state in PENDING_STATES:
        return not instance.is_abandoned
    return instance.state == State.IN_SERVICE and instance.is_healthy


def _usable(group: Group) -> int:
    return sum(1 for each in group.instances if _is_usable(each))
