"""The registry's backstop."""

from __future__ import annotations

from dataclasses import replace

from swarmer.core.healing.registry import (
    SUSPECT_GRACE_S,
    Depose,
    Healthy,
    Powerless,
    Scene,
    Suspect,
    Suspicion,
    Wait,
    decide,
)
from swarmer.core.state import RegistryLock
from tests.core.healing.scenes import NOW, A, B

HELD = Scene(
    has_leader=True, lease=RegistryLock(session="s", number=7, holder=A), serving=frozenset((A,)), now_s=NOW
)
DEAF = replace(HELD, serving=frozenset())


def test_a_holder_that_serves_is_left_alone() -> None:
    assert decide(HELD) == Healthy()


def test_a_suspicion_that_came_to_nothing_is_withdrawn() -> None:
    assert decide(replace(HELD, suspicion=Suspicion(number=7, since_s=NOW))) == Healthy(clear=True)


def test_a_holder_that_does_not_serve_is_suspected_first() -> None:
    assert decide(DEAF) == Suspect(7)
    assert decide(replace(DEAF, serving=frozenset((B,)))) == Suspect(7)


def test_a_suspicion_of_an_earlier_lease_says_nothing_about_this_one() -> None:
    assert decide(replace(DEAF, suspicion=Suspicion(number=6, since_s=NOW - 999))) == Suspect(7)


def test_it_has_time_to_start_and_is_deposed_by_name_then() -> None:
    early = replace(DEAF, suspicion=Suspicion(number=7, since_s=NOW - SUSPECT_GRACE_S + 1))
    assert decide(early) == Wait(f"{A} to serve under lease 7")
    assert decide(replace(early, suspicion=Suspicion(number=7, since_s=NOW - SUSPECT_GRACE_S))) == Depose(
        A, 7, "s"
    )


def test_a_lock_that_is_free_has_nobody_to_depose() -> None:
    for lease in (None, RegistryLock(session=None, number=7, holder="")):
        assert isinstance(decide(replace(DEAF, lease=lease)), Powerless)


def test_without_a_leader_there_is_no_lock_to_free() -> None:
    assert isinstance(decide(replace(HELD, has_leader=False)), Powerless)


def test_a_suspicion_is_read_as_it_was_written_and_rubbish_is_none() -> None:
    suspicion = Suspicion(number=7, since_s=1.5)
    assert Suspicion.from_json(suspicion.to_json()) == suspicion
    assert Suspicion.from_json("?") is Suspicion.from_json("{}") is None
