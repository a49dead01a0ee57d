"""A candidate whose release of the lock is not answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from node import registry
from node.registry import Candidate
from swarmer.adapters.consul import Unavailable
from swarmer.core import election
from swarmer.core.election import Lock, Stay
from tests.node.daemons.daemon import machine


@dataclass
class SlowConsul:
    """It carries out what it is asked for, and the answer is lost."""

    destroyed: list[str] = field(default_factory=list)
    is_slow: bool = True

    def release(self, *_: Any) -> None:
        if self.is_slow:
            raise Unavailable("timed out")

    def renew_session(self, _: str) -> bool:
        return True

    def create_session(self, *_: Any, **__: Any) -> str:
        return "new"

    def destroy_session(self, session: str) -> None:
        self.destroyed.append(session)


@pytest.fixture
def candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Candidate:
    """It serves under lease 1; another manager is ready."""
    monkeypatch.setattr(registry, "SESSION_FILE", tmp_path / "session")
    registry.SESSION_FILE.write_text("old")
    found = Candidate(machine("10.0.0.1"), consul=SlowConsul(), session="old")  # type: ignore[arg-type]
    found.lock = Lock(session="old", number=1)
    found.door.number, found.door.holder = 1, "10.0.0.2"
    return found


def test_nothing_is_served_any_more_under_a_lease_whose_release_was_not_answered(
    candidate: Candidate,
) -> None:
    """Consul may yet carry it out, and then another serves at once: a release knows no lock-delay."""
    with pytest.raises(Unavailable):
        candidate.hand_over()
    candidate.confirm()
    assert candidate.door.fresh_until_s == 0.0
    assert election.decide(candidate.tenure()) == Stay()
    assert not candidate.door.is_draining


def test_the_lock_that_it_may_still_hold_is_freed_with_its_session(candidate: Candidate) -> None:
    with pytest.raises(Unavailable):
        candidate.hand_over()
    candidate.confirm()
    assert candidate.consul.destroyed == ["old"]  # type: ignore[attr-defined]
    assert (candidate.session, registry.SESSION_FILE.read_text()) == ("new", "new")


def test_one_that_is_answered_keeps_its_session(candidate: Candidate) -> None:
    candidate.consul.is_slow = False  # type: ignore[attr-defined]
    candidate.hand_over()
    candidate.confirm()
    assert candidate.consul.destroyed == []  # type: ignore[attr-defined]
    assert candidate.session == "old"
