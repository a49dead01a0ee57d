"""Units of systemd, by what `systemctl show` prints."""

from __future__ import annotations

import time

import pytest

from swarmer.adapters import process, systemd


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("ActiveState=active\nActiveEnterTimestampMonotonic=40000000\n", 60.0),
        ("ActiveState=failed\nActiveEnterTimestampMonotonic=40000000\n", None),
        ("ActiveState=active\nActiveEnterTimestampMonotonic=[not set]\n", None),
        ("", None),
    ],
    ids=["active", "failed", "no time", "nothing"],
)
def test_an_active_unit_has_been_so_since_its_time_stamp(
    shown: str, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "run", lambda *_, **__: shown)
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    assert systemd.active_s("docker.service") == expected


def test_a_systemd_that_does_not_answer_says_nothing_of_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise process.Failed("timed out")

    monkeypatch.setattr(process, "run", fail)
    assert systemd.active_s("docker.service") is None
