"""Conditions of an unhealthy node, and the reactions to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmer.core.node_health import HANG_TIMEOUT_S, Daemon, FileSystem, assess

GIB = 1 << 30
DISK = FileSystem(path="/", free_bytes=8 * GIB, size_bytes=20 * GIB, free_inodes=900_000, inodes=1_000_000)
WELL = Daemon(unit="docker.service", active_s=100.0, silent_s=0.0)


def test_a_node_with_room_and_daemons_that_answer_is_well() -> None:
    found = assess([DISK], [WELL])
    assert (found.problems, found.hanging, found.note) == ((), (), "well")


@pytest.mark.parametrize(
    ("size_gib", "free_mib", "is_full"),
    [(20, 1023, True), (20, 1025, False), (8, 420, False), (8, 400, True), (1000, 1025, False)],
)
def test_a_disk_is_full_before_nothing_is_left(size_gib: int, free_mib: int, is_full: bool) -> None:
    disk = replace(DISK, size_bytes=size_gib * GIB, free_bytes=free_mib << 20)
    assert bool(assess([disk], []).problems) == is_full


def test_a_full_disk_is_named_with_what_is_left() -> None:
    assert assess([replace(DISK, free_bytes=5 << 20)], []).note == "/ is full: 5 MiB are left"


def test_a_disk_without_inodes_is_full_too() -> None:
    assert assess([replace(DISK, free_inodes=12)], []).note == "/ is full: 12 inodes are left"


def test_a_file_system_without_a_limit_of_inodes_has_enough() -> None:
    assert assess([replace(DISK, free_inodes=0, inodes=0)], []).note == "well"


def test_a_daemon_that_is_silent_for_a_moment_is_left_alone() -> None:
    assert assess([], [replace(WELL, silent_s=HANG_TIMEOUT_S - 1)]).hanging == ()


def test_a_daemon_that_runs_and_stays_silent_hangs() -> None:
    found = assess([], [replace(WELL, silent_s=HANG_TIMEOUT_S)])
    assert (found.hanging, found.note) == (("docker.service",), "docker.service does not answer")


def test_a_daemon_that_has_just_been_started_is_given_the_same_time() -> None:
    assert assess([], [replace(WELL, silent_s=90.0, active_s=5.0)]).hanging == ()


def test_a_daemon_that_does_not_run_is_told_but_there_is_nothing_to_kill() -> None:
    found = assess([], [replace(WELL, silent_s=90.0, active_s=None)])
    assert (found.hanging, found.note) == ((), "docker.service does not run")
